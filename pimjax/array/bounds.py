"""How large the running sum can get, so that an accumulator is refused before it overflows.

Bounds are exact Python integers and safe for every activation. *Source:* SEMANTICS section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from pimjax.array.adc import affine, code_of
from pimjax.array.digital import digital_term_exact
from pimjax.array.encoding import (
    Conversion,
    cell_codes,
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
)
from pimjax.array.spec import Bitline


@dataclass(frozen=True)
class Bound:
    """Every running sum lies in low .. high; `group` bounds |sum| of a single row group."""

    low: int
    high: int
    group: int

    @property
    def bits(self) -> int:
        """Width of the narrowest two's complement register that holds low .. high."""
        below = (-self.low - 1).bit_length() if self.low < 0 else 0
        return 1 + max(self.high.bit_length(), below)


@lru_cache(maxsize=1024)
def bound_by_shape(spec: Bitline, k: int) -> Bound:
    """Bound over all activations and all weights of `k` rows.

    Exact where no conversion can clip or round, and for unsigned activations. With signed ones
    each conversion is taken to reach the end of its range that counts, which a sign slice and its
    neighbours cannot all do at once: up to one bit too wide.
    """
    full, rest = divmod(k, spec.active_wordlines)
    sizes = [spec.active_wordlines] * full + [rest] * (rest > 0)
    by_size = {rows: _group_extremes(spec, rows) for rows in set(sizes)}
    extremes = np.array([by_size[rows] for rows in sizes], dtype=object)[:, :, None]
    line = affine(spec.adc, is_paired(spec), *partial_sum_limits(spec, spec.rows_per_group(k)))
    products = [x * w for x in spec.act_range for w in spec.weight_range]
    plain = (k * min(products), k * max(products))
    return _bound(spec, k, extremes[:, 0], extremes[:, 1], line, plain)


@lru_cache(maxsize=1024)
def bound_by_codes(spec: Bitline, k: int) -> Bound:
    """Bound for non-ideal columns of `k` rows: any code of the ADC in any conversion."""
    groups = spec.row_groups(k)
    low, high = extremes_of_codes(spec, conversions(spec))
    lows, highs = (np.full((groups, 1), end, dtype=object) for end in (low, high))
    return _bound(spec, k, lows, highs, None, (0, 0))


def never_saturates(spec: Bitline, k: int, ideal: bool = True) -> bool:
    """Whether dropping the reduction after each row group changes nothing (but a final wrap).

    `ideal`: with ideal columns.
    """
    if spec.accumulator_overflow != "saturate":
        return True
    bound = bound_by_shape(spec, k) if ideal else bound_by_codes(spec, k)
    return bound.bits <= spec.accumulator_bits


def bound_by_weights(spec: Bitline, rows: Any) -> Bound:
    """The tighter bound for known weight codes `rows` (k, n), over all activations.

    Exact where no conversion can clip or round; else each conversion is taken to reach the ends
    of its own range, which no single activation need do.
    """
    w = np.asarray(rows).astype(np.int64)
    k = w.shape[0]
    line = affine(spec.adc, is_paired(spec), *partial_sum_limits(spec, spec.rows_per_group(k)))
    x_low, x_high = spec.act_range
    ends = w * x_low, w * x_high
    plain = int(np.minimum(*ends).sum(0).min()), int(np.maximum(*ends).sum(0).max())
    if line is None:
        lows, highs = _extremes_by_conversion(spec, w)
    else:
        shift = line[1] * _total_weight(spec)
        seen = _multipliers(spec, w)
        ends = seen * x_low, seen * x_high
        lows = line[0] * _per_row_group(np.minimum(*ends), spec) - shift
        highs = line[0] * _per_row_group(np.maximum(*ends), spec) - shift
    return _bound(spec, k, lows, highs, line, plain)


