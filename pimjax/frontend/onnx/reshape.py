"""Other shapes of the same numbers, without moving them where the order they lie in allows it."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Axes, Importer, Value, channels_last, plain
from pimjax.network.ops import Reshape


def reshape(importer: Importer, node: Node) -> Value:
    """Reshape with a constant target; 0 copies a length, -1 is what is left."""
    x = importer.value(node, 0)
    target = importer.constant(node, 1) if len(node.inputs) > 1 else node.get("shape")
    if target is None:
        raise UnsupportedError("the target shape is left out")
    lengths = [int(length) for length in np.asarray(target).reshape(-1)]
    if not node.get("allowzero", 0):
        lengths = [x.shape[i] if n == 0 and i < len(x.shape) else n for i, n in enumerate(lengths)]
    if -1 in lengths:
        rest = math.prod(n for n in lengths if n != -1)
        lengths[lengths.index(-1)] = math.prod(x.shape) // max(rest, 1)
    return with_shape(importer, node, x, tuple(lengths))


def flatten(importer: Importer, node: Node) -> Value:
    """The axes from `axis` on as one: (b, ...) as (b, n)."""
    x = importer.value(node, 0)
    axis = node.get("axis", 1)
    axis += len(x.shape) if axis < 0 else 0
    return with_shape(importer, node, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def squeeze(importer: Importer, node: Node) -> Value:
    """Without the axes of length 1 that are named, or without all of them."""
    x = importer.value(node, 0)
    axes = axes_of(importer, node, len(x.shape))
    if axes is None:
        axes = tuple(axis for axis, length in enumerate(x.shape) if axis and length == 1)
    wrong = [axis for axis in axes if x.shape[axis] != 1]
    if wrong or 0 in axes:
        raise UnsupportedError(
            f"axes {list(axes)} of {list(x.shape)}; only those of length 1 can go"
        )
    shape = tuple(length for axis, length in enumerate(x.shape) if axis not in axes)
    return with_shape(importer, node, x, shape)


def unsqueeze(importer: Importer, node: Node) -> Value:
    """With new axes of length 1."""
    x = importer.value(node, 0)
    raw = importer.constant(node, 1) if len(node.inputs) > 1 else np.array(node.get("axes"))
    assert raw is not None
    rank = len(x.shape) + raw.size
    axes = {int(axis) % rank for axis in raw.reshape(-1)}
    lengths = iter(x.shape)
    shape = tuple(1 if axis in axes else next(lengths) for axis in range(rank))
    if 0 in axes:
        raise UnsupportedError("a new axis 0 would take the place of the batch")
    return with_shape(importer, node, x, shape)


def axes_of(importer: Importer, node: Node, rank: int, index: int = 1) -> tuple[int, ...] | None:
    """The non-negative axes of the attribute "axes" or of the input `index`; None for neither."""
    raw = importer.constant(node, index) if node.given(index) else node.get("axes")
    if raw is None:
        return None
    return tuple(int(axis) % rank for axis in np.asarray(raw).reshape(-1))


def with_shape(importer: Importer, node: Node, x: Value, shape: tuple[int, ...]) -> Value:
    """The same numbers in another shape (batch first). Raises UnsupportedError.

    Axes that stay together are reshaped where they lie; only axes that are merged and lie apart
    are moved together first.
    """
    if math.prod(shape) != math.prod(x.shape):
        raise UnsupportedError(f"{list(x.shape)} cannot have the shape {list(shape)}")
    if not shape or shape[0] != importer.batch:
        raise UnsupportedError(
            f"{list(x.shape)} to {list(shape)} does not keep the batch as axis 0, which has length"
            f" {importer.batch} in the file"
        )
    if shape == x.shape:
        return x
    parts = groups(x.shape, shape)
    longer = [axis for axis in x.axes if axis is not None and x.shape[axis] > 1]
    met = dict.fromkeys(part for axis in longer for part in parts if axis in part[0])
    order = [axis for source, _ in met for axis in source]
    if longer != order:
        units = [axis for axis in x.axes if axis not in order and axis is not None]
        x = importer.arrange(node, x, (*units, *order))
    axes = with_units(shape, [axis for _, target in met for axis in target])
    after = Value("", shape, axes)
    return importer.emit(node, Reshape(after.lengths), (x,), shape, axes, tensor=x.tensor)


def groups(
    source: tuple[int, ...], target: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The smallest sets of neighbouring axes with equal products; axis 0 and lengths 1 left out."""
    old = [axis for axis, length in enumerate(source) if axis and length > 1]
    new = [axis for axis, length in enumerate(target) if axis and length > 1]
    found = []
    while old or new:
        a, b = [old.pop(0)], [new.pop(0)]
        left, right = source[a[0]], target[b[0]]
        while left != right:
            if left < right:
                a.append(old.pop(0))
                left *= source[a[-1]]
            else:
                b.append(new.pop(0))
                right *= target[b[-1]]
        found.append((tuple(a), tuple(b)))
    return found


def with_units(shape: tuple[int, ...], order: list[int]) -> Axes:
    """Axes of a tensor whose longer axes lie in `order`: channels last or as in the file, if so."""
    rank = len(shape)
    for axes in (channels_last(rank), plain(rank)) if rank == 4 else (plain(rank),):
        if [axis for axis in axes if axis in order] == order:
            return axes
    return (*(axis for axis in range(1, rank) if axis not in order), *order)
