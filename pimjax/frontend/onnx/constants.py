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

SHAPE_SIZE = 1024
"""Constants shorter than this may be lengths, axes or amounts that a shape depends on."""


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
    from onnx.reference import ReferenceEvaluator

    feeds = {
        name: array for name, array in zip(node.inputs, inputs, strict=True) if array is not None
    }
    kinds = {name: (array.dtype, array.shape) for name, array in feeds.items()}
    outputs = [name for name in node.outputs if name]
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(_alone(node, kinds)).run(None, feeds)
    except Exception as error:  # the evaluator raises whatever NumPy raises
        raise UnsupportedError(f"it cannot be evaluated: {error}") from error
    found = dict(zip(outputs, map(np.asarray, results), strict=True))
    return tuple(found.get(name, np.zeros(0)) for name in node.outputs)


def inferred(
    node: Node, shapes: dict[str, tuple[int, ...]], constants: dict[str, np.ndarray]
) -> dict[str, tuple[int, ...]]:
    """The shapes of a node's outputs where onnx knows how, from those of its inputs."""
    from onnx import numpy_helper, shape_inference

    if node.proto is None:  # made by a rewriting of codes, which onnx does not know
        return {}
    real = np.dtype(np.float32)
    known = {name: constants[name] for name in node.inputs if name in constants}
    kinds = {name: (real, shapes[name]) for name in node.inputs if name in shapes}
    kinds |= {name: (array.dtype, array.shape) for name, array in known.items()}
    model = _alone(node, kinds)
    small = {name: array for name, array in known.items() if array.size < SHAPE_SIZE}
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in small.items()
    )
    try:
        graph = shape_inference.infer_shapes(model).graph
    except Exception:  # a guess only: without it fewer problems are listed
        return {}
    return {
        item.name: tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim)
        for item in graph.output
        if all(dim.dim_value > 0 for dim in item.type.tensor_type.shape.dim)
    }


def _alone(node: Node, kinds: dict[str, tuple[np.dtype, tuple[int, ...]]]) -> Any:
    """A model of one node, with the types and shapes of its inputs."""
    from onnx import TensorProto, helper

    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
        for name, (dtype, shape) in kinds.items()
    ]
    outputs = [name for name in node.outputs if name]
    ends = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([node.proto], "node", infos, ends)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.version)])


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
