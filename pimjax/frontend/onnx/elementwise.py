"""Element by element: activations, and arithmetic of tensors and constants."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.onnx.layout import common, constant_like
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Handler, Importer, Value
from pimjax.network.graph import Params
from pimjax.network.ops import Affine, Binary, Unary

Operand = Value | np.ndarray


def unary(function: str, **attributes: float) -> Handler:
    """A handler for a function of `UNARY`; its constants are attributes with these defaults."""

    def handler(importer: Importer, node: Node) -> Value:
        x = importer.value(node, 0)
        constants = tuple(float(node.get(name, value)) for name, value in attributes.items())
        node.ignore("consumed_inputs")
        return importer.emit(node, Unary(function, constants), (x,), x.shape, x.axes)

    return handler


def gelu(importer: Importer, node: Node) -> Value:
    """Gelu, exact or by tanh."""
    function = "gelu_tanh" if node.get("approximate", "none") == "tanh" else "gelu"
    x = importer.value(node, 0)
    return importer.emit(node, Unary(function), (x,), x.shape, x.axes)


def clip(importer: Importer, node: Node) -> Value:
    """Clip with constant limits; a ReLU where that is what they amount to."""
    x = importer.value(node, 0)
    node.ignore("consumed_inputs")
    limits = [float(node.get("min", -math.inf)), float(node.get("max", math.inf))]
    for index in (1, 2):
        given = importer.constant(node, index)
        if given is not None:
            limits[index - 1] = float(given.reshape(()))
    largest = float(np.finfo(np.float32).max)
    is_relu = limits[0] == 0 and limits[1] >= largest
    op = Unary("relu") if is_relu else Unary("clip", tuple(limits))
    return importer.emit(node, op, (x,), x.shape, x.axes)


def binary(function: str) -> Handler:
    """A handler for a function of `BINARY`, of two tensors or one and a constant."""

    def handler(importer: Importer, node: Node) -> Value:
        for name in ("axis", "broadcast"):
            if node.get(name, 0):
                raise UnsupportedError(f"attribute {name}, of opsets before 7; export with 9 to 21")
        node.ignore("consumed_inputs")
        a, b = (_operand(importer, node, index) for index in range(2))
        return combine(importer, node, function, a, b)

    return handler


def prelu(importer: Importer, node: Node) -> Value:
    """x where x >= 0, slope x elsewhere, with a constant slope."""
    x, slope = importer.value(node, 0), importer.weights(node, 1)
    node.ignore("consumed_inputs")
    if node.version < 7 and slope.ndim == 1 and slope.size > 1:
        slope = slope.reshape(-1, *[1] * (len(x.shape) - 2))
    return combine(importer, node, "prelu", x, slope)


def many(function: str, mean: bool = False) -> Handler:
    """A handler for any number of operands, combined one after the other."""

    def handler(importer: Importer, node: Node) -> Value:
        node.ignore("consumed_inputs")
        operands = [_operand(importer, node, index) for index in range(len(node.inputs))]
        operands.sort(key=lambda operand: not isinstance(operand, Value))
        steps = [(function, operand) for operand in operands[1:]]
        if mean and steps:
            steps.append(("mul", np.array(1 / len(operands), np.float32)))
        total = operands[0]
        for index, (name, operand) in enumerate(steps, start=1):
            step = "" if index == len(steps) else str(index)
            total = combine(importer, node, name, total, operand, step)
        assert isinstance(total, Value)
        return total

    return handler


def _operand(importer: Importer, node: Node, index: int) -> Operand:
    if node.given(index) in importer.values:
        return importer.value(node, index)
    return importer.weights(node, index)


def combine(
    importer: Importer, node: Node, function: str, a: Operand, b: Operand, step: str = ""
) -> Value:
    """The function of two operands that broadcast, at least one of them a tensor."""
    if isinstance(a, Value) and isinstance(b, Value):
        a, b = common(importer, node, [a, b])
        shape = np.broadcast_shapes(a.shape, b.shape)
        return importer.emit(node, Binary(function), (a, b), shape, a.axes, step=step)
    if isinstance(a, Value):
        return _with_constant(importer, node, function, a, np.asarray(b), False, step)
    assert isinstance(b, Value)
    return _with_constant(importer, node, function, b, a, True, step)


def _with_constant(
    importer: Importer,
    node: Node,
    function: str,
    x: Value,
    constant: np.ndarray,
    first: bool,
    step: str,
) -> Value:
    constant, shape = constant_like(importer, x, constant)
    affine = _affine(function, x, constant, first) if shape == x.shape else None
    op = Affine() if affine else Binary(function, constant_first=first)
    params = affine or {"constant": constant}
    return importer.emit(node, op, (x,), shape, x.axes, params, step=step)


def _affine(function: str, x: Value, constant: np.ndarray, first: bool) -> Params | None:
    """Scale and shift per channel of what the function does, if that is all it does."""
    channels = x.lengths[-1] if x.lengths else 0
    if constant.size != constant.shape[-1] or constant.size not in (1, channels) or not channels:
        return None
    c = np.broadcast_to(constant.reshape(-1), (channels,))
    one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if function == "add":
        return {"scale": one, "shift": c}
    if function == "sub":
        return {"scale": -one, "shift": c} if first else {"scale": one, "shift": -c}
    if function == "mul":
        return {"scale": c, "shift": zero}
    if function == "div" and not first and c.all():
        return {"scale": 1 / c, "shift": zero}
    return None
