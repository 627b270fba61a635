"""Quantised convolutions and matrix products: QLinearConv, QLinearMatMul, QGemm, *Integer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pimjax.frontend.onnx.convolution import kernel_of
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.dynamic import without_zero
from pimjax.frontend.onnx.quantized.specs import INT32, as_codes, code_range, scales, spec
from pimjax.frontend.onnx.quantized.window import taps_inside
from pimjax.frontend.onnx.state import Importer, Value, plain
from pimjax.frontend.onnx.window import Window, as_image, window
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.graph import Params
from pimjax.network.ops import Affine, Dequantize, Output
from pimjax.network.ops.base import Op
from pimjax.network.tensor import TensorSpec

ACCUMULATOR = Output("none", 0, INT32.low, INT32.high)


@dataclass(frozen=True, eq=False)
class Weights:
    """Codes (.., n) with the outputs last, their zero point(s) and scale(s) along n."""

    codes: np.ndarray
    zero: np.ndarray
    scale: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """Codes less their zero points, int64."""
        return self.codes.astype(np.int64) - self.zero

    @property
    def channels(self) -> int:
        """How many outputs."""
        return int(self.codes.shape[-1])

    def params(self, bias: np.ndarray | None) -> Params:
        """The arrays of a quantised layer, but for its factor."""
        channels = (self.channels,)
        bias = np.zeros(channels, np.int32) if bias is None else np.broadcast_to(bias, channels)
        found: Params = {"weights": self.codes, "bias": bias}
        if self.zero.any():
            found["weight_zero"] = np.broadcast_to(self.zero.astype(np.int32), channels)
        return found


def qlinear_conv(importer: Importer, node: Node) -> Value:
    """A convolution of codes into codes: x, w and y each with scale and zero point, int32 bias."""
    kernel = codes_of_weights(importer, node, 3, 5)
    scale = scales(importer, node, 4)
    weights = Weights(kernel_of(kernel), _zero(importer, node, 5), scale)
    return _linear(importer, node, weights, _bias(importer, node, 8), 6, kernel.shape)


def qlinear_matmul(importer: Importer, node: Node) -> Value:
    """A product of codes with a constant matrix (k, n) into codes."""
    weights = _matrix(importer, node, 3, 5, scales(importer, node, 4))
    return _linear(importer, node, weights, None, 6)


def qgemm(importer: Importer, node: Node) -> Value:
    """alpha x w + bias of codes into codes (com.microsoft.QGemm); w is transposed with transB.

    Without a scale of the output, into real numbers.
    """
    if node.get("transA", 0):
        raise UnsupportedError("transA = 1; the batch must stay the first axis")
    turned = bool(node.get("transB", 0))
    weights = _matrix(importer, node, 3, 5, scales(importer, node, 4), turned)
    alpha = node.get("alpha", 1.0)
    return _linear(importer, node, weights, _bias(importer, node, 6), 7, alpha=alpha)


def conv_integer(importer: Importer, node: Node) -> Value:
    """A convolution of codes into int32 sums."""
    kernel = codes_of_weights(importer, node, 1, 3)
    weights = Weights(kernel_of(kernel), _zero(importer, node, 3), np.ones(1, np.float32))
    x, zero = _with_zero(importer, node, 2)
    step = "" if zero is None else "products"
    params = weights.params(None)
    v, found = _conv(importer, node, x, kernel.shape, ACCUMULATOR, params, INT32, step)
    if zero is None:
        return v
    return without_zero(importer, node, v, zero, tap_sums(found, x.lengths, weights.real))


def matmul_integer(importer: Importer, node: Node) -> Value:
    """A product of codes with a constant matrix (k, n) into int32 sums."""
    weights = _matrix(importer, node, 1, 3, np.ones(1, np.float32))
    x, zero = _with_zero(importer, node, 2)
    step = "" if zero is None else "products"
    v = _dense(importer, node, x, ACCUMULATOR, weights.params(None), INT32, step)
    return v if zero is None else without_zero(importer, node, v, zero, weights.real.sum(axis=0))


def tap_sums(found: Window, size: tuple[int, ...], weights: np.ndarray) -> np.ndarray:
    """(h', w', n): the sum of the weights (kh, kw, c/g, n) that lie on the image (h, w)."""
    rows, columns = taps_inside(found, size)
    return np.einsum("hi,wj,ijn->hwn", rows, columns, weights.sum(axis=2))


def _linear(
    importer: Importer,
    node: Node,
    weights: Weights,
    bias: np.ndarray | None,
    out_index: int,
    kernel: tuple[int, ...] | None = None,
    alpha: float = 1.0,
) -> Value:
    """A layer of codes with the output's scale and zero point at `out_index`, real without."""
    x_tensor = spec(importer, node, 1, 2)
    x = as_codes(importer, node, 0, x_tensor)
    params = weights.params(bias)
    in_scale = np.float32(alpha) * np.float32(x_tensor.scale)
    if not node.given(out_index):
        tensor, output, step = INT32, ACCUMULATOR, "sums"
    else:
        tensor = spec(importer, node, out_index, out_index + 1)
        output, step = requantised(tensor), ""
        params["factor"] = _factor(in_scale, weights, np.float32(tensor.scale))
    if kernel is None:
        y = _dense(importer, node, x, output, params, tensor, step)
    else:
        y, _ = _conv(importer, node, x, kernel, output, params, tensor, step)
    return _real(importer, node, y, in_scale * weights.scale) if step else y