def _bound(
    spec: Bitline,
    k: int,
    lows: np.ndarray,
    highs: np.ndarray,
    line: tuple[int, int] | None,
    plain: tuple[int, int],
) -> Bound:
    """From the extremes of each row group (t, n), and of the plain dot product where it counts."""
    sums_low, sums_high = lows.cumsum(0), highs.cumsum(0)
    digital = [digital_term_exact(spec, spec.row_groups(k), k * x) for x in spec.act_range]
    end_low = int(sums_low[-1].min()) + min(digital)
    end_high = int(sums_high[-1].max()) + max(digital)
    if line is not None:
        # Nothing was lost on the way, so the final value is n times the plain dot product.
        end_low, end_high = max(end_low, line[0] * plain[0]), min(end_high, line[0] * plain[1])
    return Bound(
        low=min(0, int(sums_low.min()), end_low),
        high=max(0, int(sums_high.max()), end_high),
        group=max(int(-lows.min()), int(highs.max())),
    )


def _group_extremes(spec: Bitline, rows: int) -> tuple[int, int]:
    line = affine(spec.adc, is_paired(spec), *partial_sum_limits(spec, rows))
    if line is not None:
        seen = _multipliers(spec, np.array(spec.weight_range, dtype=object))
        products = [x * w for x in spec.act_range for w in seen]
        shift = line[1] * _total_weight(spec)
        return line[0] * rows * min(products) - shift, line[0] * rows * max(products) - shift
    return extremes_by_codes(spec, rows, conversions(spec))


def extremes_by_codes(spec: Bitline, rows: int, columns: tuple[Conversion, ...]) -> tuple[int, int]:
    """Range of one row group's sum over these columns, each conversion at an end of its range."""
    low = high = 0
    for input_slice in input_slices(spec):
        for column in columns:
            largest = rows * input_slice.largest * column.digit.largest
            smallest = -largest if column.paired else 0
            weight = input_slice.weight * column.weight
            ends = [weight * code_of(spec.adc, s, column.paired) for s in (smallest, largest)]
            low, high = low + min(ends), high + max(ends)
    return low, high


def extremes_of_codes(spec: Bitline, columns: tuple[Conversion, ...]) -> tuple[int, int]:
    """Range of one row group's sum over these columns, each conversion with any code of the ADC."""
    weights = [s.weight * column.weight for s in input_slices(spec) for column in columns]
    ends = [[w * code for code in spec.adc.code_limits(is_paired(spec))] for w in weights]
    return sum(map(min, ends)), sum(map(max, ends))


def _total_weight(spec: Bitline) -> int:
    """What one code in every conversion of a row group adds up to."""
    return sum(s.weight for s in input_slices(spec)) * sum(c.weight for c in conversions(spec))


def _extremes_by_conversion(spec: Bitline, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = [np.asarray(side, np.int64) for side in cell_codes(jnp.asarray(w, jnp.int32), spec)]
    shape = (spec.row_groups(w.shape[0]), w.shape[1])
    lows, highs = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for conversion in conversions(spec):
        digit = conversion.digit
        columns = [_per_row_group((side >> digit.low) & digit.largest, spec) for side in sides]
        for input_slice in input_slices(spec):
            weight = input_slice.weight * conversion.weight
            most = columns[conversion.side] * input_slice.largest
            least = -columns[1] * input_slice.largest if conversion.paired else np.zeros_like(most)
            ends = weight * _codes(spec, least), weight * _codes(spec, most)
            lows += np.minimum(*ends)
            highs += np.maximum(*ends)
    return lows, highs


def _per_row_group(values: np.ndarray, spec: Bitline) -> np.ndarray:
    """Sums (t, n) over the rows of each row group of values (k, n)."""
    starts = np.arange(0, values.shape[0], spec.active_wordlines)
    return np.add.reduceat(values, starts, axis=0)


def _multipliers(spec: Bitline, w: np.ndarray) -> np.ndarray:
    """What each cell multiplies its input by before the digital term."""
    if spec.weight_encoding == "offset_binary":
        return w + (1 << (spec.weight_bits - 1))
    return w + 1 if spec.weight_encoding == "binary" else w


def _codes(spec: Bitline, sums: np.ndarray) -> np.ndarray:
    distinct, where = np.unique(sums, return_inverse=True)
    codes = [code_of(spec.adc, int(s), is_paired(spec)) for s in distinct]
    return np.array(codes, np.int64)[where].reshape(sums.shape)
