"""The partial sums that codes cause: what the settings of an ADC are chosen from."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from einops import rearrange

from pimjax.array.encoding import (
    Conversion,
    cell_codes,
    conversions,
    input_slices,
    partial_sum_limits,
)
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit

LARGEST_SUM = (1 << 24) - 1
"""Partial sums up to here are exact in float32, and a histogram of them fits in memory."""

SAMPLED = 1 << 18
"""Conversions in the sample."""

_FEWEST = 16


class Histogram(NamedTuple):
    """Partial sums from `low` up: `counts[i]` of them were low + i.

    `sample` (n, c) holds those of n dot products, drawn from all, conversion by conversion;
    `weights` (c,) what a conversion's code counts in the accumulator. With an error e(S) of the
    converter the accumulators are wrong by e(sample) @ weights: errors of planes and slices of one
    dot product add up or cancel, which their counts alone do not tell.
    """

    low: int
    counts: np.ndarray
    sample: np.ndarray
    weights: np.ndarray

    @property
    def sums(self) -> np.ndarray:
        """The partial sums that the counts stand for."""
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
    slices, converted = input_slices(spec), conversions(spec)
    counts = np.zeros(high - low + 1, np.int64)
    worths = [[float(one.weight * other.weight) for other in converted] for one in slices]
    weights = np.tile(np.ravel(worths), spec.row_groups(x.shape[-1]))
    shape = (w.shape[1], x.shape[0], w.shape[2])
    drawn = np.unravel_index(_drawn(prod(shape), len(weights)), shape)
    sample = []
    sides = [np.asarray(side) for side in cell_codes(w, spec)]  # type: ignore[arg-type]
    for start in range(0, x.shape[-1], spec.active_wordlines):
        cut = slice(start, start + spec.active_wordlines)
        inputs = np.stack([_digit(x[..., cut], one) for one in slices])
        columns = np.stack([_columns([side[cut] for side in sides], one) for one in converted])
        # Exact in float32: no sum passes LARGEST_SUM, in whatever order it is added up.
        sums = np.matmul(
            rearrange(inputs, "s p g r -> g (s p) r"), rearrange(columns, "j r g o -> g r (j o)")
        ).astype(np.int32)
        counts += np.bincount(sums.ravel() - low, minlength=len(counts))
        by_product = rearrange(sums, "g (s p) (j o) -> g p o s j", s=len(slices), j=len(converted))
        sample.append(by_product[drawn].reshape(len(drawn[0]), -1))
    return Histogram(low, counts, np.concatenate(sample, axis=-1), weights)


def _drawn(products: int, conversions_each: int) -> np.ndarray:
    """The places of the dot products in the sample, in order.

    Drawn, because a regular stride may miss channels; the stream of this generator is frozen.
    """
    wanted = min(products, max(_FEWEST, SAMPLED // max(1, conversions_each)))
    return np.sort(np.random.RandomState(0).permutation(products)[:wanted])


def _columns(cells: list[np.ndarray], conversion: Conversion) -> np.ndarray:
    """What a conversion sums over the rows: cell digits, of a pair their difference."""
    columns = _digit(cells[conversion.side], conversion.digit)
    return columns - _digit(cells[1], conversion.digit) if conversion.paired else columns


def _digit(codes: np.ndarray, digit: Digit) -> np.ndarray:
    return ((codes >> digit.low) & digit.largest).astype(np.float32)
