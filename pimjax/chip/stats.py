"""Exact statistics of a layer: conversions made, conversions clipped."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import numpy as np


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Stats:
    """Exact counts of one call; a pytree, so that it may come out of a jitted function.

    low_counts, high_counts: int32 (b, h'), clipped conversions behind each output row of each
    image. per_row: conversions behind one output row. The totals are Python integers, since they
    pass 2^31 on real networks.
    """

    low_counts: jax.Array
    high_counts: jax.Array
    per_row: int = field(default=0, metadata={"static": True})

    @property
    def conversions(self) -> int:
        """ADC conversions: one per output, row group, slice and column; 0 without an ADC."""
        rows = 1
        for length in self.low_counts.shape:
            rows *= length
        return self.per_row * rows

    @property
    def clipped_low(self) -> int:
        """Conversions whose rounded value lay below the smallest code."""
        return int(np.asarray(self.low_counts).sum(dtype=np.int64))

    @property
    def clipped_high(self) -> int:
        """Conversions whose rounded value lay above the largest code."""
        return int(np.asarray(self.high_counts).sum(dtype=np.int64))

    @property
    def clipped_share(self) -> float:
        """Clipped conversions, low and high, per conversion; 0 without conversions."""
        clipped = self.clipped_low + self.clipped_high
        return clipped / self.conversions if self.conversions else 0.0

    def first(self, images: int) -> Stats:
        """The counts of the first `images` images alone."""
        return Stats(self.low_counts[:images], self.high_counts[:images], self.per_row)

    def __add__(self, other: Stats) -> Stats:
        """The counts of both, image after image."""
        if self.per_row != other.per_row:
            raise ValueError("statistics of different layers cannot be added")
        low = np.concatenate([np.asarray(self.low_counts), np.asarray(other.low_counts)])
        high = np.concatenate([np.asarray(self.high_counts), np.asarray(other.high_counts)])
        return Stats(low, high, self.per_row)  # type: ignore[arg-type]

    def _totals(self) -> tuple[int, int, int]:
        return self.conversions, self.clipped_low, self.clipped_high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stats) and self._totals() == other._totals()

    def __hash__(self) -> int:
        return hash(self._totals())

    def __repr__(self) -> str:
        if isinstance(self.low_counts, jax.core.Tracer):
            return f"Stats(per_row={self.per_row}, counts traced)"
        conversions, low, high = self._totals()
        return f"Stats(conversions={conversions}, clipped_low={low}, clipped_high={high})"
