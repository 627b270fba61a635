"""Softmax of 8-bit codes: QLinearSoftmax, as ONNX Runtime computes it."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.onnx.layout import axis_of
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.specs import as_codes, spec
from pimjax.frontend.onnx.state import Importer, Value, plain
from pimjax.network.ops import CodeSoftmax

LARGEST = float(np.finfo(np.float32).max)
RESERVED = 5.0
"""How much of the logarithm of float32's range the sum leaves free."""


def softmax(importer: Importer, node: Node) -> Value:
    """Shares of a row of codes, as codes in steps of a whole part of 1."""
    x_tensor, y_tensor = spec(importer, node, 1, 2), spec(importer, node, 3, 4)
    x = as_codes(importer, node, 0, x_tensor)
    rank = len(x.shape)
    opset = node.get("opset", node.version)
    axis = axis_of(node.get("axis", -1 if opset >= 13 else 1), rank)
    if opset < 13 and axis != rank - 1:
        raise UnsupportedError(
            f"axis = {axis} of {rank} with opset = {opset}; the last axis can be"
        )
    if x_tensor.high - x_tensor.low != 255:
        raise UnsupportedError(f"codes {x_tensor.low}..{x_tensor.high}; 8 bits can be")
    order = (*(a for a in plain(rank) if a != axis), axis)
    x = importer.arrange(node, x, order)
    steps = math.floor(np.float32(1) / np.float32(y_tensor.scale))
    op = CodeSoftmax(x_tensor.low, float(steps), y_tensor.zero_point, y_tensor.low, y_tensor.high)
    params = {"exponentials": exponentials(np.float32(x_tensor.scale), x.shape[axis])}
    return importer.emit(node, op, (x,), x.shape, x.axes, params, y_tensor)


def exponentials(scale: np.float32, length: int) -> np.ndarray:
    """(256,) float32: exp of the codes below the largest, times what the sum leaves room for."""
    room = math.log(np.float32(LARGEST) / np.float32(length))
    shift = max(0.0, room - RESERVED) / float(scale)
    codes = np.arange(256, dtype=np.float64)
    return np.exp((codes - 255 + shift) * float(scale)).astype(np.float32)
