"""Between codes and real numbers, and 8-bit functions of codes by tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pimjax.frontend.onnx import move
from pimjax.frontend.onnx.layout import axis_of, channels_at_end, common, constant_like
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.arithmetic import (
    Function,
    add_table,
    multiply_table,
    unary_table,
)
from pimjax.frontend.onnx.quantized.pointwise import logistic
from pimjax.frontend.onnx.quantized.specs import as_codes, code_range, spec
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.network.ops import Clamp, Concat, Dequantize, PairTable, Quantize, Table
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


def cast(importer: Importer, node: Node) -> Value:
    """Integers as real numbers; what `move.cast` does for real ones."""
    x = importer.value(node, 0)
    y = move.cast(importer, node)
    if x.tensor is None:
        return y
    low, high = x.tensor.low, x.tensor.high
    return importer.emit(node, Dequantize(TensorSpec(1.0, 0, low, high)), (x,), x.shape, x.axes)


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


def table(importer: Importer, node: Node) -> Value:
    """The table that rewriting a group made: (codes,), or (codes, c) along the file's axis 1."""
    x = as_codes(importer, node, 0, node.get("x"))
    entries = node.get("table")
    if entries.ndim == 2:
        x = channels_at_end(importer, node, x)
    return lookup(importer, node, x, entries, node.get("y"))


def clamp(importer: Importer, node: Node) -> Value:
    """Codes held to a range."""
    x = importer.value(node, 0)
    op = Clamp(node.get("low"), node.get("high"))
    return importer.emit(node, op, (x,), x.shape, x.axes, tensor=x.tensor)


def leaky_relu(importer: Importer, node: Node) -> Value:
    """QLinearLeakyRelu."""
    alpha = np.float32(node.get("alpha", 0.01))
    return unary(importer, node, lambda x: np.where(x >= 0, x, x * alpha))


def sigmoid(importer: Importer, node: Node) -> Value:
    """QLinearSigmoid: the nearest float32, then quantised."""
    return unary(importer, node, logistic)


def add(importer: Importer, node: Node) -> Value:
    """QLinearAdd."""
    return _pair(importer, node, add_table)


def multiply(importer: Importer, node: Node) -> Value:
    """QLinearMul."""
    return _pair(importer, node, lambda a, b, y, b_first: multiply_table(a, b, y))


def _pair(importer: Importer, node: Node, make: Callable[..., np.ndarray]) -> Value:
    tensors = spec(importer, node, 1, 2), spec(importer, node, 4, 5)
    y_tensor = spec(importer, node, 6, 7)
    for tensor in tensors:
        if tensor.high - tensor.low >= MOST_CODES:
            raise UnsupportedError(f"codes {tensor.low}..{tensor.high}; 8 bits can be")
    known = [importer.constants.get(node.given(index)) for index in (0, 3)]
    values = [
        as_codes(importer, node, index, tensor)
        for index, tensor, constant in zip((0, 3), tensors, known, strict=True)
        if constant is None
    ]
    constant_first = known[0] is not None
    constant = known[0] if constant_first else known[1]
    a, b = ([constant, *values] if constant_first else [*values, constant])[:2]
    assert a is not None and b is not None
    params = {"table": make(*tensors, y_tensor, a_is_single(a.shape, b.shape))}
    if constant is None:
        values = common(importer, node, values)
        shape = np.broadcast_shapes(*(value.shape for value in values))
    else:
        params["constant"], shape = constant_like(importer, values[0], constant)
    op = PairTable((tensors[0].low, tensors[1].low), constant_first)
    return importer.emit(node, op, tuple(values), shape, values[0].axes, params, y_tensor)


def a_is_single(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether a is one number for each run of b, along the last axis on which they differ.

    ONNX Runtime then adds the other way round.
    """
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    longer = [pair for pair in pairs if max(pair) > 1]
    return bool(longer) and longer[-1][0] == 1


def concat(importer: Importer, node: Node) -> Value:
    """QLinearConcat: each part with its own scale, brought to the output's by a table."""
    y_tensor = spec(importer, node, 0, 1)
    parts: list[Value] = []
    for index in range(2, len(node.inputs), 3):
        x_tensor = spec(importer, node, index + 1, index + 2)
        x = as_codes(importer, node, index, x_tensor)
        if x_tensor != y_tensor:
            table = unary_table(x_tensor, y_tensor, lambda values: values)
            x = lookup(importer, node, x, table, y_tensor, step=f"part{index // 3}")
        parts.append(x)
    return _joined(importer, node, parts)


def plain_concat(importer: Importer, node: Node) -> Value:
    """Tensors one after the other: real numbers, or codes of one scale."""
    parts = [importer.values[name] for name in node.inputs if name in importer.values]
    if all(part.tensor is None for part in parts):
        return move.concat(importer, node)
    if len(parts) < len(node.inputs) or len({part.tensor for part in parts}) > 1:
        raise UnsupportedError("codes of different scales, or constants, beside codes")
    return _joined(importer, node, parts)


def _joined(importer: Importer, node: Node, parts: list[Value]) -> Value:
    parts = common(importer, node, parts)
    first = parts[0]
    axis = axis_of(node.get("axis", 1), len(first.shape))
    total = sum(part.shape[axis] for part in parts)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    op = Concat(first.place(axis))
    return importer.emit(node, op, tuple(parts), shape, first.axes, tensor=first.tensor)
