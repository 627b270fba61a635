"""The digital term D: what never passes the ADC, added once per output.

    D = slope * sum_k x + row_groups * constant,   y = running sum + round_half_even(D)

slope comes from the weight encoding (offset_binary, binary), the constant from `adc.offset`;
both are exact rationals in units of `adc.step`. *Source:* SEMANTICS sections 2 and 4.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.encoding import conversions, input_slices
from pimjax.array.spec import Bitline
from pimjax.numerics import wide
from pimjax.numerics.wide import Wide

LARGEST_FRACTION = 1 << 20
"""Largest numerator and denominator of `adc.step` and `adc.offset`: D is looked up by residue."""


def slope(spec: Bitline) -> Fraction:
    """What one unit of sum_k x adds to D."""
    if spec.weight_encoding == "offset_binary":
        return -(1 << (spec.weight_bits - 1)) / spec.adc.effective_step
    if spec.weight_encoding == "binary":
        return -1 / spec.adc.effective_step
    return Fraction(0)


def constant_per_row_group(spec: Bitline) -> Fraction:
    """What the ADC offset of all conversions of a row group adds to D."""
    weight = sum(s.weight for s in input_slices(spec)) * sum(c.weight for c in conversions(spec))
    return weight * spec.adc.effective_offset / spec.adc.effective_step


def has_digital_term(spec: Bitline) -> bool:
    """Whether D can differ from 0."""
    return slope(spec) != 0 or constant_per_row_group(spec) != 0


def digital_term_exact(spec: Bitline, row_groups: int, input_sum: int) -> int:
    """round_half_even(D) for one output, in Python integers."""
    return round(slope(spec) * input_sum + row_groups * constant_per_row_group(spec))


def digital_term(spec: Bitline, row_groups: int, input_sums: jax.Array) -> Wide:
    """round_half_even(D) for int32 sums of input codes, exact in 64 bits.

    With slope = a / d, sum = d q + r gives D = a q + (a r / d + constant): the bracket is one of
    d rationals, tabulated exactly; a tie is settled by the parity of the whole.
    """
    a, d = slope(spec).numerator, slope(spec).denominator
    constant = row_groups * constant_per_row_group(spec)
    brackets = [Fraction(a * r, d) + constant for r in range(d)]
    floors = [floor(bracket) for bracket in brackets]
    rests = [bracket % 1 - Fraction(1, 2) for bracket in brackets]
    rounds_up = np.array([rest > 0 for rest in rests], np.int32)
    ties = np.array([rest == 0 for rest in rests], np.int32)
    quotient = input_sums // d if d > 1 else input_sums
    residue = input_sums - quotient * d
    floor_words = Wide(
        jnp.asarray(np.array([f >> 32 for f in floors], np.int32))[residue],
        jnp.asarray(np.array([f & 0xFFFFFFFF for f in floors], np.uint32))[residue],
    )
    whole = wide.add(wide.times_constant(quotient, a), floor_words)
    odd = (whole.lo & 1).astype(jnp.int32)
    up = jnp.asarray(rounds_up)[residue]
    up = up + (jnp.asarray(ties)[residue] & odd)
    return wide.add(whole, wide.from_int32(up))


def input_term(input_sums: jax.Array, weight_shifts: jax.Array, step: Fraction) -> jax.Array:
    """round_half_even(sum_k x * shift / step), int32: what weights moved by `shift` lack.

    The product times the denominator of `step` must fit 32 bits (`input_term_bound`).
    """
    product = input_sums * weight_shifts * step.denominator
    if step.numerator == 1:
        return product
    whole = product // step.numerator
    rest = 2 * (product - whole * step.numerator)
    half_up = (rest > step.numerator) | ((rest == step.numerator) & (whole & 1 == 1))
    return whole + half_up.astype(jnp.int32)


def input_term_bound(k: int, spec: Bitline, largest_shift: int) -> int:
    """The largest magnitude on the way to `input_term` for any codes."""
    largest = max(map(abs, spec.act_range))
    return 2 * k * largest * largest_shift * spec.adc.effective_step.denominator
