"""Float operators of one number each, in NumPy float32 as ONNX Runtime rounds them (CPU, x86-64).

Between DequantizeLinear and QuantizeLinear a chain of them is a function of 8-bit codes, one for
each channel. Numbers have the axes (codes, c, 1, 1). Exponentials are the nearest float32; ONNX
Runtime's own may differ in the last bit, which a code shows only at the very edge between two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.quantized.arithmetic import Function

Constants = dict[str, np.ndarray]


def function_of(node: Node, constants: Constants) -> tuple[str, Function] | None:
    """The input that is not a constant, and the node as a function of it.

    None for a node that is no function of one number, or whose constants differ within a channel.
    """
    norm = norm_constants(node, constants)
    if norm is not None:
        return node.inputs[0], lambda x: x * norm[0] + norm[1]
    build = POINTWISE.get(node.op) if node.domain == "" else None
    if build is None:
        return None
    if node.op in BINARY:
        return _binary(node, constants)
    others = [name for name in node.inputs[1:] if name]
    if any(name not in constants for name in others):
        return None
    function = build(node, [constants.get(name) for name in node.inputs[1:]])
    return None if function is None else (node.inputs[0], function)


def _binary(node: Node, constants: Constants) -> tuple[str, Function] | None:
    first, second = node.inputs
    if (first in constants) == (second in constants):
        return None
    is_first = first in constants
    constant = per_channel(constants[first if is_first else second])
    if constant is None:
        return None
    apply = BINARY[node.op]
    if is_first:
        return second, lambda x: apply(constant, x)
    return first, lambda x: apply(x, constant)


def per_channel(constant: np.ndarray) -> np.ndarray | None:
    """A constant as (1, c, 1, 1) float32, None for one that differs within a channel."""
    if constant.size == 1:
        return constant.astype(np.float32).reshape(1, 1, 1, 1)
    if constant.ndim < 3 or constant.ndim > 4 or constant.shape[-3] != constant.size:
        return None
    return constant.astype(np.float32).reshape(1, -1, 1, 1)


def norm_constants(node: Node, constants: Constants) -> tuple[np.ndarray, np.ndarray] | None:
    """Factor and addend (1, c, 1, 1) of a batch norm, in ONNX Runtime's order; None for others."""
    if node.op != "BatchNormalization" or node.domain != "" or node.get("training_mode", 0):
        return None
    if any(name not in constants for name in node.inputs[1:]):
        return None
    node.ignore("momentum", "spatial")
    scale, shift, mean, variance = (
        constants[name].astype(np.float32).reshape(1, -1, 1, 1) for name in node.inputs[1:]
    )
    factor = scale * (np.float32(1) / np.sqrt(variance + np.float32(node.get("epsilon", 1e-5))))
    return factor, shift - mean * factor


def _clip(node: Node, arrays: list[np.ndarray | None]) -> Function:
    given = [*arrays, None, None][:2]
    names = ("min", "max")
    low, high = (
        np.float32(node.get(name, unbounded)) if array is None else np.float32(array.reshape(()))
        for name, unbounded, array in zip(names, (-np.inf, np.inf), given, strict=True)
    )
    return lambda x: np.minimum(np.maximum(x, low), high)


def _hard_sigmoid(node: Node, arrays: list[np.ndarray | None]) -> Function:
    slope, shift = np.float32(node.get("alpha", 0.2)), np.float32(node.get("beta", 0.5))
    return lambda x: _unit(x * slope + shift)


def _hard_swish(node: Node, arrays: list[np.ndarray | None]) -> Function:
    return lambda x: x * _unit(x * np.float32(1 / 6) + np.float32(0.5))


def _leaky_relu(node: Node, arrays: list[np.ndarray | None]) -> Function:
    slope = np.float32(node.get("alpha", 0.01))
    return lambda x: np.where(x >= 0, x, x * slope)


def _prelu(node: Node, arrays: list[np.ndarray | None]) -> Function | None:
    slope = None if arrays[0] is None else per_channel(arrays[0])
    return None if slope is None else lambda x: np.where(x > 0, x, x * slope)


def _plain(function: Function) -> Callable[[Node, list[np.ndarray | None]], Function | None]:
    return lambda node, arrays: function


def _unit(x: np.ndarray) -> np.ndarray:
    return np.clip(x, np.float32(0), np.float32(1))


def _in_float64(function: Function) -> Function:
    def rounded(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return function(x.astype(np.float64)).astype(np.float32)

    return rounded


logistic = _in_float64(lambda x: 1 / (1 + np.exp(-x)))
"""1 / (1 + exp(-x)), the nearest float32."""

BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Add": np.add,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Sub": np.subtract,
}
"""Of two numbers, one of them a constant."""

POINTWISE: dict[str, Callable[[Node, list[np.ndarray | None]], Function | None]] = {
    **{name: lambda node, arrays: None for name in BINARY},
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": _plain(lambda x: x),
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Relu": _plain(lambda x: np.maximum(x, np.float32(0))),
    "Sigmoid": _plain(logistic),
    "Tanh": _plain(_in_float64(np.tanh)),
}
"""By operator: the function, from the node and its further inputs (None where left out)."""
