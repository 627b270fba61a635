"""Digits of a code: the pieces in which inputs are driven and weights are stored.

With one bit per digit these are the bit planes. Digits never hold negative numbers: the sign bit
of a two's complement value is always a digit of its own, with a negative weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Digit:
    """Bits `low` .. `low + width - 1` of a code; a unit is worth `weight`, a signed power of 2."""

    low: int
    width: int
    weight: int

    @property
    def largest(self) -> int:
        """Largest value the digit can hold."""
        return (1 << self.width) - 1


def cut_digits(bits: int, width: int, signed: bool) -> tuple[Digit, ...]:
    """The digits of a `bits`-bit code in radix 2^width, least significant first.

    The last digit of the unsigned part may be narrower; a sign bit comes last, alone.
    *Source:* SEMANTICS section 2.
    """
    unsigned_bits = bits - 1 if signed else bits
    digits = [
        Digit(low, min(width, unsigned_bits - low), 1 << low)
        for low in range(0, unsigned_bits, width)
    ]
    if signed:
        digits.append(Digit(bits - 1, 1, -(1 << (bits - 1))))
    return tuple(digits)


def take_digit(codes: jax.Array, digit: Digit) -> jax.Array:
    """The digit's value in every code, int32 of the same shape: (code >> low) mod 2^width."""
    return (codes.astype(jnp.int32) >> digit.low) & digit.largest
