"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimjax.array.geometry import Pair
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.frontend.onnx.window import Sides, as_image, as_pair, window
from pimjax.network.ops import FloatConv, Pad, Spread
from pimjax.network.ops.base import Op


def conv(importer: Importer, node: Node) -> Value:
    """A convolution with a constant kernel (n, c/g, [kh,] kw)."""
    x = as_image(importer, node, importer.value(node, 0))
    weights = importer.weights(node, 1)
    shape = list(weights.shape)
    if node.get("kernel_shape", shape[2:]) != shape[2:]:
        raise UnsupportedError(f"kernel_shape {node.get('kernel_shape')} of weights {shape}")
    groups = node.get("group", 1)
    if groups < 1 or x.shape[1] != shape[1] * groups or shape[0] % groups:
        raise UnsupportedError(f"weights {shape} in {groups} groups over {list(x.shape)}")
    found = window(node, x, weights.shape[2:])
    op = FloatConv(found.stride, found.pad, found.dilation, groups)
    params = {"kernel": kernel_of(weights), "bias": _bias(importer, node, shape[0])}
    out = _sized(x, shape[0], found.out)
    return importer.emit(node, op, (x,), out, x.axes, params)


def kernel_of(weights: np.ndarray) -> np.ndarray:
    """(kh, kw, c/g, n) of (n, c/g, [kh,] kw), a view."""
    return weights.reshape(*weights.shape[:2], -1, weights.shape[-1]).transpose(2, 3, 1, 0)


def conv_transpose(importer: Importer, node: Node) -> Value:
    """A transposed convolution: the image with gaps, convolved with the flipped kernel."""
    x = as_image(importer, node, importer.value(node, 0))
    weights = importer.weights(node, 1)
    rank, groups = weights.ndim - 2, node.get("group", 1)
    fits = rank == len(x.shape) - 2 and groups >= 1 and x.shape[1] == weights.shape[0]
    if not fits or weights.shape[0] % groups:
        raise UnsupportedError(f"weights {list(weights.shape)} over {list(x.shape)}")
    node.ignore("kernel_shape")
    kernel = flipped_kernel(weights, groups)
    stride, dilation = as_pair(node.get("strides"), rank), as_pair(node.get("dilations"), rank)
    sides = _transposed_sides(node, x, kernel.shape[:2], stride, dilation, rank)
    if stride != (1, 1):
        size = [(n - 1) * step + 1 for n, step in zip(x.lengths, stride, strict=False)]
        op: Op = Spread((stride[0] - 1, stride[1] - 1))
        x = importer.emit(node, op, (x,), _sized(x, x.shape[1], size), x.axes, step="spread")
    crop = tuple((min(before, 0), min(after, 0)) for before, after in sides)
    if any(map(any, crop)):
        size = [n + sum(cut) for n, cut in zip(x.lengths, crop, strict=False)]
        op = Pad((*crop, (0, 0)))
        x = importer.emit(node, op, (x,), _sized(x, x.shape[1], size), x.axes, step="crop")
    pad = tuple((max(before, 0), max(after, 0)) for before, after in sides)
    size = [
        n + sum(amounts) - (taps - 1) * spread
        for n, amounts, taps, spread in zip(x.lengths, pad, kernel.shape, dilation, strict=False)
    ]
    channels = kernel.shape[3]
    params = {"kernel": kernel, "bias": _bias(importer, node, channels)}
    op = FloatConv((1, 1), pad, dilation, groups)
    return importer.emit(node, op, (x,), _sized(x, channels, size), x.axes, params)


def _bias(importer: Importer, node: Node, channels: int) -> np.ndarray:
    """One number for each channel, 0 where the node has none."""
    bias = importer.weights(node, 2) if node.given(2) else np.zeros(channels, np.float32)
    if bias.shape != (channels,):
        raise UnsupportedError(f"a bias {list(bias.shape)} for {channels} channels")
    return bias


def _sized(x: Value, channels: int, size: Sequence[int]) -> tuple[int, ...]:
    """The shape of an image (or of one of height 1) with other channels, height and width."""
    return (x.shape[0], channels, *size[4 - len(x.shape) :])


def flipped_kernel(weights: np.ndarray, groups: int) -> np.ndarray:
    """(kh, kw, c/g, n), flipped along kh and kw, of weights (c, n/g, [kh,] kw)."""
    c, n, *size = weights.shape
    kh, kw = [1, *size][-2:]
    parts = weights.reshape(groups, c // groups, n, kh, kw)[..., ::-1, ::-1]
    return parts.transpose(3, 4, 1, 0, 2).reshape(kh, kw, c // groups, groups * n)


def _transposed_sides(
    node: Node, x: Value, kernel: tuple[int, ...], stride: Pair, dilation: Pair, rank: int
) -> Sides:
    """Padding (before, after) of the image with gaps along h and w; negative amounts crop."""
    reach = [(size - 1) * spread + 1 for size, spread in zip(kernel, dilation, strict=True)]
    extra = list(node.get("output_padding") or [0] * rank)
    extra = [0] * (2 - rank) + extra
    mode, pads = node.get("auto_pad", "NOTSET"), node.get("pads")
    wanted = node.get("output_shape")
    sides = []
    for axis in range(2):
        length, span, step, more = x.lengths[axis], reach[axis], stride[axis], extra[axis]
        at = axis - (2 - rank)
        if at >= 0 and (wanted is not None or mode.startswith("SAME")):
            out = wanted[len(wanted) - rank + at] if wanted is not None else length * step
            total = (length - 1) * step + more + span - out
            small, large = total // 2, total - total // 2
            before, after = (small, large) if mode == "SAME_UPPER" else (large, small)
        elif at >= 0 and pads is not None and mode != "VALID":
            before, after = pads[at], pads[at + rank]
        else:
            before = after = 0
        sides.append((span - 1 - before, span - 1 - after + more))
    return sides[0], sides[1]
