"""The ADC: partial sum -> code, exactly.

    code = clamp(round((S - offset) / step), code_min, code_max)

The rule is rational arithmetic in Python integers. What engines use is derived from it for the
finite range of partial sums that can occur: integer thresholds, which are the meaning here, and
the faster equivalents of adc_arithmetic.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.spec import Adc
from pimjax.numerics.rounding import first_integer_reaching, round_exact


def unclamped_code(adc: Adc, partial_sum: int) -> int:
    """The rounded value before the clamp, for one partial sum; without an ADC the sum itself."""
    if adc.kind == "none":
        return partial_sum
    return round_exact(Fraction(partial_sum - adc.offset) / adc.step, adc.rounding)


def code_of(adc: Adc, partial_sum: int, signed: bool) -> int:
    """The ADC's code for one partial sum."""
    code = unclamped_code(adc, partial_sum)
    if adc.kind == "none":
        return code
    low, high = adc.code_limits(signed)
    return max(low, min(high, code))


@dataclass(frozen=True, eq=False)
class Transfer:
    """The table S -> code for partial sums from `sum_low` to `sum_high`.

    `thresholds[i]` is the smallest partial sum whose code is at least `code_base + 1 + i`; only
    thresholds inside the range are listed, so `code_base` is the code of `sum_low`. Sums of the
    range below `clips_below` are clipped low, those from `clips_from` on are clipped high.
    """

    sum_low: int
    sum_high: int
    code_base: int
    thresholds: np.ndarray
    clips_below: int
    clips_from: int

    @property
    def can_clip_low(self) -> bool:
        """Whether some partial sum of the range is clipped at the low end."""
        return self.sum_low < self.clips_below

    @property
    def can_clip_high(self) -> bool:
        """Whether some partial sum of the range is clipped at the high end."""
        return self.sum_high >= self.clips_from


@lru_cache(maxsize=256)
def transfer(adc: Adc, signed: bool, sum_low: int, sum_high: int) -> Transfer:
    """The exact table of a uniform ADC over the partial sums `sum_low` .. `sum_high`."""
    low, high = adc.code_limits(signed)

    def reaching(code: int) -> int:
        return first_integer_reaching(code, adc.step, adc.offset, adc.rounding)

    base, top = (code_of(adc, s, signed) for s in (sum_low, sum_high))
    thresholds = np.array([reaching(code) for code in range(base + 1, top + 1)], np.int32)
    below, above = (min(max(reaching(code), sum_low), sum_high + 1) for code in (low, high + 1))
    return Transfer(sum_low, sum_high, base, thresholds, below, above)


def affine(adc: Adc, signed: bool, sum_low: int, sum_high: int) -> tuple[int, int] | None:
    """(n, m) such that code = n S - m for every partial sum of the range, or None.

    This is the proof behind a lossless collapse: no conversion of the range clips or rounds.
    """
    if adc.kind == "none":
        return 1, 0
    slope = 1 / adc.step
    shift = adc.offset * slope
    if slope.denominator != 1 or shift.denominator != 1:
        return None
    n, m = int(slope), int(shift)
    low, high = adc.code_limits(signed)
    inside = low <= n * sum_low - m and n * sum_high - m <= high
    return (n, m) if inside else None


def codes_by_table(sums: jax.Array, table: Transfer) -> jax.Array:
    """ADC codes of int32 partial sums, looked up in the thresholds: the meaning."""
    thresholds = jnp.asarray(table.thresholds)
    position = jnp.searchsorted(thresholds, sums, side="right", method="scan_unrolled")
    return table.code_base + position.astype(jnp.int32)
