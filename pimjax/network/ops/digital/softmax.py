"""Softmax in fixed point: exponentials from a table, one reciprocal by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.numerics import saturating
from pimjax.numerics.fixed import divide_by_power, high_product

SUM_BITS = 12
"""Integer bits of the sum of exponentials."""


@dataclass(frozen=True)
class FixedSoftmax:
    """exp(x) / sum exp(x) along the last axis as 8-bit shares 0..255 of 1, plus `low`.

    Image: exp (n,) int32, the exponential of 0, -1, -2, ... codes with 31 fraction bits, 0 where
    it does not count; n covers the range of the input codes. *Source:* reference kernel SOFTMAX of
    LiteRT (softmax.h) and the fixed-point functions of gemmlowp that it uses.
    """

    place: ClassVar[Place] = "digital"

    low: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, ..., n), low .. low + 255."""
        x = inputs[0]
        below = x.max(axis=-1, keepdims=True) - x
        exp = jnp.take(params["exp"], below, mode="clip")
        # The reference's sum wraps in its word as well.
        total = divide_by_power(exp, jnp.full_like(exp, SUM_BITS)).sum(axis=-1, keepdims=True)
        zeros = jax.lax.clz(total)
        # 1 <= total 2^zeros / 2^31 < 2; what passes 1 is the reciprocal's argument.
        reciprocal = _reciprocal((total << zeros) ^ jnp.int32(-(1 << 31)))
        places = jnp.broadcast_to(SUM_BITS + 31 - 8 - zeros, exp.shape)
        share = divide_by_power(high_product(jnp.broadcast_to(reciprocal, exp.shape), exp), places)
        return Result(jnp.clip(share, 0, 255) + self.low)


def _reciprocal(x: jax.Array) -> jax.Array:
    """1 / (1 + x) for 0 <= x < 1, both with 31 fraction bits.

    Newton's method on half of 1 + x, which lies in [0.5, 1), with 29 fraction bits.
    """
    half = (x >> 1) + (1 << 30)  # (x + (2^31 - 1) + 1) >> 1, and the sum fits
    one = jnp.int32(1 << 29)
    guess = 1515870810 + high_product(half, jnp.full_like(half, -1010580540))  # 48/17 - 32/17 half
    for _ in range(3):
        error = one - high_product(half, guess)
        guess = guess + _times_power(high_product(guess, error), 2)
    return _times_power(guess, 1)


def _times_power(value: jax.Array, places: int) -> jax.Array:
    """value * 2^places, held at the ends of the word."""
    shifted = value << places
    end = jnp.where(value < 0, jnp.int32(saturating.INT32_MIN), jnp.int32(saturating.INT32_MAX))
    return jnp.where(shifted >> places == value, shifted, end)
