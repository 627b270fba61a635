"""Operators of the array, in files of one operator, against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from tests.support import examples
from tests.tflite.build import Net
from tests.tflite.litert import litert_tensors
from tests.tflite.support import (
    activations,
    check,
    codes,
    kinds,
    paddings,
    seeds,
    small,
    zero_point,
)


def array_scales(rng, dtype, rows, per_channel, outputs):
    """Scales of input, weights and output that use most of the output's codes."""
    in_scale = np.float32(rng.uniform(0.01, 2))
    count = outputs if per_channel else 1
    weight_scale = np.float32(rng.uniform(0.001, 0.1, count))
    reach = in_scale * weight_scale.max() * 127 * 127 * np.sqrt(rows)
    return in_scale, weight_scale, np.float32(reach / 128 * rng.uniform(0.05, 2))


def add_weights(net, rng, dtype, shape, scale, axis, bias, unit):
    """Weights and a bias; per-channel int8 ones are symmetric."""
    zero = zero_point(rng, np.uint8) if dtype == np.uint8 else 0
    net.constant("w", codes(rng, dtype, shape), scale, zero, axis if scale.size > 1 else 0)
    if not bias:
        return ["x", "w"]
    numbers = rng.integers(-(2**12), 2**12, shape[axis]).astype(np.int32)
    net.constant("b", numbers, unit, 0)
    return ["x", "w", "b"]


