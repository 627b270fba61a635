"""Resize and Upsample, one axis after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pimjax.frontend.onnx.move import taken
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.reshape import axes_of
from pimjax.frontend.onnx.state import Importer, Value, require_size
from pimjax.network.ops import Interpolate

ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
"""Which neighbour is the nearest, by the name of the mode."""


def resize(importer: Importer, node: Node) -> Value:
    """Resize by constant scales or to constant sizes."""
    x = importer.value(node, 0)
    newer = node.version >= 11
    coordinate = node.get("coordinate_transformation_mode", "half_pixel" if newer else "asymmetric")
    nearest = node.get("nearest_mode", "round_prefer_floor" if newer else "floor")
    scales, lengths = _targets(importer, node, x, 2 if newer else 1)
    return _resized(importer, node, x, scales, lengths, coordinate, nearest)


def upsample(importer: Importer, node: Node) -> Value:
    """Upsample, the older Resize."""
    x = importer.value(node, 0)
    given = importer.constant(node, 1) if node.given(1) else np.array(node.get("scales"))
    assert given is not None
    scales = given.astype(np.float32)
    lengths = [int(np.floor(n * s)) for n, s in zip(x.shape, scales, strict=True)]
    return _resized(importer, node, x, scales, lengths, "asymmetric", "floor")


def _targets(importer: Importer, node: Node, x: Value, index: int) -> tuple[np.ndarray, list[int]]:
    """The scale and the new length of every axis, from the inputs `index` and the one after it."""
    rank = len(x.shape)
    axes = axes_of(importer, node, rank, len(node.inputs)) or tuple(range(rank))
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    scales, lengths = np.ones(rank, np.float32), list(x.shape)
    factors, sizes = importer.constant(node, index), importer.constant(node, index + 1)
    if sizes is not None and sizes.size:
        wanted = [int(n) for n in sizes]
        if policy != "stretch":
            ratios = [n / x.shape[axis] for axis, n in zip(axes, wanted, strict=True)]
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            wanted = [math.floor(ratio * x.shape[axis] + 0.5) for axis in axes]
            scales[list(axes)] = ratio
        else:
            scales[list(axes)] = [n / x.shape[axis] for axis, n in zip(axes, wanted, strict=True)]
        for axis, length in zip(axes, wanted, strict=True):
            lengths[axis] = length
    elif factors is not None and factors.size:
        scales[list(axes)] = factors.astype(np.float32)
        lengths = [int(np.floor(n * s)) for n, s in zip(x.shape, scales, strict=True)]
    else:
        raise UnsupportedError("neither scales nor sizes are given")
    return scales, lengths


def _resized(
    importer: Importer,
    node: Node,
    x: Value,
    scales: np.ndarray,
    lengths: list[int],
    coordinate: str,
    nearest: str,
) -> Value:
    mode = node.get("mode", "nearest")
    node.ignore("cubic_coeff_a", "extrapolation_value")
    if mode not in ("nearest", "linear", "bilinear"):
        raise UnsupportedError(f"mode = {mode!r}; nearest and linear can be")
    if nearest not in ROUNDING:
        raise UnsupportedError(f"nearest_mode = {nearest!r}; {', '.join(ROUNDING)} can be")
    if node.get("antialias", 0) and min(scales) < 1 and mode != "nearest":
        raise UnsupportedError("antialias = 1; 0 can be")
    if node.get("exclude_outside", 0):
        raise UnsupportedError("exclude_outside = 1; 0 can be")
    if lengths[0] != x.shape[0] or min(lengths) < 1:
        raise UnsupportedError(f"{list(x.shape)} to {lengths}; the batch (axis 0) must stay")
    require_size(lengths)
    axes = [i for i, n in enumerate(lengths) if i and (n != x.shape[i] or scales[i] != 1)]
    for axis in axes:
        step = "" if axis == axes[-1] else f"axis{axis}"
        old, new, scale = x.shape[axis], lengths[axis], np.float32(scales[axis])
        where = coordinates(coordinate, old, new, scale)
        if mode == "nearest":
            indices = np.clip(ROUNDING[nearest](where), 0, old - 1)
            x = taken(importer, node, x, axis, tuple(int(i) for i in indices), step)
        else:
            x = _interpolated(importer, node, x, axis, where, step)
    return x


def _interpolated(
    importer: Importer, node: Node, x: Value, axis: int, where: np.ndarray, step: str
) -> Value:
    last = x.shape[axis] - 1
    where = np.clip(where, 0, last)
    lower = np.floor(where).astype(int)
    upper = np.minimum(lower + 1, last)
    op = Interpolate(x.place(axis), tuple(lower.tolist()), tuple(upper.tolist()))
    share = {"share": (where - lower).astype(np.float32)}
    shape = (*x.shape[:axis], len(where), *x.shape[axis + 1 :])
    return importer.emit(node, op, (x,), shape, x.axes, share, step=step)


def coordinates(mode: str, old: int, new: int, scale: np.float32) -> np.ndarray:
    """Where each of `new` elements lies among `old` ones, float32. *Source:* ONNX's Resize."""
    at, half = np.arange(new, dtype=np.float32), np.float32(0.5)
    resized = np.float32(old) * scale
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and resized > 1):
        return (at + half) / scale - half
    if mode == "pytorch_half_pixel":
        return np.zeros_like(at)
    if mode == "half_pixel_symmetric":
        offset = np.float32(old) * half * (1 - np.float32(new) / resized)
        return offset + (at + half) / scale - half
    if mode == "align_corners":
        return at * np.float32((old - 1) / (new - 1)) if new > 1 else np.zeros_like(at)
    if mode == "asymmetric":
        return at / scale
    if mode == "tf_half_pixel_for_nn":
        return (at + half) / scale
    raise UnsupportedError(
        f"coordinate_transformation_mode = {mode!r}; half_pixel, half_pixel_symmetric,"
        " pytorch_half_pixel, align_corners, asymmetric and tf_half_pixel_for_nn can be"
    )
