"""Every operator, in files of one operator, against LiteRT's reference kernels, code by code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from tests.support import examples
from tests.tflite.build import Net
from tests.tflite.evaluate import evaluate
from tests.tflite.litert import litert_tensors

kinds = st.sampled_from([np.int8, np.uint8])
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(2.0**-9, 2.0, width=32)
activations = st.sampled_from([0, 1, 2, 3])
paddings = st.sampled_from([0, 1])
small = st.integers(1, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tflite")


def codes(rng, dtype, shape) -> np.ndarray:
    """Random codes with the ends among them."""
    info = np.iinfo(dtype)
    made = rng.integers(info.min, info.max + 1, shape)
    flat = made.reshape(-1)
    flat[:2] = [info.min, info.max][: flat.size]
    return made.astype(dtype)


def zero_point(rng, dtype) -> int:
    info = np.iinfo(dtype)
    return int(rng.choice([info.min, info.max, 0, *rng.integers(info.min, info.max + 1, 3)]))


def check(folder, net, inputs, outputs=("y",), exact=True) -> None:
    """Every tensor that the library makes is LiteRT's, in value, type and shape."""
    path = net.save(folder / "net.tflite", ["x"], list(outputs))
    right = litert_tensors(path, inputs)
    model = pj.load_model(path)
    assert model.graph.outputs == tuple(outputs)
    found = evaluate(model, inputs)
    for name in outputs:
        assert found[name].dtype == right[name].dtype
        assert found[name].shape == right[name].shape
        if exact:
            wrong = np.argwhere(found[name] != right[name])
            assert not len(wrong), (
                wrong[0],
                found[name][tuple(wrong[0])],
                right[name][tuple(wrong[0])],
            )
        else:
            np.testing.assert_allclose(found[name], right[name], rtol=1e-5, atol=1e-5)


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


def every_pair(dtype) -> np.ndarray:
    """(1, 256, 256, 2): all pairs of codes."""
    info = np.iinfo(dtype)
    line = np.arange(info.min, info.max + 1)
    return np.stack(np.meshgrid(line, line), axis=-1).astype(dtype)[None]


@examples(20)
@given(st.sampled_from(["ADD", "SUB", "MUL"]), seeds, kinds, scales, scales, activations)
def test_arithmetic_of_all_pairs(folder, kind, seed, dtype, a_scale, b_scale, activation):
    rng = np.random.default_rng(seed)
    largest = a_scale * b_scale * 128 if kind == "MUL" else a_scale + b_scale
    zeros = [zero_point(rng, dtype) for _ in range(3)]
    net = Net()
    net.tensor("x", (1, 256, 256, 1), dtype, a_scale, zeros[0])
    net.constant("c", codes(rng, dtype, (1, 1, 256, 1)), b_scale, zeros[1])
    net.tensor("y", (1, 256, 256, 1), dtype, largest * rng.uniform(0.2, 1.5), zeros[2])
    order = ["x", "c"] if rng.random() < 0.5 else ["c", "x"]
    net.operator(
        kind, order, ["y"], f"{kind.capitalize()}Options", fusedActivationFunction=activation
    )
    check(folder, net, every_pair(dtype)[..., :1])


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("other", [(1, 4, 3, 2), (1, 1, 1, 2), (1, 4, 3, 1)])
def test_arithmetic_of_two_tensors(folder, kind, other):
    rng = np.random.default_rng(1)
    net = Net()
    net.tensor("x", (1, 4, 3, 2), np.int8, 0.1, 5)
    net.tensor("z", other, np.int8, 0.1, 5)
    net.tensor("y", (1, 4, 3, 2), np.int8, 0.3, -7)
    begin = net.constant("begin", np.zeros(4, np.int32))
    size = net.constant("size", np.array(other, np.int32))
    net.operator("SLICE", ["x", begin, size], ["z"], "SliceOptions")
    net.operator(kind, ["x", "z"], ["y"], f"{kind.capitalize()}Options")
    check(folder, net, codes(rng, np.int8, (2, 4, 3, 2)), ("y", "z"))


def every_code(dtype) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1).astype(dtype).reshape(1, 16, 16, 1)


