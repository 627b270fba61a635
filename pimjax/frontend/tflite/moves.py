"""Operators that only move numbers: shapes, parts, padding, joining, nearest neighbours."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.tflite.host import with_activation
from pimjax.frontend.tflite.node import (
    Lowered,
    Node,
    UnsupportedError,
    is_float,
    real_range,
    round_away,
    same_codes,
    spec_of,
    spec_or_none,
)
from pimjax.frontend.tflite.tables import rescaling_table
from pimjax.network.graph import Image, Layer
from pimjax.network.ops import Concat, Op, Pad, Reshape, Slice, Table, Take, Transpose

MAX_SIDE = 1 << 16
"""Rows or columns of a resized image."""


def reshape(node: Node) -> Lowered:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: another shape that keeps the batch axis."""
    before, after = node.tensor(0).shape, node.output.shape
    if not before or not after or before[0] != after[0]:
        raise UnsupportedError(f"{before} as {after}; the batch, axis 0, has to stay")
    return _moved(node, Reshape(after[1:]))


def transpose(node: Node) -> Lowered:
    """Axes reordered; the batch stays the first."""
    axes = node.integers(1, "its list of axes")
    if sorted(axes) != list(range(len(node.tensor(0).shape))) or axes[:1] != [0]:
        raise UnsupportedError(f"axes {axes}; the batch, axis 0, has to stay the first")
    return _moved(node, Transpose(tuple(axis - 1 for axis in axes[1:])))


def pad(node: Node) -> Lowered:
    """PAD and PADV2: a border of real zeros, or of a constant."""
    value = 0.0 if is_float(node.output) else float(spec_of(node.output).zero_point)
    if node.has(2):
        constant = node.constant(2, "its padding value")
        if constant.size != 1 or node.tensor(2).type != node.output.type:
            raise UnsupportedError(f"a padding value of {node.tensor(2).type} {constant.shape}")
        value = float(constant.item())
        same_codes(node, 2)
    return _moved(node, Pad(_widths(node), value))


def mirror_pad(node: Node) -> Lowered:
    """A border that mirrors what lies beside it, without (0) or with (1) the outermost element."""
    modes = {0: "reflect", 1: "symmetric"}
    widths, mode = _widths(node), node.setting("Mode")
    sides = zip(widths, node.tensor(0).shape[1:], strict=True)
    if mode not in modes or any(max(width) > size - 1 + mode for width, size in sides):
        raise UnsupportedError(f"mode {mode} with widths {widths} on {node.tensor(0).shape}")
    return _moved(node, Pad(widths, mode=modes[mode]))


def concatenate(node: Node) -> Lowered:
    """Several tensors one after the other; uint8 ones of other scales are rescaled first."""
    rank = len(node.output.shape)
    axis = node.setting("Axis")
    if not -rank <= axis < rank or axis % rank == 0:
        raise UnsupportedError(f"axis {axis} of {rank}; the batch, axis 0, has to stay")
    count = len(node.operator.inputs)
    sources = tuple(node.source(i) for i in range(count))
    op = Concat(axis % rank - 1)
    if is_float(node.output):
        return with_activation(node, op, sources, {})
    if real_range(node.setting("FusedActivationFunction")) is not None:
        raise UnsupportedError("a fused activation on codes; LiteRT has none either")
    layers: list[Layer] = []
    params: Image = {}
    for i in range(count):
        if node.tensor(i).type != "UINT8" or node.output.type != "UINT8":
            same_codes(node, i)
        elif spec_of(node.tensor(i)) != spec_of(node.output):
            helper = node.helper(f"scaled{i}", Table(0), sources[i], tensor=node.output)
            params[helper.name] = {"table": rescaling_table(node.tensor(i), node.output)}
            layers.append(helper)
            sources = (*sources[:i], helper.name, *sources[i + 1 :])
    return Lowered((*layers, node.layer(op, *sources)), params)


def split(node: Node) -> Lowered:
    """Equal parts along an axis, one layer each."""
    source, shape, count = node.source(1), node.tensor(1).shape, node.setting("NumSplits")
    axes = node.integers(0, "its axis")
    if len(axes) != 1 or not -len(shape) <= axes[0] < len(shape) or axes[0] % len(shape) == 0:
        raise UnsupportedError(f"axis {axes} of {shape}; the batch, axis 0, has to stay")
    axis = axes[0] % len(shape)
    if count != len(node.operator.outputs) or count < 1 or shape[axis] % count:
        raise UnsupportedError(f"{count} parts of {shape} along axis {axis}")
    size = shape[axis] // count
    layers = []
    for i, output in enumerate(node.operator.outputs):
        if spec_or_none(node.tensors[output]) != spec_or_none(node.tensor(1)):
            raise UnsupportedError("its input and outputs differ in type, scale or zero point")
        start, stop = [0] * len(shape), [*shape]
        start[axis], stop[axis] = i * size, (i + 1) * size
        cut = Slice(tuple(start[1:]), tuple(stop[1:]), (1,) * (len(shape) - 1))
        layers.append(node.part(output, cut, source))
    return Lowered(tuple(layers))


def box(node: Node) -> Lowered:
    """A box of the input, from `begin` on, of `size` (-1: to the end)."""
    shape = node.tensor(0).shape
    begin, size = node.integers(1, "its begin"), node.integers(2, "its size")
    if len(begin) != len(shape) or len(size) != len(shape):
        raise UnsupportedError(f"begin {begin} and size {size} on {shape}")
    ends = [
        full if count == -1 else first + count
        for first, count, full in zip(begin, size, shape, strict=True)
    ]
    return _cut(node, begin, ends, [1] * len(shape))


