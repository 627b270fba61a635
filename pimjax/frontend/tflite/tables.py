"""Functions of one 8-bit code as tables of 256 entries, worked out as LiteRT's kernels do.

*Source:* LUTPopulate in internal/common.h, hard_swish.h, leaky_relu.h and concatenation.h of
LiteRT. The tables of real functions are made in float32; exp and tanh are rounded from float64,
where the kernels take the C library's float32 ones, which may differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pimjax.frontend.tflite.node import (
    Lowered,
    Node,
    UnsupportedError,
    code_range,
    is_float,
    round_away,
    spec_of,
)
from pimjax.frontend.tflite.reader import Tensor
from pimjax.network.ops import Binary, Table, Unary
from pimjax.network.requantize import multiplier_and_exponent


def _logistic(x: np.float32) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.float32(np.exp(np.float64(-x))))


def _tanh(x: np.float32) -> np.float32:
    return np.float32(np.tanh(np.float64(x)))


def _function(
    unary: str, function: Callable[[np.float32], np.float32]
) -> Callable[[Node], Lowered]:
    def rule(node: Node) -> Lowered:
        if is_float(node.output):
            return Lowered((node.layer(Unary(unary), node.source()),))
        source, out = spec_of(node.tensor(0)), spec_of(node.output)
        scale, inverse = np.float32(source.scale), np.float32(1) / np.float32(out.scale)
        return _with_table(
            node,
            lambda code: (
                round_away(function(scale * np.float32(code - source.zero_point)) * inverse)
                + out.zero_point
            ),
        )

    return rule


logistic = _function("sigmoid", _logistic)
tanh = _function("tanh", _tanh)


def leaky_relu(node: Node) -> Lowered:
    """x, or alpha x where x is negative."""
    alpha = np.float32(node.setting("Alpha"))
    if is_float(node.output):
        return Lowered((node.layer(Unary("leaky_relu", (float(alpha),)), node.source()),))
    source, out = spec_of(node.tensor(0)), spec_of(node.output)
    in_scale, out_scale = np.float32(source.scale), np.float32(out.scale)
    if not alpha > 0:
        raise UnsupportedError(f"alpha = {alpha}; a positive one is supported")
    negative = _fixed(in_scale * alpha / out_scale)
    positive = _fixed(in_scale / out_scale)

    def entry(code: int) -> int:
        value = code - source.zero_point
        return _scaled(value, *(positive if value >= 0 else negative)) + out.zero_point

    return _with_table(node, entry)


def prelu(node: Node) -> Lowered:
    """x, or alpha x where x is negative, with a constant alpha for each channel (last axis)."""
    alpha = node.constant(1, "its alpha")
    channels = node.output.shape[-1] if node.output.shape else 0
    if alpha.size != channels or alpha.shape[-1:] != (channels,):
        raise UnsupportedError(f"alpha of size {alpha.shape}; one for each channel is supported")
    source = node.source()
    if is_float(node.output):
        constant = alpha.reshape((1,) * (len(node.output.shape) - 1) + (channels,))
        layer = node.layer(Binary("prelu"), source)
        return Lowered((layer,), {layer.name: {"constant": constant}})
    spec, out, slope = (spec_of(each) for each in (node.tensor(0), node.output, node.tensor(1)))
    in_scale, out_scale = np.float32(spec.scale), np.float32(out.scale)
    positive = _fixed(in_scale / out_scale)
    negative = _fixed(in_scale * np.float32(slope.scale) / out_scale)
    table = np.zeros((spec.high - spec.low + 1, channels), np.int32)
    for channel, code in enumerate(alpha.ravel()):
        factor = int(code) - slope.zero_point
        for i in range(len(table)):
            value = spec.low + i - spec.zero_point
            scaled = _scaled(value, *positive) if value >= 0 else _scaled(value * factor, *negative)
            table[i, channel] = max(out.low, min(out.high, scaled + out.zero_point))
    layer = node.layer(Table(spec.low), source)
    return Lowered((layer,), {layer.name: {"table": table}})


def hard_swish(node: Node) -> Lowered:
    """x clip(x + 3, 0, 6) / 6, in 16-bit fixed point."""
    if is_float(node.output):
        return Lowered((node.layer(Unary("hard_swish"), node.source()),))
    source, out = spec_of(node.tensor(0)), spec_of(node.output)
    fine = np.float32(1 / 128) * np.float32(source.scale)
    to_output, down = _fixed(fine / np.float32(out.scale))
    to_unit, exponent = _fixed(fine / np.float32(3 / 32768))
    if down > 0:
        raise UnsupportedError(f"an output scale {out.scale} below 1 / 128 of the input's")

    def entry(code: int) -> int:
        value = (code - source.zero_point) << 7
        on_output = _high16(value, _upper_half(to_output))
        share = _held16(value << exponent - 1) if exponent > 0 else value
        share = _high16(share, _upper_half(to_unit))
        share = _held16(share << 1) if exponent > 0 else _halved(share, -exponent)
        share = (share + (1 << 15)) >> 1
        product = share * on_output
        cut = abs(product) >> 15
        return _halved(cut if product >= 0 else -cut, -down) + out.zero_point

    return _with_table(node, entry)


def rescaling_table(source: Tensor, out: Tensor) -> np.ndarray:
    """A uint8 code at another scale, by the float32 arithmetic of CONCATENATION."""
    scale = source.scale[0] * (np.float32(1) / out.scale[0])
    bias = np.float32(-int(source.zero_point[0])) * scale
    zero = int(out.zero_point[0])
    entries = (round_away(np.float32(code) * scale + bias) + zero for code in range(256))
    return np.array([max(0, min(255, entry)) for entry in entries], np.int32)


def _with_table(node: Node, entry: Callable[[int], int]) -> Lowered:
    source = spec_of(node.tensor(0))
    if node.tensor(0).type != node.output.type:
        raise UnsupportedError(f"types {node.tensor(0).type} and {node.output.type} mixed")
    low, high = code_range(node.output, None)
    table = [max(low, min(high, entry(code))) for code in range(source.low, source.high + 1)]
    layer = node.layer(Table(source.low), node.source())
    return Lowered((layer,), {layer.name: {"table": np.array(table, np.int32)}})


def _fixed(factor: np.float32) -> tuple[int, int]:
    try:
        return multiplier_and_exponent(float(factor))
    except ValueError as error:
        raise UnsupportedError(str(error)) from None


def _scaled(value: int, multiplier: int, exponent: int) -> int:
    """value * multiplier * 2^(exponent - 31) with the two roundings of a requantiser."""
    high = ((value << max(exponent, 0)) * multiplier + (1 << 30)) >> 31
    return _halved(high, max(-exponent, 0))


def _halved(value: int, places: int) -> int:
    """value / 2^places rounded half away from zero."""
    half = 1 << places >> 1
    return (value + half) >> places if value >= 0 else -((half - value) >> places)


def _upper_half(multiplier: int) -> int:
    """A 31-bit multiplier as a 15-bit one, held below 2^15."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def _high16(a: int, b: int) -> int:
    """a b / 2^15 rounded half up, held to 16 bits."""
    return _held16((a * b + (1 << 14)) >> 15)


def _held16(value: int) -> int:
    return max(-(1 << 15), min((1 << 15) - 1, value))