@examples(50)
@given(
    st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "HARD_SWISH"]),
    seeds, kinds, scales, scales,
)  # fmt: skip
def test_activations(folder, kind, seed, dtype, in_scale, out_scale):
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), dtype, in_scale, zero_point(rng, dtype))
    # The kernel of HARD_SWISH refuses an output scale that is far below the input's.
    out_scale = max(out_scale, in_scale / 64) if kind == "HARD_SWISH" else out_scale
    net.tensor("y", (1, 16, 16, 1), dtype, out_scale, zero_point(rng, dtype))
    if kind == "LEAKY_RELU":
        net.operator(kind, ["x"], ["y"], "LeakyReluOptions", alpha=rng.uniform(0.001, 1.5))
    else:
        net.operator(kind, ["x"], ["y"])
    check(folder, net, every_code(dtype))


@examples(50)
@given(st.sampled_from(["LOGISTIC", "TANH"]), seeds, kinds, scales)
def test_functions(folder, kind, seed, dtype, in_scale):
    rng = np.random.default_rng(seed)
    low = int(np.iinfo(dtype).min)
    out = (1 / 256, low) if kind == "LOGISTIC" else (1 / 128, low + 128)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), dtype, in_scale, zero_point(rng, dtype))
    net.tensor("y", (1, 16, 16, 1), dtype, *out)
    net.operator(kind, ["x"], ["y"])
    check(folder, net, every_code(dtype))


@examples(40)
@given(seeds, kinds, kinds, scales, scales, st.booleans())
def test_quantize_between_types(folder, seed, before, after, in_scale, out_scale, equal):
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), before, in_scale, zero_point(rng, before))
    net.tensor("y", (1, 16, 16, 1), after, in_scale if equal else out_scale, zero_point(rng, after))
    net.operator("QUANTIZE", ["x"], ["y"])
    check(folder, net, every_code(before))


@examples(12)
@given(seeds, kinds, scales)
def test_quantize_and_dequantize_real_numbers(folder, seed, dtype, scale):
    """Ties go away from zero."""
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 9, 20), np.float32)
    net.tensor("q", (1, 9, 20), dtype, scale, zero_point(rng, dtype))
    net.tensor("y", (1, 9, 20), np.float32)
    net.operator("QUANTIZE", ["x"], ["q"])
    net.operator("DEQUANTIZE", ["q"], ["y"])
    x = rng.normal(0, 100 * scale, (1, 9, 20)).astype(np.float32)
    x[0, 0] = (np.arange(20) - 9.5) * np.float32(scale)
    x[0, 1] = np.nextafter(x[0, 0], np.float32(0))
    check(folder, net, x, ("y", "q"))


@examples(16)
@given(
    seeds, kinds, st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"]), st.tuples(small, small),
    st.tuples(small, small), paddings, activations,
)  # fmt: skip
def test_pooling(folder, seed, dtype, kind, window, stride, padding, activation):
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (2, 6, 5, 2))
    out = [
        -(-full // s) if padding == 0 else -(-(full - reach + 1) // s)
        for full, reach, s in zip((6, 5), window, stride, strict=True)
    ]
    scale, zero = rng.uniform(0.01, 0.2), zero_point(rng, dtype)
    net = Net()
    net.tensor("x", (1, 6, 5, 2), dtype, scale, zero)
    net.tensor("y", (1, *out, 2), dtype, scale, zero)
    net.operator(
        kind, ["x"], ["y"], "Pool2DOptions", padding=padding, strideH=stride[0], strideW=stride[1],
        filterHeight=window[0], filterWidth=window[1], fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


@examples(14)
@given(
    seeds, kinds, scales, st.sampled_from([(1, 2), (2,), (-3, -2), (3,), (1, 2, 3)]), st.booleans()
)
def test_mean(folder, seed, dtype, in_scale, axes, keep):
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (2, 7, 5, 3))
    reduced = {axis % 4 for axis in axes}
    shape = [
        1 if i in reduced else n for i, n in enumerate((1, 7, 5, 3)) if keep or i not in reduced
    ]
    net = Net()
    net.tensor("x", (1, 7, 5, 3), dtype, in_scale, zero_point(rng, dtype))
    net.constant("axes", np.array(axes, np.int32))
    net.tensor("y", shape, dtype, in_scale * rng.uniform(0.1, 1.5), zero_point(rng, dtype))
    net.operator("MEAN", ["x", "axes"], ["y"], "ReducerOptions", keepDims=keep)
    check(folder, net, x)


@examples(16)
@given(seeds, kinds, st.floats(2.0**-12, 4.0, width=32), st.sampled_from([2, 300]))
def test_softmax(folder, seed, dtype, scale, depth):
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (4, depth))
    x[1] = x[1, 0]
    x[2] = np.clip(rng.normal(x[2, 0], 4, depth), np.iinfo(dtype).min, np.iinfo(dtype).max)
    beta = np.float32(rng.choice([1.0, 0.7]))
    net = Net()
    net.tensor("x", (1, depth), dtype, scale, zero_point(rng, dtype))
    net.tensor("y", (1, depth), dtype, 1 / 256, int(np.iinfo(dtype).min))
    net.operator("SOFTMAX", ["x"], ["y"], "SoftmaxOptions", beta=beta)
    check(folder, net, x)


