"""Nodes whose inputs are all known, evaluated: shape arithmetic, constants, transposed weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError

RANDOM = (
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Multinomial", "Bernoulli"),
)
"""Operators that give other numbers every time."""


def evaluate(node: Node, inputs: list[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """The outputs of a node for known inputs (None where left out).

    Large results are views where they can be: a constant of one repeated number takes no memory.
    Raises UnsupportedError.
    """
    if node.domain != "" or node.op in RANDOM:
        raise UnsupportedError("it has only constant inputs and cannot be evaluated here")
    fast = FAST.get(node.op)
    found = fast(node, *inputs) if fast else None
    return (found,) if found is not None else _evaluate(node, inputs)


def _evaluate(node: Node, inputs: list[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """The outputs as onnx's reference evaluator computes them, one node at a time."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    feeds = {
        name: array for name, array in zip(node.inputs, inputs, strict=True) if array is not None
    }
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    outputs = [name for name in node.outputs if name]
    ends = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([node.proto], "node", infos, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.version)])
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:  # the evaluator raises whatever NumPy raises
        raise UnsupportedError(f"it cannot be evaluated: {error}") from error
    found = dict(zip(outputs, map(np.asarray, results), strict=True))
    return tuple(found.get(name, np.zeros(0)) for name in node.outputs)


def _constant_of_shape(node: Node, shape: np.ndarray) -> np.ndarray:
    from onnx import numpy_helper

    value = node.get("value")
    number = np.zeros((), np.float32) if value is None else numpy_helper.to_array(value)
    return np.broadcast_to(number.reshape(()), tuple(int(n) for n in shape))


def _transpose(node: Node, array: np.ndarray) -> np.ndarray:
    return array.transpose(node.get("perm"))


def _identity(node: Node, array: np.ndarray) -> np.ndarray:
    return array


FAST: dict[str, Callable[..., Any]] = {
    "ConstantOfShape": _constant_of_shape,
    "Identity": _identity,
    "Transpose": _transpose,
}
"""Those that would copy large arrays for nothing."""
