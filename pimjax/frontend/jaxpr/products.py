"""Convolutions and matrix products with constant weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pimjax.frontend.jaxpr.builder import Builder, Unsupported
from pimjax.frontend.jaxpr.pointwise import tensor_of
from pimjax.frontend.jaxpr.values import Constant, Shape, Tensor, Value
from pimjax.network.ops import FloatConv, FloatDense, Pad, Reshape, Spread

NO_BATCH = (
    "the first axis of sample_input would be part of an image: it must be the batch, as in "
    "(batch, height, width, channels)"
)


def convolution(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """conv_general_dilated in one or two dimensions; one is two with a width of 1."""
    x_axes, kernel_axes, out_axes = params["dimension_numbers"]
    lines = len(x_axes) - 2
    if not isinstance(args[1], Constant):
        raise Unsupported("the kernel depends on the input")
    if lines not in (1, 2):
        raise Unsupported(f"a convolution in {lines} dimensions")
    if params["batch_group_count"] != 1:
        raise Unsupported("batch_group_count other than 1")
    x = tensor_of(builder, args[0]).arranged((x_axes[0], *x_axes[2:], x_axes[1]))
    if x.order[0] != 0:
        raise Unsupported(NO_BATCH)
    kernel = args[1].array().transpose(*kernel_axes[2:], kernel_axes[1], kernel_axes[0])
    kernel = kernel if lines == 2 else kernel[:, None]
    node = as_image(builder, builder.canonical(x))
    node = _spread(builder, node, _pair(params["lhs_dilation"], 1))
    node, padding = cropped(builder, node, _pair(params["padding"], (0, 0)))
    op = FloatConv(
        _pair(params["window_strides"], 1),
        padding,
        _pair(params["rhs_dilation"], 1),
        int(params["feature_group_count"]),
    )
    out = tuple(int(shape[axis]) for axis in (*out_axes[2:], out_axes[1]))
    arrays = {"kernel": kernel, "bias": np.zeros(kernel.shape[-1])}
    image_shape = out if lines == 2 else (out[0], 1, out[1])
    node = builder.emit(op, (node,), image_shape, arrays, args[1].owners)
    if lines == 1:
        node = builder.emit(Reshape(out), (node,), out)
    order = [0] * len(out_axes)
    for place, axis in enumerate((out_axes[0], *out_axes[2:], out_axes[1])):
        order[axis] = place
    return Tensor(node, shape, tuple(order))


def _pair(items: Any, missing: Any) -> Any:
    plain = [tuple(map(int, item)) if np.ndim(item) else int(item) for item in items]
    return tuple(plain) if len(plain) == 2 else (*plain, missing)


def as_image(builder: Builder, node: int) -> int:
    """The node (b, h, w, c), or of (b, t, c) the node (b, t, 1, c)."""
    shape = builder.nodes[node].shape
    if len(shape) == 3:
        return node
    return builder.emit(Reshape((shape[0], 1, shape[1])), (node,), (shape[0], 1, shape[1]))


def _spread(builder: Builder, node: int, dilation: tuple[int, int]) -> int:
    if dilation == (1, 1):
        return node
    height, width, channels = builder.nodes[node].shape
    sizes = [(n - 1) * step + 1 for n, step in zip((height, width), dilation, strict=True)]
    gaps = (dilation[0] - 1, dilation[1] - 1)
    return builder.emit(Spread(gaps), (node,), (sizes[0], sizes[1], channels))


def cropped(builder: Builder, node: int, padding: Any) -> tuple[int, Any]:
    """The node without the lines that negative padding takes off, and the padding that is left."""
    crop = tuple(tuple(min(amount, 0) for amount in side) for side in padding)
    if any(any(side) for side in crop):
        shape = builder.nodes[node].shape
        inner = [n + sum(side) for n, side in zip(shape, crop, strict=False)]
        node = builder.emit(Pad((*crop, (0, 0))), (node,), (inner[0], inner[1], shape[2]))
    return node, tuple(tuple(max(amount, 0) for amount in side) for side in padding)


def product(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """dot_general of a tensor and a constant matrix."""
    contracted, batched = params["dimension_numbers"]
    constant_first = isinstance(args[0], Constant)
    if any(batched) or not (constant_first or isinstance(args[1], Constant)):
        raise Unsupported("a product of two tensors")
    matrix, tensor = (args[0], args[1]) if constant_first else (args[1], args[0])
    assert isinstance(matrix, Constant)
    x = tensor_of(builder, tensor)
    of_x, of_matrix = (tuple(contracted[side]) for side in (constant_first, not constant_first))
    free = [axis for axis in range(len(x.order)) if axis not in of_x]
    kept = [axis for axis in range(len(matrix.shape)) if axis not in of_matrix]
    batch = [axis for axis in free if x.order[axis] == 0]
    if not batch:
        raise Unsupported(NO_BATCH)
    front = batch + [axis for axis in free if axis not in batch]
    node = builder.canonical(x.arranged((*front, *of_x)))
    leading = tuple(int(x.shape[axis]) for axis in front[1:])
    inputs = math.prod(x.shape[axis] for axis in of_x)
    outputs = tuple(int(matrix.shape[axis]) for axis in kept)
    kernel = matrix.array().transpose(*of_matrix, *kept).reshape(inputs, math.prod(outputs))
    if len(of_x) != 1:
        node = builder.emit(Reshape((*leading, inputs)), (node,), (*leading, inputs))
    arrays = {"kernel": kernel, "bias": np.zeros(kernel.shape[1])}
    wide = (*leading, kernel.shape[1])
    node = builder.emit(FloatDense(), (node,), wide, arrays, matrix.owners)
    if len(outputs) != 1:
        node = builder.emit(Reshape((*leading, *outputs)), (node,), (*leading, *outputs))
    of_free = [front.index(axis) for axis in free]
    of_kept = [len(free) + at for at in range(len(kept))]
    order = (*of_kept, *of_free) if constant_first else (*of_free, *of_kept)
    return Tensor(node, shape, order)