@examples(10)
@given(seeds, st.booleans())
def test_concatenation_of_uint8_rescales(folder, seed, equal):
    rng = np.random.default_rng(seed)
    scale, zero = rng.uniform(0.01, 0.5, 3), [zero_point(rng, np.uint8) for _ in range(3)]
    if equal:
        scale[1], zero[1] = scale[0], zero[0]
    net = Net()
    net.tensor("x", (1, 4, 8, 8), np.uint8, scale[0], zero[0])
    net.tensor("z", (1, 4, 8, 8), np.uint8, scale[1], zero[1])
    net.tensor("y", (1, 4, 16, 8), np.uint8, scale[2] if not equal else scale[0], zero[2])
    net.operator("QUANTIZE", ["x"], ["z"])
    net.operator("CONCATENATION", ["x", "z"], ["y"], "ConcatenationOptions", axis=2)
    check(folder, net, every_code(np.uint8).reshape(1, 4, 8, 8), ("y", "z"))


def moves():
    """(operator, constants after x, settings, shape of the result) on x (1, 4, 6, 8)."""
    i = np.int32
    return [
        ("RESHAPE", [np.array([1, 24, 8], i)], ("ReshapeOptions", {}), (1, 24, 8)),
        ("EXPAND_DIMS", [np.array(1, i)], ("ExpandDimsOptions", {}), (1, 1, 4, 6, 8)),
        ("TRANSPOSE", [np.array([0, 3, 1, 2], i)], ("TransposeOptions", {}), (1, 8, 4, 6)),
        ("PAD", [np.array([[0, 0], [1, 2], [0, 3], [0, 0]], i)], ("PadOptions", {}), (1, 7, 9, 8)),
        (
            "MIRROR_PAD", [np.array([[0, 0], [1, 3], [2, 0], [0, 0]], i)],
            ("MirrorPadOptions", {"mode": 0}), (1, 8, 8, 8),
        ),
        (
            "MIRROR_PAD", [np.array([[0, 0], [4, 3], [2, 0], [0, 0]], i)],
            ("MirrorPadOptions", {"mode": 1}), (1, 11, 8, 8),
        ),
        (
            "SLICE", [np.array([0, 1, 2, 0], i), np.array([1, 2, -1, 5], i)],
            ("SliceOptions", {}), (1, 2, 4, 5),
        ),
        (
            "STRIDED_SLICE",
            [np.array([0, 1, -3, 0], i), np.array([0, 4, 9, -1], i), np.array([1, 2, 1, 3], i)],
            ("StridedSliceOptions", {"endMask": 1}), (1, 2, 3, 3),
        ),
        (
            "STRIDED_SLICE",
            [np.array([0, 1, -3, 5], i), np.array([1, 4, 9, 8], i), np.array([1, 1, 1, 1], i)],
            ("StridedSliceOptions", {"shrinkAxisMask": 4, "beginMask": 8}), (1, 3, 8),
        ),
        *(
            (
                "RESIZE_NEAREST_NEIGHBOR", [np.array(size, i)],
                ("ResizeNearestNeighborOptions", settings), (1, *size, 8),
            )
            for size in [(8, 12), (3, 7), (1, 1), (9, 13)]
            for settings in [{}, {"alignCorners": True}, {"halfPixelCenters": True}]
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("case", moves(), ids=lambda case: f"{case[0]}-{case[2][1]}-{case[3]}")
def test_moves(folder, dtype, case):
    kind, constants, (table, settings), shape = case
    rng = np.random.default_rng(0)
    meaning = () if dtype == np.float32 else (0.25, 7)
    net = Net()
    net.tensor("x", (1, 4, 6, 8), dtype, *meaning)
    names = [net.constant(f"c{i}", data) for i, data in enumerate(constants)]
    net.tensor("y", shape, dtype, *meaning)
    net.operator(kind, ["x", *names], ["y"], table, **settings)
    check(folder, net, rng.integers(0, 128, (2, 4, 6, 8)).astype(dtype))


def test_squeeze_pad_with_a_value_and_split(folder):
    net = Net()
    net.tensor("x", (1, 4, 1, 6), np.int8, 0.5, 3)
    net.tensor("s", (1, 4, 6), np.int8, 0.5, 3)
    net.tensor("p", (1, 6, 7), np.int8, 0.5, 3)
    net.constant("widths", np.array([[0, 0], [1, 1], [0, 1]], np.int32))
    net.constant("value", np.array([-77], np.int8), 0.5, 3)
    net.constant("axis", np.array(1, np.int32))
    for name in ("a", "b"):
        net.tensor(name, (1, 3, 7), np.int8, 0.5, 3)
    net.operator("SQUEEZE", ["x"], ["s"], "SqueezeOptions", squeezeDims=[2])
    net.operator("PADV2", ["s", "widths", "value"], ["p"], "PadV2Options")
    net.operator("SPLIT", ["axis", "p"], ["a", "b"], "SplitOptions", numSplits=2)
    check(folder, net, codes(np.random.default_rng(0), np.int8, (2, 4, 1, 6)), ("a", "b", "p"))


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


FLOAT_UNARY = ["RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH"]


@pytest.mark.parametrize("kind", FLOAT_UNARY)
def test_float_activations(folder, kind):
    net = Net()
    net.tensor("x", (1, 50), np.float32)
    net.tensor("y", (1, 50), np.float32)
    net.operator(kind, ["x"], ["y"])
    check(folder, net, np.linspace(-9, 9, 100, dtype=np.float32).reshape(2, 50), exact=False)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_float_arithmetic(folder, kind):
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 4, 5), np.float32)
    net.constant("c", rng.normal(size=5).astype(np.float32))
    net.tensor("z", (1, 4, 5), np.float32)
    net.tensor("m", (1, 4), np.float32)
    net.constant("axis", np.array([2], np.int32))
    net.tensor("y", (1, 4), np.float32)
    net.operator(kind, ["c", "x"], ["z"], f"{kind.capitalize()}Options", fusedActivationFunction=1)
    net.operator("MEAN", ["z", "axis"], ["m"], "ReducerOptions")
    net.operator("SOFTMAX", ["m"], ["y"], "SoftmaxOptions", beta=1.0)
    check(folder, net, rng.normal(size=(3, 4, 5)).astype(np.float32), ("y", "z", "m"), exact=False)