def _real(importer: Importer, node: Node, sums: Value, scale: np.ndarray) -> Value:
    """float32(sum) times the scales of the channels."""
    real = importer.emit(node, Dequantize(INT32), (sums,), sums.shape, sums.axes, step="real")
    full = np.broadcast_to(scale.astype(np.float32), (real.lengths[-1],))
    params = {"scale": full, "shift": np.zeros_like(full)}
    return importer.emit(node, Affine(), (real,), real.shape, real.axes, params)


def requantised(tensor: TensorSpec) -> Output:
    """What follows the sums: float32, as ONNX Runtime's requantisation."""
    return Output("float32", tensor.zero_point, tensor.low, tensor.high)


def codes_of_weights(importer: Importer, node: Node, index: int, zero_index: int) -> np.ndarray:
    """The constant codes of an operand, in an integer type of NumPy. Raises UnsupportedError."""
    stored = importer.constant(node, index)
    if stored is None:
        raise UnsupportedError(f"input {index}, the weights, is left out")
    code_range(stored.dtype)
    return stored if stored.dtype.kind in "iu" else stored.astype(np.int8)


def _conv(
    importer: Importer,
    node: Node,
    x: Value,
    kernel: tuple[int, ...],
    output: Output,
    params: Params,
    tensor: TensorSpec,
    step: str,
) -> tuple[Value, Window]:
    if node.get("channels_last", 0):
        raise UnsupportedError("channels_last = 1; the file's axes must be (b, c, h, w)")
    x = as_image(importer, node, x)
    if node.get("kernel_shape", list(kernel[2:])) != list(kernel[2:]):
        raise UnsupportedError(f"kernel_shape {node.get('kernel_shape')} of weights {kernel}")
    groups = node.get("group", 1)
    if x.shape[1] != kernel[1] * groups or kernel[0] % groups:
        raise UnsupportedError(f"weights {list(kernel)} in {groups} groups over {list(x.shape)}")
    found = window(node, x, kernel[2:])
    op = QuantizedConv(output, found.stride, found.pad, found.dilation, groups)
    shape = (*x.shape[:1], kernel[0], *found.out[4 - len(x.shape) :])
    return importer.emit(node, op, (x,), shape, x.axes, params, tensor, step=step), found


def _dense(
    importer: Importer,
    node: Node,
    x: Value,
    output: Output,
    params: Params,
    tensor: TensorSpec,
    step: str,
) -> Value:
    inner, channels = params["weights"].shape
    if x.shape[-1] != inner or len(x.shape) < 2:
        raise UnsupportedError(f"weights {[inner, channels]} for an input {list(x.shape)}")
    x = importer.arrange(node, x, plain(len(x.shape)))
    op: Op = QuantizedDense(output)
    shape = (*x.shape[:-1], channels)
    return importer.emit(node, op, (x,), shape, x.axes, params, tensor, step=step)


def _matrix(
    importer: Importer,
    node: Node,
    index: int,
    zero_index: int,
    scale: np.ndarray,
    turned: bool = False,
) -> Weights:
    codes = codes_of_weights(importer, node, index, zero_index)
    if codes.ndim != 2:
        raise UnsupportedError(f"weights {list(codes.shape)}; a matrix is expected")
    codes = codes.T if turned else codes
    return Weights(codes, _zero(importer, node, zero_index), scale)


def _zero(importer: Importer, node: Node, index: int) -> np.ndarray:
    zero = importer.constant(node, index)
    return np.zeros(1, np.int32) if zero is None else zero.astype(np.int32).reshape(-1)


def _bias(importer: Importer, node: Node, index: int) -> np.ndarray | None:
    bias = importer.constant(node, index)
    return None if bias is None else bias.reshape(-1)


def _factor(in_scale: np.float32, weights: Weights, out_scale: np.float32) -> np.ndarray:
    """In the order of ONNX Runtime: float32(float32(x w) / y)."""
    factor = in_scale * weights.scale / out_scale
    return np.broadcast_to(factor.astype(np.float64), (weights.channels,))


def _with_zero(importer: Importer, node: Node, index: int) -> tuple[Value, Value | None]:
    """Input 0 as codes, and the zero points of the images where the input `index` computes them.

    A constant zero point is that of the codes.
    """
    value = importer.value(node, 0)
    if value.tensor is None:
        raise UnsupportedError(f"input 0 {node.given(0)!r} holds real numbers, not codes")
    tensor = value.tensor
    if node.given(index) in importer.values:
        whole = TensorSpec(tensor.scale, 0, tensor.low, tensor.high)
        return as_codes(importer, node, 0, whole), importer.value(node, index)
    zero = _zero(importer, node, index)
    if zero.size != 1:
        raise UnsupportedError(f"{zero.size} zero points of input 0; one is expected")
    shifted = TensorSpec(tensor.scale, int(zero[0]), tensor.low, tensor.high)
    return as_codes(importer, node, 0, shifted), None
