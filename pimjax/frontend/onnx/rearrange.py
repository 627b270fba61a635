"""Blocks of pixels to channels and back."""

from __future__ import annotations

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Importer, Value, channels_last, plain
from pimjax.network.ops import Reshape, Transpose


def depth_to_space(importer: Importer, node: Node) -> Value:
    """Channels as blocks of pixels, blocks first (DCR) or channels first (CRD)."""
    x = importer.arrange(node, importer.value(node, 0), channels_last(4))
    batch, channels, height, width = x.shape
    size = node.get("blocksize")
    depth = channels // size**2
    if node.get("mode", "DCR") == "CRD":
        parts, axes = (height, width, depth, size, size), (0, 3, 1, 4, 2)
    else:
        parts, axes = (height, width, size, size, depth), (0, 2, 1, 3, 4)
    return _blocks(importer, node, x, parts, axes, (batch, depth, height * size, width * size))


def space_to_depth(importer: Importer, node: Node) -> Value:
    """Blocks of pixels as channels, blocks first (DCR) or channels first (CRD)."""
    x = importer.arrange(node, importer.value(node, 0), channels_last(4))
    batch, channels, height, width = x.shape
    size = node.get("blocksize")
    if height % size or width % size:
        raise UnsupportedError(f"blocks of {size} in {height} x {width}")
    parts = (height // size, size, width // size, size, channels)
    shape = (batch, channels * size**2, height // size, width // size)
    axes = (0, 2, 4, 1, 3) if node.get("mode", "DCR") == "CRD" else (0, 2, 1, 3, 4)
    return _blocks(importer, node, x, parts, axes, shape)


def _blocks(
    importer: Importer,
    node: Node,
    x: Value,
    parts: tuple[int, ...],
    axes: tuple[int, ...],
    shape: tuple[int, ...],
) -> Value:
    cut = importer.emit(
        node, Reshape(parts), (x,), (x.shape[0], *parts), plain(6), tensor=x.tensor, step="blocks"
    )
    lengths = (x.shape[0], *(parts[axis] for axis in axes))
    moved = importer.emit(
        node, Transpose(axes), (cut,), lengths, plain(6), tensor=x.tensor, step="order"
    )
    after = Value("", shape, channels_last(4))
    return importer.emit(node, Reshape(after.lengths), (moved,), shape, after.axes, tensor=x.tensor)
