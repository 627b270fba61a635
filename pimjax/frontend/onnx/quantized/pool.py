"""Average pooling of 8-bit codes: QLinearAveragePool and QLinearGlobalAveragePool."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.arithmetic import codes
from pimjax.frontend.onnx.quantized.array import requantised
from pimjax.frontend.onnx.quantized.specs import as_codes, spec
from pimjax.frontend.onnx.quantized.window import taps_inside
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.frontend.onnx.window import Window, as_image, window
from pimjax.network.ops import AveragePool, CodeAveragePool


def global_average_pool(importer: Importer, node: Node) -> Value:
    """The exact sum of an image, requantised once: scale = x / (y count), in float32."""
    _require_channels_second(node)
    x_tensor, y_tensor = spec(importer, node, 1, 2), spec(importer, node, 3, 4)
    x = as_image(importer, node, as_codes(importer, node, 0, x_tensor))
    height, width, channels = x.lengths
    scale = np.float32(x_tensor.scale) / (np.float32(y_tensor.scale) * np.float32(height * width))
    op = AveragePool(
        (height, width), (1, 1), requantised(y_tensor), "VALID", in_zero=x_tensor.zero_point
    )
    shape = (x.shape[0], channels, *[1] * (len(x.shape) - 2))
    return importer.emit(node, op, (x,), shape, x.axes, {"scale": np.array([scale])}, y_tensor)


def average_pool(importer: Importer, node: Node) -> Value:
    """The mean of each window in float32, as ONNX Runtime adds it up."""
    _require_channels_second(node)
    x_tensor, y_tensor = spec(importer, node, 1, 2), spec(importer, node, 3, 4)
    x = as_image(importer, node, as_codes(importer, node, 0, x_tensor))
    kernel = node.get("kernel_shape")
    if kernel is None:
        raise UnsupportedError("kernel_shape is left out")
    found = window(node, x, tuple(kernel))
    op = CodeAveragePool(
        *(found.kernel, found.stride, found.pad, x_tensor.low, y_tensor.scale),
        *(y_tensor.zero_point, y_tensor.low, y_tensor.high, found.dilation),
    )
    params = {
        "reals": x_tensor.values_of(codes(x_tensor)),
        "counts": counts(found, x.lengths[:2], bool(node.get("count_include_pad", 0))),
    }
    shape = (*x.shape[:2], *found.out[4 - len(x.shape) :])
    return importer.emit(node, op, (x,), shape, x.axes, params, y_tensor)


def counts(found: Window, size: tuple[int, ...], with_padding: bool) -> np.ndarray:
    """(1, h', w', 1) float32: what each window's sum is divided by."""
    if with_padding:
        return np.full((1, *found.out, 1), found.kernel[0] * found.kernel[1], np.float32)
    rows, columns = taps_inside(found, size)
    return np.outer(rows.sum(axis=1), columns.sum(axis=1)).astype(np.float32)[None, :, :, None]


def _require_channels_second(node: Node) -> None:
    if node.get("channels_last", 0):
        raise UnsupportedError("channels_last = 1; the file's axes must be (b, c, h, w)")
