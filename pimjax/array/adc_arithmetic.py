"""ADC codes without a look-up: the same codes as the table's, by clamp, multiply and shift.

Which form serves is decided in Python integers when a program is compiled; each is exact for every
partial sum of the table's range, proved or tried out beforehand.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import gcd

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.adc import Transfer, codes_by_table, unclamped_code
from pimjax.array.spec import Adc

_INT32_MAX = (1 << 31) - 1
_TRIED_OUT = 1 << 16
"""Ranges up to this length are gone through, sum by sum, when compiling."""


def codes_by_arithmetic(sums: jax.Array, adc: Adc, signed: bool, table: Transfer) -> jax.Array:
    """ADC codes of int32 partial sums inside the table's range."""
    if table.thresholds.size == 0:
        return jnp.full_like(sums, table.code_base)
    # Sums beyond the outermost thresholds convert alike: clamp first, compute on small numbers.
    first, last = int(table.thresholds[0]) - 1, int(table.thresholds[-1])
    clamped = sums
    if first > table.sum_low:
        clamped = jnp.maximum(clamped, first)
    if last < table.sum_high:
        clamped = jnp.minimum(clamped, last)
    codes = _codes_between(clamped, adc, table, first, last)
    if codes is None:
        return codes_by_table(sums, table)
    low, high = adc.code_limits(signed)
    if unclamped_code(adc, first) < low:
        codes = jnp.maximum(codes, low)
    if unclamped_code(adc, last) > high:
        codes = jnp.minimum(codes, high)
    return codes


def _codes_between(
    sums: jax.Array, adc: Adc, table: Transfer, first: int, last: int
) -> jax.Array | None:
    """Unclamped codes of sums from `first` to `last`, or None where int32 does not do."""
    a, b, d = _as_integers(adc)
    if d == 1:
        if max(abs(a * first), abs(a * last)) + abs(b) > _INT32_MAX:
            return None
        return _plus(sums * a if a != 1 else sums, b)
    codes = _by_shift(sums, adc, first, last)
    if codes is not None:
        return codes
    if last - first >= _TRIED_OUT:
        return None
    found = _multiply_shift(adc, first, last)
    if found is not None:
        return _scaled(sums, *found)
    return _half_even_by_half_up(sums, adc, first, last)


def _as_integers(adc: Adc) -> tuple[int, int, int]:
    """(a, b, d), without a common factor, such that (S - offset) / step = (a S + b) / d."""
    a = adc.step.denominator * adc.offset.denominator
    b = -adc.offset.numerator * adc.step.denominator
    d = adc.step.numerator * adc.offset.denominator
    common = gcd(a, b, d)
    return a // common, b // common, d // common


@lru_cache(maxsize=256)
def _multiply_shift(adc: Adc, first: int, last: int) -> tuple[int, int, int] | None:
    """(m, c, p) with (m S + c) >> p = unclamped code for every S in first .. last.

    There is none for half-even rounding when ties occur: they go up and down in turn.
    """
    sums = np.arange(first, last + 1, dtype=np.int64)
    wanted = np.array([unclamped_code(adc, int(s)) for s in sums], np.int64)
    for places in range(31):
        scale = 1 << places
        factor = round(scale / adc.step)
        # c must lift every product to its code's interval and none beyond it.
        least = int((wanted * scale - factor * sums).max())
        most = int(((wanted + 1) * scale - 1 - factor * sums).min())
        if factor * max(abs(first), abs(last)) + max(abs(least), abs(most)) > _INT32_MAX:
            return None
        if least <= most:
            return factor, least, places
    return None


def _half_even_by_half_up(sums: jax.Array, adc: Adc, first: int, last: int) -> jax.Array | None:
    """Half-up codes less one where a tie went up to an odd code: 2 (a S + b) = (2 code - 1) d."""
    a, b, d = _as_integers(adc)
    largest = 2 * (max(abs(a * first), abs(a * last)) + abs(b) + d)
    if adc.rounding != "half_even" or largest > _INT32_MAX:
        return None
    found = _multiply_shift(replace(adc, rounding="half_up"), first, last)
    if found is None:
        return None
    codes = _scaled(sums, *found)
    tie = sums * (2 * a) + (2 * b + d) == codes * (2 * d)
    return codes - (tie.astype(jnp.int32) & codes & 1)


def _scaled(sums: jax.Array, factor: int, addend: int, places: int) -> jax.Array:
    return _plus(sums * factor if factor != 1 else sums, addend) >> places


def _by_shift(sums: jax.Array, adc: Adc, first: int, last: int) -> jax.Array | None:
    """Codes for a power-of-two d, with N = a S + b; None for another d.

    floor: N // d; half_up: (2 N + d) // 2 d; half_even: (2 N + d - 1 + (N // d mod 2)) // 2 d: the
    remainder 2 N mod 2 d passes d, or meets it with an odd floor, exactly when the sum reaches
    the next multiple of 2 d.
    """
    a, b, d = _as_integers(adc)
    if d & (d - 1):
        return None
    if 2 * (max(abs(a * first), abs(a * last)) + abs(b) + d) > _INT32_MAX:
        return None
    places = d.bit_length() - 1
    numerator = _plus(sums * a if a != 1 else sums, b)
    if adc.rounding == "floor":
        return numerator >> places
    if adc.rounding == "half_up":
        return _plus(numerator + numerator, d) >> (places + 1)
    odd_floor = (numerator >> places) & 1
    return (_plus(numerator + numerator, d - 1) + odd_floor) >> (places + 1)


def _plus(value: jax.Array, addend: int) -> jax.Array:
    return value + addend if addend else value