@examples(40)
@given(
    seeds, kinds, st.booleans(), st.tuples(*[small] * 4), st.tuples(small, small),
    st.sampled_from([1, 2]), paddings, activations,
)  # fmt: skip
def test_convolution(
    folder, seed, dtype, per_channel, sizes, stride, dilation, padding, activation
):
    rng = np.random.default_rng(seed)
    kh, kw, depth, size = sizes
    groups = int(rng.choice([1, 2]))
    per_channel &= dtype == np.int8
    outputs = size * groups
    scale = array_scales(rng, dtype, kh * kw * depth, per_channel, outputs)
    x = codes(rng, dtype, (2, 7, 6, depth * groups))
    height, width = ((n - 1) * dilation + 1 for n in (kh, kw))
    out = [
        -(-full // s) if padding == 0 else -(-(full - reach + 1) // s)
        for full, reach, s in zip((7, 6), (height, width), stride, strict=True)
    ]
    net = Net()
    net.tensor("x", (1, *x.shape[1:]), dtype, scale[0], zero_point(rng, dtype))
    inputs = add_weights(
        net, rng, dtype, (outputs, kh, kw, depth), scale[1], 0, True, scale[0] * scale[1]
    )
    net.tensor("y", (1, *out, outputs), dtype, scale[2], zero_point(rng, dtype))
    net.operator(
        "CONV_2D", inputs, ["y"], "Conv2DOptions", padding=padding, strideH=stride[0],
        strideW=stride[1], dilationHFactor=dilation, dilationWFactor=dilation,
        fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


@examples(30)
@given(
    seeds, kinds, st.booleans(), st.tuples(*[small] * 4), st.tuples(small, small), paddings,
    activations,
)  # fmt: skip
def test_depthwise_convolution(
    folder, seed, dtype, per_channel, sizes, stride, padding, activation
):
    rng = np.random.default_rng(seed)
    kh, kw, depth, multiplier = sizes
    stride = (stride[0],) * 2
    per_channel &= dtype == np.int8
    outputs = depth * multiplier
    scale = array_scales(rng, dtype, kh * kw, per_channel, outputs)
    x = codes(rng, dtype, (1, 6, 5, depth))
    out = [
        -(-full // s) if padding == 0 else -(-(full - reach + 1) // s)
        for full, reach, s in zip((6, 5), (kh, kw), stride, strict=True)
    ]
    net = Net()
    net.tensor("x", x.shape, dtype, scale[0], zero_point(rng, dtype))
    inputs = add_weights(
        net, rng, dtype, (1, kh, kw, outputs), scale[1], 3, True, scale[0] * scale[1]
    )
    net.tensor("y", (1, *out, outputs), dtype, scale[2], zero_point(rng, dtype))
    net.operator(
        "DEPTHWISE_CONV_2D", inputs, ["y"], "DepthwiseConv2DOptions", padding=padding,
        strideH=stride[0], strideW=stride[1], depthMultiplier=multiplier,
        fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


@examples(30)
@given(
    seeds, kinds, st.booleans(), st.tuples(small, small), st.tuples(small, small), paddings,
    activations, st.integers(0, 2),
)  # fmt: skip
def test_transposed_convolution(
    folder, seed, dtype, per_channel, kernel, stride, padding, activation, more
):
    rng = np.random.default_rng(seed)
    per_channel &= dtype == np.int8
    scale = array_scales(rng, dtype, 6, per_channel, 3)
    x = codes(rng, dtype, (1, 3, 4, 2))
    out = [
        n * s if padding == 0 else (n - 1) * s + k + min(more, s - 1)
        for n, s, k in zip((3, 4), stride, kernel, strict=True)
    ]
    net = Net()
    net.tensor("x", x.shape, dtype, scale[0], zero_point(rng, dtype))
    add_weights(net, rng, dtype, (3, *kernel, 2), scale[1], 0, True, scale[0] * scale[1])
    net.constant("size", np.array([1, *out, 3], np.int32))
    net.tensor("y", (1, *out, 3), dtype, scale[2], zero_point(rng, dtype))
    net.operator(
        "TRANSPOSE_CONV", ["size", "w", "x", "b"], ["y"], "TransposeConvOptions", padding=padding,
        strideH=stride[0], strideW=stride[1], fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


def test_float_transposed_convolution(folder):
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 4, 4, 2), np.float32)
    net.constant("size", np.array([1, 8, 8, 3], np.int32))
    net.constant("w", rng.normal(size=(3, 3, 3, 2)).astype(np.float32))
    net.tensor("y", (1, 8, 8, 3), np.float32)
    net.operator(
        "TRANSPOSE_CONV", ["size", "w", "x"], ["y"], "TransposeConvOptions", strideH=2, strideW=2
    )
    check(folder, net, rng.normal(size=(2, 4, 4, 2)).astype(np.float32), exact=False)


@examples(40)
@given(seeds, kinds, st.booleans(), st.booleans(), activations, st.integers(1, 40), st.booleans())
def test_fully_connected(folder, seed, dtype, per_channel, bias, activation, rows, image):
    rng = np.random.default_rng(seed)
    per_channel &= dtype == np.int8
    scale = array_scales(rng, dtype, rows, per_channel, 5)
    shape = (2, rows) if not image else (2, 1, 1, rows)
    x = codes(rng, dtype, shape)
    net = Net()
    net.tensor("x", (1, *shape[1:]), dtype, scale[0], zero_point(rng, dtype))
    inputs = add_weights(net, rng, dtype, (5, rows), scale[1], 0, bias, scale[0] * scale[1])
    net.tensor("y", (1, 5), dtype, scale[2], zero_point(rng, dtype))
    net.operator(
        "FULLY_CONNECTED", inputs, ["y"], "FullyConnectedOptions",
        fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED"])
def test_weights_of_four_bits(folder, kind):
    rng = np.random.default_rng(4)
    shape = (3, 3, 1, 3) if kind == "CONV_2D" else (3, 9)
    weights = rng.integers(-8, 8, shape)
    x = codes(rng, np.int8, (1, 5, 4, 3) if kind == "CONV_2D" else (1, 9))
    net = Net()
    net.tensor("x", x.shape, np.int8, 0.5, 3)
    net.packed("w", weights, [0.1, 0.2, 0.3])
    net.tensor("y", (1, 3, 4, 3) if kind == "CONV_2D" else (1, 3), np.int8, 1.5, -4)
    table = "Conv2DOptions" if kind == "CONV_2D" else "FullyConnectedOptions"
    settings = {"padding": 1, "strideH": 1, "strideW": 1} if kind == "CONV_2D" else {}
    net.constant("b", np.array([5, -500, 0], np.int32), [0.05, 0.1, 0.15])
    net.operator(kind, ["x", "w", "b"], ["y"], table, **settings)
    check(folder, net, x)


def test_convolution_of_a_dequantised_constant(folder):
    """Weights that are stored in half precision."""
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 5, 5, 2), np.float32)
    net.constant("half", rng.normal(size=(3, 3, 3, 2)).astype(np.float16))
    net.tensor("w", (3, 3, 3, 2), np.float32)
    net.constant("b", rng.normal(size=3).astype(np.float32))
    net.tensor("y", (1, 3, 3, 3), np.float32)
    net.operator("DEQUANTIZE", ["half"], ["w"], "DequantizeOptions")
    net.operator(
        "CONV_2D", ["x", "w", "b"], ["y"], "Conv2DOptions", padding=0, strideH=2, strideW=2,
        fusedActivationFunction=3,
    )  # fmt: skip
    check(folder, net, rng.normal(size=(2, 5, 5, 2)).astype(np.float32), exact=False)


@pytest.mark.parametrize("chip", ["mram-pim-digital", "mram-pim-lossless"])
@pytest.mark.parametrize(("seed", "dtype"), [(0, np.int8), (1, np.uint8)])
def test_a_small_network_on_chips(folder, seed, dtype, chip):
    """What runs on the chip's array is what the definition says, whatever the zero points."""
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 6, 6, 3), dtype, 0.5, zero_point(rng, dtype))
    inputs = add_weights(net, rng, dtype, (4, 3, 3, 3), np.array([0.02]), 0, True, 0.01)
    zero = zero_point(rng, dtype)
    net.tensor("c", (1, 6, 6, 4), dtype, 1.5, zero)
    net.tensor("f", (1, 144), dtype, 1.5, zero)
    weight_zero = zero_point(rng, np.uint8) if dtype == np.uint8 else 0
    net.constant("w2", codes(rng, dtype, (3, 144)), 0.02, weight_zero)
    net.tensor("y", (1, 3), dtype, 20.0, zero_point(rng, dtype))
    net.operator("CONV_2D", inputs, ["c"], "Conv2DOptions", padding=0, strideH=1, strideW=1)
    net.operator("RESHAPE", ["c"], ["f"], "ReshapeOptions", newShape=[1, 144])
    net.operator("FULLY_CONNECTED", ["f", "w2"], ["y"], "FullyConnectedOptions")
    path = net.save(folder / "chip.tflite", ["x"], ["y"])
    x = codes(rng, dtype, (3, 6, 6, 3))
    right = litert_tensors(path, x)
    model = pj.load_model(path)
    images = model.graph.inputs[0].tensor.values_of(x)
    program = pj.compile(model, pj.load_chip(chip))
    outputs, layers = pj.run(program, images, trace=True)
    for layer in ("c", "f", "y"):
        assert layers[layer].codes.dtype == dtype
        assert (layers[layer].codes == right[layer]).all()
    assert (outputs == model.graph.tensor("y").values_of(right["y"])).all()
