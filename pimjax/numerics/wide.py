"""64-bit two's complement integers as two 32-bit words, for sums that pass 2^31.

JAX runs with 32-bit integers here; the few places that need more (an exact sum before a
saturating accumulator, a 31-bit multiplier) carry a high and a low word.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Wide(NamedTuple):
    """The number hi * 2^32 + lo; `hi` int32, `lo` uint32, of equal shape."""

    hi: jax.Array
    lo: jax.Array


def from_int32(value: jax.Array) -> Wide:
    """`value` (int32), sign-extended."""
    return Wide(value >> 31, value.astype(jnp.uint32))


def constant(value: int) -> Wide:
    """A Python integer in -2^63 .. 2^63 - 1 as a scalar."""
    if not -(1 << 63) <= value < (1 << 63):
        raise OverflowError(f"{value} does not fit 64 bits")
    return Wide(jnp.int32(value >> 32), jnp.uint32(value & 0xFFFFFFFF))


def add(a: Wide, b: Wide) -> Wide:
    """a + b modulo 2^64."""
    lo = a.lo + b.lo
    return Wide(a.hi + b.hi + (lo < a.lo).astype(jnp.int32), lo)


def negate(a: Wide) -> Wide:
    """-a modulo 2^64."""
    return add(Wide(~a.hi, ~a.lo), constant(1))


def where(condition: jax.Array, a: Wide, b: Wide) -> Wide:
    """`a` where the condition holds, else `b`."""
    return Wide(jnp.where(condition, a.hi, b.hi), jnp.where(condition, a.lo, b.lo))


def shift_left(a: Wide, places: jax.Array | int) -> Wide:
    """a * 2^places modulo 2^64, for 0 <= places < 32."""
    places = jnp.asarray(places, jnp.uint32)
    # Two steps, so that no word is ever shifted by its full width.
    carry = (a.lo >> 1) >> (jnp.uint32(31) - places)
    return Wide((a.hi << places.astype(jnp.int32)) | carry.astype(jnp.int32), a.lo << places)


def shift_right(a: Wide, places: int) -> Wide:
    """floor(a / 2^places), for a static 0 <= places < 32."""
    if places == 0:
        return a
    low = (a.lo >> places) | (a.hi.astype(jnp.uint32) << (32 - places))
    return Wide(a.hi >> places, low)


def times_constant(value: jax.Array, factor: int) -> Wide:
    """value (int32) * factor, exact while the product fits 64 bits; |factor| < 2^62."""
    product = from_int32(value)
    total = Wide(jnp.zeros_like(product.hi), jnp.zeros_like(product.lo))
    magnitude = abs(factor)
    for bit in range(magnitude.bit_length()):
        if magnitude >> bit & 1:
            term = product
            for start in range(0, bit, 31):
                term = shift_left(term, min(31, bit - start))
            total = add(total, term)
    return negate(total) if factor < 0 else total


def multiply(a: jax.Array, b: jax.Array) -> Wide:
    """The exact 64-bit product of two int32 arrays of equal shape."""
    negative = (a < 0) ^ (b < 0)
    # |-2^31| is 2^31 in unsigned words, so magnitudes are exact.
    ua = jnp.where(a < 0, -a, a).astype(jnp.uint32)
    ub = jnp.where(b < 0, -b, b).astype(jnp.uint32)
    mask = jnp.uint32(0xFFFF)
    a0, a1, b0, b1 = ua & mask, ua >> 16, ub & mask, ub >> 16
    low = a0 * b0
    middle = a0 * b1 + (low >> 16)  # < 2^32: (2^16-1)^2 + 2^16 - 1
    middle2 = a1 * b0 + (middle & mask)
    high = a1 * b1 + (middle >> 16) + (middle2 >> 16)
    product = Wide(high.astype(jnp.int32), (middle2 << 16) | (low & mask))
    return where(negative, negate(product), product)


def low_word(a: Wide) -> jax.Array:
    """a modulo 2^32 as int32."""
    return a.lo.astype(jnp.int32)


def clamp(a: Wide, low: int, high: int) -> jax.Array:
    """`a` limited to low .. high (both int32 values), as int32."""
    fits = a.hi == (low_word(a) >> 31)
    narrow = jnp.clip(low_word(a), low, high)
    limit = jnp.where(a.hi < 0, jnp.int32(low), jnp.int32(high))
    return jnp.where(fits, narrow, limit)
