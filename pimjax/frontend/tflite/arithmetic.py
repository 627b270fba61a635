"""ADD, SUB, MUL, and the changes of scale: QUANTIZE, DEQUANTIZE, RELU and its kin.

Factors are computed in the float type of LiteRT's kernels: float32 for products and quotients of
scales, unless a line says float64. *Source:* add.cc, sub.cc, mul.cc, quantize.cc, activations.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pimjax.frontend.tflite.host import clip, with_activation
from pimjax.frontend.tflite.node import (
    Lowered,
    Node,
    UnsupportedError,
    code_range,
    is_float,
    numbers,
    output_of,
    spec_of,
)
from pimjax.network.graph import Params
from pimjax.network.ops import (
    AlignedAdd,
    Binary,
    Dequantize,
    Multiply,
    Output,
    QuantizeAway,
    Rescale,
)

SHIFT = 20


def add(node: Node) -> Lowered:
    """The sum of two tensors, or of one and a constant."""
    return _sum(node, "add")


def subtract(node: Node) -> Lowered:
    """The difference of two tensors, or of one and a constant."""
    return _sum(node, "sub")


def multiply(node: Node) -> Lowered:
    """The product of two tensors, or of one and a constant."""
    sources, params, constant_first = _operands(node)
    if is_float(node.output):
        return with_activation(node, Binary("mul", constant_first), sources, params)
    a, b = (spec_of(node.tensor(i)) for i in range(2))
    factor = np.float32(a.scale) * np.float32(b.scale) / np.float32(spec_of(node.output).scale)
    zeros = a.zero_point, b.zero_point
    layer = node.layer(Multiply(output_of(node), zeros, constant_first), *sources)
    return Lowered((layer,), {layer.name: params | numbers(factor)})


def _sum(node: Node, function: str) -> Lowered:
    sources, params, constant_first = _operands(node)
    if is_float(node.output):
        return with_activation(node, Binary(function, constant_first), sources, params)
    a, b = (spec_of(node.tensor(i)) for i in range(2))
    twice_larger = float(2 * np.float32(max(a.scale, b.scale)))
    params |= numbers(a.scale / twice_larger, "a_") | numbers(b.scale / twice_larger, "b_")
    params |= numbers(twice_larger / ((1 << SHIFT) * spec_of(node.output).scale))
    zeros = a.zero_point, b.zero_point
    op = AlignedAdd(output_of(node), zeros, SHIFT, function == "sub", constant_first)
    layer = node.layer(op, *sources)
    return Lowered((layer,), {layer.name: params})


def _operands(node: Node) -> tuple[tuple[str, ...], Params, bool]:
    """(names of the computed operands, the constant one as an array, whether it is the first)."""
    first, second = node.tensor(0), node.tensor(1)
    if first.type != second.type or first.type != node.output.type:
        raise UnsupportedError(f"types {first.type}, {second.type} and {node.output.type} mixed")
    constants = [i for i in range(2) if node.tensor(i).data is not None]
    if not constants:
        if len(first.shape) != len(second.shape):
            raise UnsupportedError(f"sizes {first.shape} and {second.shape} of different rank")
        return (node.source(0), node.source(1)), {}, False
    if len(constants) == 2:
        raise UnsupportedError("both inputs are constants; one is supported")
    position = constants[0]
    data = node.constant(position, "its input")
    rank = len(node.output.shape)
    data = data.reshape((1,) * (rank - data.ndim) + data.shape) if data.ndim < rank else data
    if data.ndim != rank or data.shape[0] != 1:
        raise UnsupportedError(f"a constant of size {data.shape} that differs along the batch")
    return (node.source(1 - position),), {"constant": data}, position == 0


def quantize(node: Node) -> Lowered:
    """Codes of real numbers, or codes of another scale."""
    source, out = node.tensor(0), spec_of(node.output)
    if is_float(source):
        return Lowered((node.layer(QuantizeAway(out), node.source()),))
    factor = spec_of(source).scale / out.scale  # float64
    output = Output("fixed_point", out.zero_point, out.low, out.high)
    layer = node.layer(Rescale(output, spec_of(source).zero_point), node.source())
    return Lowered((layer,), {layer.name: numbers(factor)})


def dequantize(node: Node) -> Lowered:
    """Real numbers of codes; a constant is converted here."""
    source = node.tensor(0)
    if source.data is None:
        return Lowered((node.layer(Dequantize(spec_of(source)), node.source()),))
    data = source.data
    if source.type in ("INT8", "UINT8", "INT4") and source.scale.size:
        shape = [1] * data.ndim
        if source.scale.size > 1:
            shape[source.axis] = source.scale.size
        zero = np.broadcast_to(source.zero_point, source.scale.shape).reshape(shape)
        data = (data.astype(np.int32) - zero).astype(np.float32) * source.scale.reshape(shape)
    elif source.type != "FLOAT16":
        raise UnsupportedError(f"a constant of type {source.type}")
    return Lowered(constants={node.operator.outputs[0]: data.astype(np.float32)})


def clamp(low: float, high: float) -> Callable[[Node], Lowered]:
    """The rule for an activation that holds real numbers to low .. high."""

    def rule(node: Node) -> Lowered:
        if is_float(node.output):
            return Lowered((node.layer(clip((low, high)), node.source()),))
        source, out = spec_of(node.tensor(0)), spec_of(node.output)
        if node.tensor(0).type != node.output.type:
            raise UnsupportedError(f"types {node.tensor(0).type} and {node.output.type} mixed")
        factor = np.float32(source.scale) / np.float32(out.scale)
        output = Output("fixed_point", out.zero_point, *code_range(node.output, (low, high)))
        layer = node.layer(Rescale(output, source.zero_point), node.source())
        return Lowered((layer,), {layer.name: numbers(factor)})

    return rule


relu = clamp(0.0, math.inf)
relu6 = clamp(0.0, 6.0)
relu_n1_to_1 = clamp(-1.0, 1.0)
relu_0_to_1 = clamp(0.0, 1.0)