@examples(3)
@given(seeds, kinds)
def test_a_small_network_on_chips(folder, seed, dtype):
    """What runs on the chip's array is what the definition says, whatever the zero points."""
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 6, 6, 3), dtype, 0.5, zero_point(rng, dtype))
    inputs = add_weights(net, rng, dtype, (4, 3, 3, 3), np.array([0.02]), 0, True, 0.01)
    net.tensor("c", (1, 6, 6, 4), dtype, 1.5, zero_point(rng, dtype))
    net.tensor("f", (1, 144), dtype, 1.5, net.tensors[-1].quantization.zeroPoint[0])
    zero = zero_point(rng, np.uint8) if dtype == np.uint8 else 0
    net.constant("w2", codes(rng, dtype, (3, 144)), 0.02, zero)
    net.tensor("y", (1, 3), dtype, 20.0, zero_point(rng, dtype))
    net.operator("CONV_2D", inputs, ["c"], "Conv2DOptions", padding=0, strideH=1, strideW=1)
    net.operator("RESHAPE", ["c"], ["f"], "ReshapeOptions", newShape=[1, 144])
    net.operator("FULLY_CONNECTED", ["f", "w2"], ["y"], "FullyConnectedOptions")
    path = net.save(folder / "chip.tflite", ["x"], ["y"])
    x = codes(rng, dtype, (3, 6, 6, 3))
    right = litert_tensors(path, x)
    model = pj.load_model(path)
    images = model.graph.inputs[0].tensor.values_of(x)
    for name in ("mram-pim-digital", "mram-pim-lossless"):
        program = pj.compile(model, pj.load_chip(name))
        outputs, layers = pj.run(program, images, trace=True)
        for layer in ("c", "f", "y"):
            assert (layers[layer].codes == right[layer]).all()
        assert (pj.run(program, images, codes=True) == right["y"]).all()
        assert (outputs == model.graph.tensor("y").values_of(right["y"])).all()


def test_sum(folder):
    """Of uint8 alone: LiteRT's reference kernel reads int8 tensors as uint8."""
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 7, 5, 3), np.uint8, 0.5, 30)
    net.constant("axes", np.array([1, 2], np.int32))
    net.tensor("y", (1, 3), np.uint8, 7.3, 90)
    net.operator("SUM", ["x", "axes"], ["y"], "ReducerOptions")
    check(folder, net, codes(rng, np.uint8, (2, 7, 5, 3)))
