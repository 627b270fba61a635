"""How a weight becomes cells, and which conversions a row group needs.

*Source:* SEMANTICS section 2. Cells hold non-negative digits. A weight encoding gives one or two
*sides* (two for the differential ones: the positive and the negative part), each a non-negative
code that is cut into cell digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit, cut_digits


@dataclass(frozen=True)
class Conversion:
    """One ADC conversion per row group, input slice and output.

    The partial sum comes from `digit` of side `side`, minus the same digit of side 1 when
    `paired`. Its code is worth `weight` times the weight of the input slice.
    """

    side: int
    digit: Digit
    weight: int
    paired: bool = False


def is_differential(spec: Bitline) -> bool:
    """Whether a weight takes a pair of columns."""
    return spec.weight_encoding in ("differential", "ternary")


def is_paired(spec: Bitline) -> bool:
    """Whether the pair is subtracted before one signed conversion."""
    return is_differential(spec) and spec.differential_readout == "paired"


def input_slices(spec: Bitline) -> tuple[Digit, ...]:
    """The digits of an activation code in the order they are driven, least significant first."""
    return cut_digits(spec.act_bits, spec.input_slice_bits, spec.act_signed)


def side_bits(spec: Bitline) -> int:
    """Width of the non-negative code on each side."""
    return spec.weight_bits - 1 if is_differential(spec) else spec.weight_bits


def conversions(spec: Bitline) -> tuple[Conversion, ...]:
    """The conversions of one row group and one input slice, least significant first."""
    if is_differential(spec):
        digits = cut_digits(side_bits(spec), spec.cell_bits, signed=False)
        if is_paired(spec):
            return tuple(Conversion(0, digit, digit.weight, paired=True) for digit in digits)
        return tuple(
            Conversion(side, digit, digit.weight if side == 0 else -digit.weight)
            for digit in digits
            for side in (0, 1)
        )
    signed = spec.weight_encoding == "twos_complement"
    # A binary cell is worth +1 or -1: w = 2 u - 1, so a plane counts twice.
    worth = 2 if spec.weight_encoding == "binary" else 1
    digits = cut_digits(spec.weight_bits, spec.cell_bits, signed)
    return tuple(Conversion(0, digit, worth * digit.weight) for digit in digits)


def cell_codes(
    w: jax.Array, spec: Bitline, common: jax.Array | None = None
) -> tuple[jax.Array, ...]:
    """The non-negative code of each side of weight codes `w`, int32 of the same shape.

    Two's complement weights become their bit pattern; its top digit carries a negative weight.
    `common` is what both sides of a differential pair hold beside the weight, the smaller of the
    two codes (faults can leave cells on both sides); each sum must fit `side_bits`. Other
    encodings have one side, and it plays no part.
    """
    w = w.astype(jnp.int32)
    if is_differential(spec):
        both = jnp.int32(0) if common is None else common.astype(jnp.int32)
        return jnp.maximum(w, 0) + both, jnp.maximum(-w, 0) + both
    if spec.weight_encoding == "offset_binary":
        return (w + (1 << (spec.weight_bits - 1)),)
    if spec.weight_encoding == "binary":
        return ((w + 1) >> 1,)
    return (w & ((1 << spec.weight_bits) - 1),)


def partial_sum_limits(spec: Bitline, rows: int) -> tuple[int, int]:
    """Smallest and largest partial sum of a row group of `rows` rows, over all digits."""
    input_digit = max(digit.largest for digit in input_slices(spec))
    cell_digit = max(conversion.digit.largest for conversion in conversions(spec))
    largest = rows * input_digit * cell_digit
    return (-largest if is_paired(spec) else 0), largest
