"""Pooling and reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pimjax.frontend.jaxpr.builder import Builder, Unsupported, by_node_axis
from pimjax.frontend.jaxpr.pointwise import tensor_of
from pimjax.frontend.jaxpr.products import NO_BATCH, as_image, cropped
from pimjax.frontend.jaxpr.values import Shape, Tensor, Value
from pimjax.network.ops import (
    Affine,
    FloatAveragePool,
    MaxPool,
    Op,
    Reduce,
    Reshape,
    Transpose,
    Unary,
)


def max_pool(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """reduce_window_max over one or two axes."""
    return _pool(builder, args, params, shape, average=False)


def sum_pool(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """reduce_window_sum over one or two axes: the average times the window's size."""
    return _pool(builder, args, params, shape, average=True)


def min_pool(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """reduce_window_min over one or two axes: the largest of the negated numbers, negated."""
    x = tensor_of(builder, args[0])
    turned = builder.emit(Unary("neg"), (x.node,), builder.nodes[x.node].shape)
    largest = _pool(builder, [Tensor(turned, x.shape, x.order)], params, shape, average=False)
    held = builder.nodes[largest.node].shape
    return Tensor(builder.emit(Unary("neg"), (largest.node,), held), shape, largest.order)


def _pool(builder: Builder, args: list[Value], params: Any, shape: Shape, average: bool) -> Tensor:
    x = builder.solid(tensor_of(builder, args[0]))
    names = ("window_dimensions", "window_strides", "padding", "window_dilation", "base_dilation")
    settings = [by_node_axis(x.order, params[name]) for name in names]
    moving = [
        axis
        for axis, (size, step, pad, _, base) in enumerate(zip(*settings, strict=True))
        if (size, step, *pad, base) != (1, 1, 0, 0, 1)
    ]
    if moving[:1] == [0]:
        raise Unsupported(NO_BATCH)
    if len(x.order) not in (3, 4) or len(moving) > len(x.order) - 2:
        raise Unsupported("a window over other axes than height and width")
    if any(base != 1 for base in settings[-1]):
        raise Unsupported("base_dilation")
    lines = [axis for axis in range(1, len(x.order)) if axis in moving]
    others = [axis for axis in range(1, len(x.order)) if axis not in moving]
    while len(lines) < len(x.order) - 2:
        lines = sorted([*lines, others.pop(0)])
    places = (0, *lines, *others)
    inside = _moved(builder, x.node, places)
    window, stride, padding, dilation = (
        tuple(_plain(items[axis]) for axis in lines) for items in settings[:4]
    )
    if len(lines) == 1:
        window, stride, padding, dilation = (
            (*items, one)
            for items, one in zip(
                (window, stride, padding, dilation), (1, 1, (0, 0), 1), strict=True
            )
        )
    node, padding = cropped(builder, as_image(builder, inside), padding)
    out = by_node_axis(x.order, shape)
    result = tuple(int(out[axis]) for axis in places[1:])
    op: Op
    if average:
        op = FloatAveragePool(window, stride, padding, True, dilation)
    else:
        op = MaxPool(window, stride, padding, dilation)
    image_shape = result if len(result) == 3 else (result[0], 1, result[1])
    node = builder.emit(op, (node,), image_shape)
    if average:
        arrays = {
            "scale": np.full(image_shape[-1], float(math.prod(window))),
            "shift": np.zeros(image_shape[-1]),
        }
        node = builder.emit(Affine(), (node,), image_shape, arrays)
    if len(result) == 2:
        node = builder.emit(Reshape(result), (node,), result)
    order = tuple(places.index(axis) for axis in x.order)
    return Tensor(node, shape, order)


def _plain(item: Any) -> Any:
    return tuple(map(int, item)) if np.ndim(item) else int(item)


def _moved(builder: Builder, node: int, places: tuple[int, ...]) -> int:
    if places == tuple(range(len(places))):
        return node
    shape = builder.nodes[node].shape
    op = Transpose(tuple(axis - 1 for axis in places[1:]))
    return builder.emit(op, (node,), tuple(shape[axis - 1] for axis in places[1:]))


def reduction(function: str) -> Any:
    """The lowering of a reduction to the function `function` of `Reduce`."""

    def lower(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
        x = builder.solid(tensor_of(builder, args[0]))
        gone = {x.order[axis] for axis in params["axes"]}
        if 0 in gone:
            raise Unsupported("it runs over the batch")
        left = [place for place in range(len(x.order)) if place not in gone]
        held = builder.nodes[x.node].shape
        out = tuple(held[place - 1] for place in left[1:])
        axes = tuple(sorted(place - 1 for place in gone))
        node = builder.emit(Reduce(function, axes, keep=False), (x.node,), out) if axes else x.node
        order = tuple(left.index(place) for place in x.order if place not in gone)
        return Tensor(node, shape, order)

    return lower
