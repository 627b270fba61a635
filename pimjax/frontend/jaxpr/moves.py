"""The same numbers elsewhere: shapes, slices, padding, joining, picking."""

from __future__ import annotations

from typing import Any

import numpy as np

from pimjax.frontend.jaxpr.builder import Builder, Unsupported, by_node_axis
from pimjax.frontend.jaxpr.pointwise import tensor_of
from pimjax.frontend.jaxpr.values import Constant, Shape, Tensor, Value
from pimjax.network.ops import Concat, Pad, Slice, Spread, Take

ALONG_BATCH = "it changes the batch axis"


def reshape(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """reshape, squeeze and expand_dims: the shape says it all."""
    return builder.reshaped(tensor_of(builder, args[0]), shape)


def broadcast(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """broadcast_in_dim: new axes at once, longer ones when they are needed."""
    x = tensor_of(builder, args[0])
    ones = [1] * len(shape)
    for axis, place in enumerate(params["broadcast_dimensions"]):
        ones[place] = x.shape[axis]
    x = x if len(ones) == len(x.shape) else builder.reshaped(x, tuple(ones))
    if shape[x.order.index(0)] != builder.batch:
        raise Unsupported(ALONG_BATCH)
    return Tensor(x.node, shape, x.order)


def transpose(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """transpose: only noted; a node is written where an operation needs its own order."""
    return tensor_of(builder, args[0]).arranged(tuple(params["permutation"]))


def part(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """slice."""
    x = tensor_of(builder, args[0])
    steps = params["strides"] or (1,) * len(shape)
    cuts = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return _sliced(builder, x, [*cuts], shape)


def _sliced(builder: Builder, x: Tensor, cuts: list[Any], shape: Shape) -> Tensor:
    """`cuts`: (start, stop, step) of each axis of the variable."""
    x = builder.solid(x)
    by_node = by_node_axis(x.order, [tuple(map(_int, cut)) for cut in cuts])
    if by_node[0] not in ((0, builder.batch, 1),):
        raise Unsupported(ALONG_BATCH)
    start, stop, step = zip(*by_node[1:], strict=True)
    out = tuple(by_node_axis(x.order, shape)[1:])
    return Tensor(builder.emit(Slice(start, stop, step), (x.node,), out), shape, x.order)


def _int(number: Any) -> int | None:
    return None if number is None else int(number)


def reverse(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """rev."""
    flipped = set(params["dimensions"])
    cuts = [
        (length - 1, None, -1) if axis in flipped else (0, length, 1)
        for axis, length in enumerate(shape)
    ]
    return _sliced(builder, tensor_of(builder, args[0]), cuts, shape)


def split(builder: Builder, args: list[Value], params: Any, shapes: list[Shape]) -> list[Tensor]:
    """split: one slice for each part."""
    x = tensor_of(builder, args[0])
    parts, start = [], 0
    for size, shape in zip(params["sizes"], shapes, strict=True):
        cuts = [(0, length, 1) for length in x.shape]
        cuts[params["axis"]] = (start, start + int(size), 1)
        parts.append(_sliced(builder, x, cuts, shape))
        start += int(size)
    return parts


def dynamic_part(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """dynamic_slice with constant starts, held inside the tensor as JAX does."""
    x = tensor_of(builder, args[0])
    cuts = []
    for start, length, size in zip(args[1:], x.shape, params["slice_sizes"], strict=True):
        if not isinstance(start, Constant):
            raise Unsupported("the start depends on the input")
        first = min(max(int(start.value), 0), length - size)
        cuts.append((first, first + size, 1))
    return _sliced(builder, x, cuts, shape)


def pad(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """pad with a constant; gaps between neighbours along the height and width of an image."""
    x = builder.solid(tensor_of(builder, args[0]))
    if not isinstance(args[1], Constant):
        raise Unsupported("the padding depends on the input")
    value = float(args[1].value)
    by_node = by_node_axis(x.order, [tuple(map(int, side)) for side in params["padding_config"]])
    if by_node[0] != (0, 0, 0):
        raise Unsupported(ALONG_BATCH)
    node = x.node
    held = builder.nodes[node].shape
    gaps = tuple(gap for _, _, gap in by_node[1:])
    if any(gaps):
        if len(gaps) != 3 or gaps[2]:
            raise Unsupported("gaps along other axes than height and width")
        held = tuple((n - 1) * (gap + 1) + 1 for n, gap in zip(held, gaps, strict=True))
        node = builder.emit(Spread((gaps[0], gaps[1]), value), (node,), held)
    widths = tuple((before, after) for before, after, _ in by_node[1:])
    out = tuple(n + sum(side) for n, side in zip(held, widths, strict=True))
    return Tensor(builder.emit(Pad(widths, value), (node,), out), shape, x.order)


def concatenate(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """concatenate; constants of one number at the ends become padding."""
    axis = params["dimension"]
    args = [value for value in args if value.shape[axis]]
    if len(args) == 1:
        return tensor_of(builder, args[0])
    known = [isinstance(value, Constant) for value in args]
    first, last = known.index(False), len(known) - known[::-1].index(False)
    tensors = [builder.solid(tensor_of(builder, value)) for value in args[first:last]]
    order = tensors[0].order
    place = order[axis] - 1
    if place < 0:
        raise Unsupported(ALONG_BATCH)
    nodes = tuple(builder.in_order(tensor, order).node for tensor in tensors)
    out = list(builder.nodes[nodes[0]].shape)
    out[place] = sum(builder.nodes[node].shape[place] for node in nodes)
    node = builder.emit(Concat(place), nodes, tuple(out)) if len(nodes) > 1 else nodes[0]
    for ends, before in ((args[:first][::-1], True), (args[last:], False)):
        for value in ends:
            assert isinstance(value, Constant)
            if not value.is_number:
                raise Unsupported("a constant tensor is joined")
            widths = [(0, 0)] * len(out)
            length = int(value.shape[axis])
            widths[place] = (length, 0) if before else (0, length)
            out[place] += length
            node = builder.emit(Pad(tuple(widths), float(value.value)), (node,), tuple(out))
    return Tensor(node, shape, order)


def stack(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """stack: joined along a new axis."""
    axis = params["axis"]
    ones = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [builder.reshaped(tensor_of(builder, value), ones) for value in args]
    return concatenate(builder, [*parts], {"dimension": axis}, shape)


def unstack(builder: Builder, args: list[Value], params: Any, shapes: list[Shape]) -> list[Tensor]:
    """unstack: one slice for each element of an axis."""
    ones = [tuple(np.insert(shape, params["axis"], 1).tolist()) for shape in shapes]
    sizes = {"axis": params["axis"], "sizes": (1,) * len(shapes)}
    parts = split(builder, args, sizes, ones)
    return [builder.reshaped(part, shape) for part, shape in zip(parts, shapes, strict=True)]


def tile(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """tile: the lines of each axis several times over."""
    x = builder.solid(tensor_of(builder, args[0]))
    node = x.node
    for axis, count in enumerate(params["reps"]):
        place = x.order[axis] - 1
        if count != 1:
            if place < 0:
                raise Unsupported(ALONG_BATCH)
            held = builder.nodes[node].shape
            out = (*held[:place], held[place] * int(count), *held[place + 1 :])
            node = builder.emit(Take(place, tuple(range(held[place])) * int(count)), (node,), out)
    return Tensor(node, shape, x.order)


def take(builder: Builder, args: list[Value], params: Any, shape: Shape) -> Tensor:
    """gather, where it picks whole lines along one axis by constant indices."""
    x = builder.solid(tensor_of(builder, args[0]))
    numbers = params["dimension_numbers"]
    axes = tuple(numbers.start_index_map)
    sizes = [1 if axis in axes else length for axis, length in enumerate(x.shape)]
    simple = (
        isinstance(args[1], Constant)
        and len(axes) == 1
        and tuple(numbers.collapsed_slice_dims) == axes
        and tuple(params["slice_sizes"]) == tuple(sizes)
        and not numbers.operand_batching_dims
        and len(args[1].shape) == 2
    )
    if not simple:
        raise Unsupported("only whole lines along one axis, by constant indices, are picked")
    assert isinstance(args[1], Constant)
    axis, length = axes[0], x.shape[axes[0]]
    indices = tuple(int(index) for index in np.asarray(args[1].full())[:, 0])
    if x.order[axis] == 0:
        raise Unsupported(ALONG_BATCH)
    if min(indices) < 0 or max(indices) >= length:
        raise Unsupported(f"indices outside 0..{length - 1}")
    place = x.order[axis] - 1
    out = list(builder.nodes[x.node].shape)
    out[place] = len(indices)
    node = builder.emit(Take(place, indices), (x.node,), tuple(out))
    taken = Tensor(
        node, tuple(len(indices) if i == axis else n for i, n in enumerate(x.shape)), x.order
    )
    # The picked axis stands where the result has no offset axis.
    at = next(i for i in range(len(shape)) if i not in numbers.offset_dims)
    rest = [i for i in range(len(x.shape)) if i != axis]
    return taken.arranged((*rest[:at], axis, *rest[at:]))
