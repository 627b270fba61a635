"""Between codes and real numbers, and 8-bit functions of codes by tables."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized_arithmetic import (
    Function,
    add_table,
    multiply_table,
    unary_table,
)
from pimjax.frontend.onnx.quantized_specs import as_codes, code_range, spec
from pimjax.frontend.onnx.state import Axes, Importer, Value
from pimjax.network.ops import Concat, Dequantize, PairTable, Quantize, Table
from pimjax.network.tensor import TensorSpec

MOST_CODES = 1 << 8


def quantize(importer: Importer, node: Node) -> Value:
    """Codes of real numbers with one scale."""
    x = importer.value(node, 0)
    _no_axis(node)
    tensor = spec(importer, node, 1, 2)
    if not node.given(2) and node.get("output_dtype", 0):
        from onnx import helper

        low, high = code_range(helper.tensor_dtype_to_np_dtype(node.get("output_dtype")))
        tensor = TensorSpec(tensor.scale, 0, low, high)
    if x.tensor is not None:
        raise UnsupportedError(f"input 0 {node.given(0)!r} holds codes already")
    return importer.emit(node, Quantize(tensor), (x,), x.shape, x.axes, tensor=tensor)


def dequantize(importer: Importer, node: Node) -> Value:
    """Real numbers of codes with one scale."""
    _no_axis(node)
    tensor = spec(importer, node, 1, 2)
    value = importer.value(node, 0)
    if value.tensor is None:
        raise UnsupportedError(f"input 0 {node.given(0)!r} holds real numbers, not codes")
    return importer.emit(node, Dequantize(tensor), (value,), value.shape, value.axes)


def _no_axis(node: Node) -> None:
    node.ignore("axis", "saturate", "precision", "output_dtype")
    if node.get("block_size", 0):
        raise UnsupportedError(f"block_size = {node.get('block_size')}; 0 can be")


def lookup(
    importer: Importer,
    node: Node,
    x: Value,
    table: np.ndarray,
    tensor: TensorSpec,
    *,
    step: str = "",
) -> Value:
    """The entries of a table (codes,), or (codes, c) with the channels lying last."""
    assert x.tensor is not None
    op, params = Table(x.tensor.low), {"table": table}
    return importer.emit(node, op, (x,), x.shape, x.axes, params, tensor, step=step)


def unary(importer: Importer, node: Node, function: Function) -> Value:
    """An operator of com.microsoft on (x, scale, zero, y scale, y zero) as a table."""
    x_tensor, y_tensor = spec(importer, node, 1, 2), spec(importer, node, 3, 4)
    x = as_codes(importer, node, 0, x_tensor)
    return lookup(importer, node, x, unary_table(x_tensor, y_tensor, function), y_tensor)


def leaky_relu(importer: Importer, node: Node) -> Value:
    """QLinearLeakyRelu."""
    alpha = np.float32(node.get("alpha", 0.01))
    return unary(importer, node, lambda x: np.where(x >= 0, x, x * alpha))


def sigmoid(importer: Importer, node: Node) -> Value:
    """QLinearSigmoid: the nearest float32, then quantised."""
    return unary(importer, node, logistic)


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), the nearest float32."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def add(importer: Importer, node: Node) -> Value:
    """QLinearAdd."""
    return _pair(importer, node, add_table)


def multiply(importer: Importer, node: Node) -> Value:
    """QLinearMul."""
    return _pair(importer, node, lambda a, b, y, b_first: multiply_table(a, b, y))


def _pair(importer: Importer, node: Node, make: object) -> Value:
    a_tensor, b_tensor = spec(importer, node, 1, 2), spec(importer, node, 4, 5)
    y_tensor = spec(importer, node, 6, 7)
    for tensor in (a_tensor, b_tensor):
        if tensor.high - tensor.low >= MOST_CODES:
            raise UnsupportedError(f"codes {tensor.low}..{tensor.high}; 8 bits can be")
    constants = [node.given(index) in importer.constants for index in (0, 3)]
    values = [
        as_codes(importer, node, index, tensor)
        for index, tensor, constant in zip((0, 3), (a_tensor, b_tensor), constants, strict=True)
        if not constant
    ]
    operands = [
        importer.constants[node.given(index)].shape
        if constant
        else importer.value(node, index).shape
        for index, constant in zip((0, 3), constants, strict=True)
    ]
    shape = _broadcast(operands)
    table = make(a_tensor, b_tensor, y_tensor, a_is_single(*operands))  # type: ignore[operator]
    params = {"table": table}
    axes = max(values, key=lambda value: len(value.shape)).axes
    if any(constants):
        constant = importer.constants[node.given(0 if constants[0] else 3)]
        params["constant"] = laid_out(constant, axes, len(shape))
    if any(len(value.shape) != len(shape) for value in values):
        raise UnsupportedError(f"operands of different rank, {operands}")
    ordered = tuple(
        importer.arrange(node, value, axes, f"order{i}") for i, value in enumerate(values)
    )
    op = PairTable((a_tensor.low, b_tensor.low), constants[0])
    return importer.emit(node, op, ordered, shape, axes, params, y_tensor)


def a_is_single(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether a is one number for each run of b, along the last axis on which they differ.

    ONNX Runtime then adds the other way round.
    """
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    longer = [pair for pair in pairs if max(pair) > 1]
    return bool(longer) and longer[-1][0] == 1


def laid_out(constant: np.ndarray, axes: Axes, rank: int) -> np.ndarray:
    """A constant of the file, with the batch axis first and the others as a tensor's lie.

    Raises UnsupportedError for one that differs between images.
    """
    full = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    if full.shape[0] != 1:
        raise UnsupportedError(f"a constant {list(constant.shape)} with one part for each image")
    known = [axis for axis in axes if axis is not None]
    moved = full.transpose(0, *known)
    at = iter(range(1, rank))
    lengths = [1 if axis is None else moved.shape[next(at)] for axis in axes]
    return moved.reshape(1, *lengths)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise UnsupportedError(f"operands {shapes} that do not broadcast") from None


def concat(importer: Importer, node: Node) -> Value:
    """QLinearConcat: each part with its own scale, brought to the output's by a table."""
    y_tensor = spec(importer, node, 0, 1)
    parts = []
    for index in range(2, len(node.inputs), 3):
        x_tensor = spec(importer, node, index + 1, index + 2)
        x = as_codes(importer, node, index, x_tensor)
        if x_tensor != y_tensor:
            table = unary_table(x_tensor, y_tensor, lambda values: values)
            x = lookup(importer, node, x, table, y_tensor, step=f"part{index // 3}")
        parts.append(x)
    return joined(importer, node, parts, y_tensor)


def joined(importer: Importer, node: Node, parts: list[Value], tensor: TensorSpec) -> Value:
    """Tensors of one scale one after the other along the node's axis."""
    first = parts[0]
    axis = node.get("axis", 1) % len(first.shape)
    if axis == 0:
        raise UnsupportedError("axis = 0, the batch")
    axes = first.axes
    ordered = tuple(importer.arrange(node, x, axes, f"order{i}") for i, x in enumerate(parts))
    total = sum(part.shape[axis] for part in parts)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    return importer.emit(node, Concat(first.place(axis)), ordered, shape, axes, tensor=tensor)
