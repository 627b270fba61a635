"""Convolutions."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.frontend.onnx.window import as_image, window
from pimjax.network.ops import FloatConv


def conv(importer: Importer, node: Node) -> Value:
    """A convolution with a constant kernel (n, c/g, [kh,] kw)."""
    x = as_image(importer, node, importer.value(node, 0))
    weights = importer.weights(node, 1)
    shape = list(weights.shape)
    if node.get("kernel_shape", shape[2:]) != shape[2:]:
        raise UnsupportedError(f"kernel_shape {node.get('kernel_shape')} of weights {shape}")
    groups = node.get("group", 1)
    if x.shape[1] != shape[1] * groups or shape[0] % groups:
        raise UnsupportedError(f"weights {shape} in {groups} groups over {list(x.shape)}")
    found = window(node, x, weights.shape[2:])
    op = FloatConv(found.stride, found.pad, found.dilation, groups)
    bias = importer.weights(node, 2) if node.given(2) else np.zeros(shape[0], np.float32)
    params = {"kernel": kernel_of(weights), "bias": bias}
    out = (*x.shape[:1], shape[0], *found.out[4 - len(x.shape) :])
    return importer.emit(node, op, (x,), out, x.axes, params)


def kernel_of(weights: np.ndarray) -> np.ndarray:
    """(kh, kw, c/g, n) of (n, c/g, [kh,] kw), a view."""
    return weights.reshape(*weights.shape[:2], -1, weights.shape[-1]).transpose(2, 3, 1, 0)
