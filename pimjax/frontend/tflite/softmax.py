"""SOFTMAX: the exponentials of all differences of two codes, worked out once.

An exponential of a negative number with 26 fraction bits is the product of the exponential of what
it lacks to a multiple of a quarter, from a short series, and of constants exp(-2^k) for the bits of
that multiple. *Source:* exp_on_negative_values in gemmlowp's fixedpoint.h, used by LiteRT's
reference kernel softmax.h; the constants are exp(-1/8), 1/3 and exp(-2^k) with 31 fraction bits.
"""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.tflite.node import Lowered, Node, UnsupportedError, is_float, spec_of
from pimjax.network.ops import FixedSoftmax, Softmax
from pimjax.network.requantize import multiplier_and_exponent

INTEGER_BITS = 5
FRACTION_BITS = 31 - INTEGER_BITS
ONE = (1 << 31) - 1


def softmax(node: Node) -> Lowered:
    """Shares of 1 along the last axis."""
    beta = float(node.setting("Beta"))
    rank = len(node.output.shape)
    if rank < 2 or not (math.isfinite(beta) and beta > 0):
        raise UnsupportedError(f"beta = {beta} on {node.output.shape}")
    if is_float(node.output):
        if beta != 1:
            raise UnsupportedError(f"beta = {beta} on real numbers; 1 is supported")
        return Lowered((node.layer(Softmax(rank - 2), node.source()),))
    source, out = spec_of(node.tensor(0)), spec_of(node.output)
    if node.tensor(0).type != node.output.type:
        raise UnsupportedError(f"types {node.tensor(0).type} and {node.output.type} mixed")
    if out.zero_point != out.low or abs(out.scale * 256 - 1) > 1e-3:
        raise UnsupportedError(
            f"output scale {out.scale}, zero point {out.zero_point}; 1/256 and {out.low} expected"
        )
    table = exponentials(beta * source.scale, 256)
    layer = node.layer(FixedSoftmax(out.low), node.source())
    return Lowered((layer,), {layer.name: {"exp": table}})


def exponentials(scale: float, count: int) -> np.ndarray:
    """exp(-scale i) for i in 0 .. count - 1 with 31 fraction bits, 0 where LiteRT leaves it out."""
    factor = min(scale * (1 << FRACTION_BITS), ONE)
    if factor <= 1:
        raise UnsupportedError(f"an input scale x beta of {scale}; more than 2^-26 is supported")
    multiplier, shift = multiplier_and_exponent(factor)
    furthest = ((1 << INTEGER_BITS) - 1 << FRACTION_BITS) >> shift
    return np.array(
        [_exp(_product(-i << shift, multiplier)) if i <= furthest else 0 for i in range(count)],
        np.int32,
    )


def _exp(value: int) -> int:
    """exp of value / 2^26 <= 0, with 31 fraction bits."""
    if value == 0:
        return ONE
    quarter = 1 << FRACTION_BITS - 2
    rest = (value & quarter - 1) - quarter
    result = _exp_near_zero(rest << INTEGER_BITS)
    quarters = rest - value
    for power in range(-2, INTEGER_BITS):
        if quarters >> FRACTION_BITS + power & 1:
            result = _product(result, round(math.exp(-(2.0**power)) * (1 << 31)))
    return result


def _exp_near_zero(value: int) -> int:
    """exp of value / 2^31 in [-1/4, 0): a series of fourth order around -1/8."""
    x = value + (1 << 28)
    x2 = _product(x, x)
    x3, x4 = _product(x2, x), _product(x2, x2)
    third = round((1 << 31) / 3)
    series = _rounded(_product(_rounded(x4, 2) + x3, third) + x2, 1)
    constant = round(math.exp(-1 / 8) * (1 << 31))
    return constant + _product(constant, x + series)


def _product(a: int, b: int) -> int:
    """a b / 2^31 rounded half up."""
    return (a * b + (1 << 30)) >> 31


def _rounded(value: int, places: int) -> int:
    """value / 2^places rounded half away from zero."""
    half = 1 << places - 1
    return (value + half) >> places if value >= 0 else -((half - value) >> places)