def strided_slice(node: Node) -> Lowered:
    """Python's slicing, axis by axis, with the masks for ends left out and axes dropped."""
    shape = node.tensor(0).shape
    begin, end, step = (node.integers(i, "its bounds") for i in range(1, 4))
    if node.setting("EllipsisMask") or node.setting("NewAxisMask") or node.setting("Offset"):
        raise UnsupportedError("an ellipsis, a new axis, or ends as offsets")
    if not len(begin) == len(end) == len(step) == len(shape) or any(s <= 0 for s in step):
        raise UnsupportedError(f"steps {step} on {shape}; one positive step an axis is supported")
    for axis, full in enumerate(shape):
        whole = slice(
            None if node.setting("BeginMask") >> axis & 1 else begin[axis],
            None if node.setting("EndMask") >> axis & 1 else end[axis],
        )
        if node.setting("ShrinkAxisMask") >> axis & 1:
            first = begin[axis] % full if full else 0
            begin[axis], end[axis] = first, first + 1
        else:
            begin[axis], end[axis], _ = whole.indices(full)
    return _cut(node, begin, end, step)


def depth_to_space(node: Node) -> Lowered:
    """Channels as blocks of pixels."""
    height, width, channels, block = _blocks(node)
    if channels % block**2:
        raise UnsupportedError(f"{channels} channels in blocks of {block} x {block}")
    before = (height, width, block, block, channels // block**2)
    return _rearranged(node, before)


def space_to_depth(node: Node) -> Lowered:
    """Blocks of pixels as channels."""
    height, width, channels, block = _blocks(node)
    if height % block or width % block:
        raise UnsupportedError(f"{height} x {width} pixels in blocks of {block} x {block}")
    return _rearranged(node, (height // block, block, width // block, block, channels))


def _blocks(node: Node) -> tuple[int, int, int, int]:
    shape, block = node.tensor(0).shape, node.setting("BlockSize")
    if len(shape) != 4 or block < 1:
        raise UnsupportedError(f"blocks of {block} on {shape}")
    return (*shape[1:], block)


def _rearranged(node: Node, cut: tuple[int, ...]) -> Lowered:
    """Axes 1 and 2 of the cut shape changed for each other."""
    same_codes(node, 0)
    tensor = node.output
    blocks = node.helper("blocks", Reshape(cut), node.source(), tensor=tensor)
    turned = node.helper("turned", Transpose((0, 2, 1, 3, 4)), blocks.name, tensor=tensor)
    return Lowered((blocks, turned, node.layer(Reshape(tensor.shape[1:]), turned.name)))


def resize_nearest(node: Node) -> Lowered:
    """The nearest pixel, by the float32 arithmetic of resize_nearest_neighbor.h."""
    shape, sizes = node.tensor(0).shape, node.integers(1, "its size")
    if len(shape) != 4 or len(sizes) != 2 or not all(1 <= size <= MAX_SIDE for size in sizes):
        raise UnsupportedError(f"size {sizes} of {shape}")
    same_codes(node, 0)
    rows, columns = (_nearest(node, shape[1 + i], sizes[i]) for i in range(2))
    inner = node.helper("rows", Take(0, rows), node.source(), tensor=node.output)
    return Lowered((inner, node.layer(Take(1, columns), inner.name)))


def _nearest(node: Node, before: int, after: int) -> tuple[int, ...]:
    corners, centres = bool(node.setting("AlignCorners")), bool(node.setting("HalfPixelCenters"))
    stretch = corners and after > 1
    scale = (
        np.float32(before - 1) / np.float32(after - 1)
        if stretch
        else np.float32(before) / np.float32(after)
    )
    offset = np.float32(0.5 if centres else 0)
    places = ((np.float32(i) + offset) * scale for i in range(after))
    rounded = (round_away(place) if corners else math.floor(place) for place in places)
    return tuple(max(0, min(before - 1, place)) for place in rounded)


def _cut(node: Node, begin: list[int], end: list[int], step: list[int]) -> Lowered:
    shape = node.tensor(0).shape
    inside = all(0 <= b <= e <= s for b, e, s in zip(begin, end, shape, strict=True))
    if not inside or (begin[0], end[0], step[0]) != (0, shape[0], 1):
        raise UnsupportedError(f"from {begin} to {end} of {shape}; the batch, axis 0, has to stay")
    same_codes(node, 0)
    cut = Slice(tuple(begin[1:]), tuple(end[1:]), tuple(step[1:]))
    kept = tuple(len(range(*box)) for box in zip(begin, end, step, strict=True))
    if kept == node.output.shape:
        return Lowered((node.layer(cut, node.source()),))
    if math.prod(kept) != math.prod(node.output.shape) or kept[:1] != node.output.shape[:1]:
        raise UnsupportedError(f"its output of size {node.output.shape}; {kept} is left")
    inner = node.helper("part", cut, node.source(), tensor=node.output)
    return Lowered((inner, node.layer(Reshape(node.output.shape[1:]), inner.name)))


def _moved(node: Node, op: Op) -> Lowered:
    same_codes(node, 0)
    return Lowered((node.layer(op, node.source()),))


def _widths(node: Node) -> tuple[tuple[int, int], ...]:
    shape: tuple[int, ...] = node.tensor(0).shape
    flat = node.integers(1, "its padding")
    if len(flat) != 2 * len(shape) or any(width < 0 for width in flat) or flat[:2] != [0, 0]:
        raise UnsupportedError(f"padding {flat} of {shape}; the batch, axis 0, has to stay")
    return tuple(zip(flat[2::2], flat[3::2], strict=True))
