"""Pooling and reductions."""

from __future__ import annotations

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.reshape import axes_of
from pimjax.frontend.onnx.state import Handler, Importer, Value
from pimjax.frontend.onnx.window import Window, as_image, window
from pimjax.network.ops import FloatAveragePool, MaxPool, Reduce


def max_pool(importer: Importer, node: Node) -> Value:
    """The largest of each window."""
    node.ignore("storage_order")
    x, found = _window(importer, node)
    op = MaxPool(found.kernel, found.stride, found.pad, found.dilation)
    return importer.emit(node, op, (x,), _pooled(x, found), x.axes, tensor=x.tensor)


def average_pool(importer: Importer, node: Node) -> Value:
    """The mean of each window."""
    x, found = _window(importer, node)
    count_padding = bool(node.get("count_include_pad", 0))
    op = FloatAveragePool(
        found.kernel, found.stride, found.pad, count_padding, found.dilation, found.tail
    )
    return importer.emit(node, op, (x,), _pooled(x, found), x.axes)


def _window(importer: Importer, node: Node) -> tuple[Value, Window]:
    x = as_image(importer, node, importer.value(node, 0))
    return x, window(node, x, tuple(node.get("kernel_shape", ())))


def _pooled(x: Value, found: Window) -> tuple[int, ...]:
    return (*x.shape[:2], *found.out[4 - len(x.shape) :])


def global_pool(function: str) -> Handler:
    """A handler for a function of `REDUCTIONS` over all but batch and channels."""

    def handler(importer: Importer, node: Node) -> Value:
        x = importer.value(node, 0)
        return reduced(importer, node, x, function, tuple(range(2, len(x.shape))), keep=True)

    return handler


def reduction(function: str) -> Handler:
    """A handler for a function of `REDUCTIONS` over the node's axes."""

    def handler(importer: Importer, node: Node) -> Value:
        x = importer.value(node, 0)
        axes = axes_of(importer, node, len(x.shape)) or ()
        keep, stay = bool(node.get("keepdims", 1)), node.get("noop_with_empty_axes", 0)
        if not axes and stay:
            return x
        return reduced(importer, node, x, function, axes, keep)

    return handler


def reduced(
    importer: Importer, node: Node, x: Value, function: str, axes: tuple[int, ...], keep: bool
) -> Value:
    """`x` reduced over the file's `axes`; none stands for all of them, which is refused."""
    if not axes or 0 in axes:
        raise UnsupportedError("it reduces over the batch (axis 0); axes from 1 on can be")
    places = tuple(sorted(x.place(axis) for axis in axes))
    if keep:
        shape = tuple(1 if axis in axes else length for axis, length in enumerate(x.shape))
        left = x.axes
    else:
        shape = tuple(length for axis, length in enumerate(x.shape) if axis not in axes)
        left = tuple(
            None if axis is None else axis - sum(gone < axis for gone in axes)
            for axis in x.axes
            if axis not in axes
        )
    return importer.emit(node, Reduce(function, places, keep), (x,), shape, left)
