"""How often each partial sum occurs: what the settings of an ADC are chosen from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from einops import rearrange

from pimjax.array.encoding import cell_codes, conversions, input_slices, partial_sum_limits
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit

LARGEST_SUM = (1 << 24) - 1
"""Partial sums up to here are exact in float32, and a histogram of them fits in memory."""


class Histogram(NamedTuple):
    """Partial sums from `low` up: `counts[i]` of them were low + i.

    `worth[i]` sums over the same conversions what an error of one cell there does to the
    accumulator, squared: (slice weight * column weight)^2.
    """

    low: int
    counts: np.ndarray
    worth: np.ndarray

    @property
    def sums(self) -> np.ndarray:
        """The partial sums that the entries stand for."""
        return self.low + np.arange(len(self.counts))


def partial_sum_histogram(x: np.ndarray, w: np.ndarray, spec: Bitline) -> Histogram:
    """Partial sums of every row group, slice and column.

    x (p, g, k): array codes of p dot products in dot-product order; w (k, g, o): weight codes.
    Raises ValueError for a readout whose partial sums pass LARGEST_SUM.
    """
    low, high = partial_sum_limits(spec, spec.rows_per_group(x.shape[-1]))
    if high > LARGEST_SUM:
        raise ValueError(
            f"partial sums reach {high}, and only those up to {LARGEST_SUM} are counted; lower "
            f"precision.input_slice_bits, precision.cell_bits or array.active_wordlines"
        )
    counts = np.zeros(high - low + 1, np.int64)
    worth = np.zeros(high - low + 1, np.float64)
    sides = [np.asarray(side) for side in cell_codes(w, spec)]  # type: ignore[arg-type]
    for start in range(0, x.shape[-1], spec.active_wordlines):
        cut = slice(start, start + spec.active_wordlines)
        driven = rearrange(x[..., cut], "p g r -> g p r")
        cells = [rearrange(side[cut], "r g o -> g r o") for side in sides]
        for input_slice in input_slices(spec):
            inputs = _digit(driven, input_slice)
            for conversion in conversions(spec):
                columns = _digit(cells[conversion.side], conversion.digit)
                if conversion.paired:
                    columns = columns - _digit(cells[1], conversion.digit)
                # Exact in float32: no sum passes LARGEST_SUM, in whatever order it is added up.
                sums = np.matmul(inputs, columns).astype(np.int64).ravel() - low
                found = np.bincount(sums, minlength=len(counts))
                counts += found
                worth += found * float(input_slice.weight * conversion.weight) ** 2
    return Histogram(low, counts, worth)


def _digit(codes: np.ndarray, digit: Digit) -> np.ndarray:
    return ((codes >> digit.low) & digit.largest).astype(np.float32)
