"""The ADC: partial sum -> code, exactly.

    code = clamp(round((S - offset) / step), code_min, code_max)

The rule is rational arithmetic in Python integers. What engines use is derived from it for the
finite range of partial sums that can occur: integer thresholds (the meaning), and where it is
provably the same, a clamp or an integer division.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, gcd

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.spec import Adc
from pimjax.numerics.rounding import first_integer_reaching, round_exact

_INT32_MAX = (1 << 31) - 1


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


def codes_by_arithmetic(sums: jax.Array, adc: Adc, signed: bool, table: Transfer) -> jax.Array:
    """The same codes by clamp and integer division, where the numbers fit 31 bits.

    Falls back to the table otherwise. Every step is exact in int32 or uint32.
    """
    if table.sum_low == table.sum_high or table.thresholds.size == 0:
        return jnp.full_like(sums, table.code_base)
    # Sums beyond the outermost thresholds convert alike: clamp first, then divide small numbers.
    first, last = int(table.thresholds[0]) - 1, int(table.thresholds[-1])
    if first > table.sum_low:
        sums = jnp.maximum(sums, first)
    if last < table.sum_high:
        sums = jnp.minimum(sums, last)
    # code = round((a S + b) / d) with integers; all rounding modes become one floor division.
    a = adc.step.denominator * adc.offset.denominator
    b = -adc.offset.numerator * adc.step.denominator
    d = adc.step.numerator * adc.offset.denominator
    common = gcd(a, b, d)
    a, b, d = a // common, b // common, d // common
    if d == 1:
        codes = _affine_int32(sums, a, b, first, last)
    else:
        codes = _rounded_division(sums, a, b, d, adc.rounding, first, last)
    if codes is None:
        return codes_by_table(sums, table)
    low_code, high_code = adc.code_limits(signed)
    if unclamped_code(adc, first) < low_code:
        codes = jnp.maximum(codes, low_code)
    if unclamped_code(adc, last) > high_code:
        codes = jnp.minimum(codes, high_code)
    return codes


def _affine_int32(sums: jax.Array, a: int, b: int, first: int, last: int) -> jax.Array | None:
    if max(abs(a * first), abs(a * last)) + abs(b) > _INT32_MAX:
        return None
    codes = sums if a == 1 else sums * a
    return codes if b == 0 else codes + b


def _rounded_division(
    sums: jax.Array, a: int, b: int, d: int, rounding: str, first: int, last: int
) -> jax.Array | None:
    # floor: (a S + b) // d.  half up: (2 (a S + b) + d) // 2 d, and half even the same, minus
    # one where the division is without remainder (a tie) and the result is odd.
    if rounding != "floor":
        a, b, d = 2 * a, 2 * b + d, 2 * d
    # An even number of divisors added makes the numerator non-negative, as unsigned division
    # wants it, and keeps the parity of the quotient.
    lift = max(0, ceil(Fraction(-(a * first + b), d)))
    lift += lift & 1
    b += lift * d
    if a * last + b > _INT32_MAX or d > _INT32_MAX:
        return None
    numerator = (sums * a + b).astype(jnp.uint32)
    quotient = numerator // jnp.uint32(d)
    if rounding == "half_even":
        tie = (numerator - quotient * jnp.uint32(d)) == 0
        quotient = quotient - (tie.astype(jnp.uint32) & quotient)
    codes = quotient.astype(jnp.int32)
    return codes if lift == 0 else codes - lift
