"""Operators of the array: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED.

Requantisation is that of LiteRT's reference kernels. An int8 convolution has a fixed-point
multiplier made from the float64 product and quotient of its float32 scales; for uint8 the input's
and the weights' scale are multiplied in float32 first. A matrix product is scaled in float64 and
rounded half away from zero. *Source:* PopulateConvolutionQuantizationParams and
GetQuantizedConvolutionMultipler in kernel_util.cc; fully_connected.h.
"""

from __future__ import annotations

import math

import numpy as np

from pimjax.array.geometry import Padding, Pair
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.frontend.tflite.host import with_activation
from pimjax.frontend.tflite.node import (
    Lowered,
    Node,
    UnsupportedError,
    is_float,
    output_of,
    spec_of,
)
from pimjax.frontend.tflite.reader import Tensor
from pimjax.network.graph import Layer, Params
from pimjax.network.ops import FloatConv, FloatDense, Reshape


def conv(node: Node) -> Lowered:
    """A convolution; fewer channels in the weights than in the input make groups."""
    stored = node.constant(1, "its weight tensor")
    channels = channels_of(node)
    if stored.ndim != 4 or stored.shape[3] == 0 or channels % stored.shape[3]:
        raise UnsupportedError(f"weights of size {stored.shape} for {channels} input channels")
    return _convolution(node, stored.transpose(1, 2, 3, 0), channels // stored.shape[3])


def depthwise(node: Node) -> Lowered:
    """A convolution of each channel on its own: output o belongs to input o // multiplier."""
    stored = node.constant(1, "its weight tensor")
    channels = channels_of(node)
    if stored.ndim != 4 or stored.shape[0] != 1 or channels == 0 or stored.shape[3] % channels:
        raise UnsupportedError(f"weights of size {stored.shape} for {channels} input channels")
    return _convolution(node, stored.transpose(1, 2, 0, 3), channels)


def dense(node: Node) -> Lowered:
    """A matrix product; an input of higher rank is flattened first where it needs to be."""
    stored = node.constant(1, "its weight tensor")
    if node.setting("WeightsFormat") != 0:
        raise UnsupportedError("shuffled weights; the default format is supported")
    shape = node.tensor(0).shape
    if stored.ndim != 2 or len(shape) < 2:
        raise UnsupportedError(f"weights of size {stored.shape} for an input of size {shape}")
    outputs, inputs = stored.shape
    source = node.source()
    before: tuple[Layer, ...] = ()
    if shape[-1] != inputs or len(node.output.shape) != len(shape):
        if math.prod(shape[1:]) != inputs:
            raise UnsupportedError(f"weights of size {stored.shape} for an input of size {shape}")
        before = (node.helper("flat", Reshape((inputs,)), source, tensor=node.tensor(0)),)
        source = before[0].name
    weights = stored.T
    if is_float(node.tensor(0)):
        params = {"kernel": _float_weights(node, weights), "bias": _bias(node, outputs, np.float32)}
        lowered = with_activation(node, FloatDense(), (source,), params)
    else:
        params = _quantized_params(node, weights, product=True)
        layer = node.layer(QuantizedDense(output_of(node, "float64")), source)
        lowered = Lowered((layer,), {layer.name: params})
    return Lowered((*before, *lowered.layers), lowered.params)


def padding_of(node: Node) -> Padding:
    """The padding by its name, "SAME" or "VALID"."""
    kinds = {0: "SAME", 1: "VALID"}
    if node.setting("Padding") not in kinds:
        raise UnsupportedError(f"padding {node.setting('Padding')}; SAME and VALID are supported")
    return kinds[node.setting("Padding")]


def channels_of(node: Node) -> int:
    """The channels of the input, an image."""
    shape = node.tensor(0).shape
    if len(shape) != 4:
        raise UnsupportedError(f"an input of size {shape}; (batch, h, w, c) is supported")
    return shape[3]


def _convolution(node: Node, weights: np.ndarray, groups: int) -> Lowered:
    stride = node.setting("StrideH"), node.setting("StrideW")
    dilation = node.setting("DilationHFactor"), node.setting("DilationWFactor")
    return convolution(node, node.source(), weights, (stride, padding_of(node), dilation, groups))


def convolution(
    node: Node, source: str, weights: np.ndarray, settings: tuple[Pair, Padding, Pair, int]
) -> Lowered:
    """A convolution of `source` with weights (kh, kw, c/g, n) and the file's third input as bias.

    `settings` are stride, padding, dilation and groups; scales and types are those of the file's
    first and second input.
    """
    if is_float(node.tensor(0)):
        kernel = _float_weights(node, weights)
        params = {"kernel": kernel, "bias": _bias(node, weights.shape[-1], np.float32)}
        return with_activation(node, FloatConv(*settings), (source,), params)
    params = _quantized_params(node, weights, product=False)
    layer = node.layer(QuantizedConv(output_of(node), *settings), source)
    return Lowered((layer,), {layer.name: params})


def _float_weights(node: Node, weights: np.ndarray) -> np.ndarray:
    if not is_float(node.tensor(1)):
        raise UnsupportedError(
            f"{node.tensor(1).type} weights with a FLOAT32 input (dynamic range quantisation); "
            f"quantise the model fully, or not at all"
        )
    return weights


def _bias(node: Node, outputs: int, dtype: type) -> np.ndarray:
    if not node.has(2):
        return np.zeros(outputs, dtype)
    bias = node.constant(2, "its bias tensor")
    if bias.dtype != dtype or bias.shape != (outputs,):
        right = np.dtype(dtype).name.upper()
        raise UnsupportedError(
            f"a bias of type {node.tensor(2).type} and size {bias.shape}; {right} ({outputs},) "
            f"is supported"
        )
    return bias


def _quantized_params(node: Node, weights: np.ndarray, product: bool) -> Params:
    """Arrays of a quantised layer for weights (..., n) of the file's second input."""
    source, tensor = spec_of(node.tensor(0)), node.tensor(1)
    outputs = weights.shape[-1]
    unsigned = node.tensor(0).type == "UINT8"
    kinds = ("UINT8",) if unsigned else ("INT8", "INT4")
    if tensor.type not in kinds:
        raise UnsupportedError(
            f"{tensor.type} weights with a {node.tensor(0).type} input; {kinds[0]} is supported"
        )
    if tensor.scale.size != 1 and (
        unsigned or tensor.scale.size != outputs or tensor.shape[tensor.axis] != outputs
    ):
        raise UnsupportedError(
            f"{tensor.scale.size} weight scales along axis {tensor.axis} of {tensor.shape}; one, "
            f"or with int8 one for each of the {outputs} outputs, is supported"
        )
    zero = tensor.zero_point
    if zero.any() and not (unsigned or (product and zero.size == 1)):
        raise UnsupportedError("zero points of int8 weights other than 0")
    in_scale, out_scale = np.float32(source.scale), spec_of(node.output).scale
    unit = float(in_scale) * tensor.scale.astype(np.float64)
    if node.has(2) and (unsigned or (product and tensor.scale.size == 1)):
        _require_bias_scale(node.tensor(2), float(unit[0]), out_scale)
    if unsigned and not product:
        unit = (in_scale * tensor.scale).astype(np.float64)
    params: Params = {
        "weights": np.ascontiguousarray(weights),
        "bias": _bias(node, outputs, np.int32),
        "factor": np.broadcast_to(unit / out_scale, (outputs,)).copy(),
    }
    if zero.any():
        params["weight_zero"] = np.broadcast_to(zero, (outputs,)).copy()
    return params


def _require_bias_scale(bias: Tensor, right: float, out_scale: float) -> None:
    """Refuses a bias in other units, with the tolerance of LiteRT."""
    if bias.scale.size and not abs(float(bias.scale[0]) - right) / out_scale <= 0.02:
        raise UnsupportedError(
            f"bias scale {float(bias.scale[0])}; input scale x weight scale, {right}, expected"
        )
