"""Files that are none, or damaged, or hold what is not supported: one sentence each."""

import re

import numpy as np
import pytest

import pimjax as pj
from pimjax.frontend.model import Model, ModelError
from tests.tflite.build import Net


def everything(folder):
    """A file with an operator of each kind, small enough to damage byte by byte."""
    rng = np.random.default_rng(0)
    net = Net()
    image, same = (1, 6, 6, 2), (0.25, 3)

    def constant(*values):
        return net.constant(f"k{len(net.tensors)}", np.array(values, np.int32))

    def made(shape, dtype=np.int8, meaning=same):
        return net.tensor(f"t{len(net.tensors)}", shape, dtype, *meaning)

    def step(kind, inputs, shape, table=None, **settings):
        out = made(shape, **settings.pop("as_", {}))
        net.operator(kind, inputs, [out], table, **settings)
        return out

    x = net.tensor("x", image, np.float32)
    last = step("QUANTIZE", [x], image)
    weights = net.constant("w", rng.integers(-9, 9, (4, 3, 3, 2)).astype(np.int8), [0.1] * 4)
    bias = net.constant("b", np.zeros(4, np.int32), 0.025)
    window = {"padding": 0, "strideH": 1, "strideW": 1}
    last = step("CONV_2D", [last, weights, bias], (1, 6, 6, 4), "Conv2DOptions", **window)
    depth = net.constant("d", rng.integers(-9, 9, (1, 3, 3, 4)).astype(np.int8), [0.1] * 4, axis=3)
    last = step(
        *("DEPTHWISE_CONV_2D", [last, depth, bias], (1, 6, 6, 4), "DepthwiseConv2DOptions"),
        depthMultiplier=1, **window,
    )  # fmt: skip
    other = step("LEAKY_RELU", [last], (1, 6, 6, 4), "LeakyReluOptions", alpha=0.1)
    last = step("ADD", [last, other], (1, 6, 6, 4), "AddOptions", fusedActivationFunction=1)
    last = step("MUL", [last, other], (1, 6, 6, 4), "MulOptions")
    alpha = net.constant("a", np.array([[[1, -2, 3, 4]]], np.int8), 0.1)
    last = step("PRELU", [last, alpha], (1, 6, 6, 4))
    last = step("SPACE_TO_DEPTH", [last], (1, 3, 3, 16), "SpaceToDepthOptions", blockSize=2)
    last = step("DEPTH_TO_SPACE", [last], (1, 6, 6, 4), "DepthToSpaceOptions", blockSize=2)
    up = net.constant("u", rng.integers(-9, 9, (4, 2, 2, 4)).astype(np.int8), [0.1] * 4)
    last = step(
        "TRANSPOSE_CONV", [constant(1, 12, 12, 4), up, last], (1, 12, 12, 4),
        "TransposeConvOptions", padding=0, strideH=2, strideW=2,
    )  # fmt: skip
    last = step("SPLIT", [constant(1), last], (1, 12, 12, 4), "SplitOptions", numSplits=1)
    last = step("STRIDED_SLICE", [
        last, constant(0, 0, 0, 0), constant(1, 12, 12, 4), constant(1, 2, 2, 1)
    ], (1, 6, 6, 4), "StridedSliceOptions")  # fmt: skip
    pool = {"padding": 0, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    last = step("AVERAGE_POOL_2D", [last], (1, 3, 3, 4), "Pool2DOptions", **pool)
    last = step(
        "RESIZE_NEAREST_NEIGHBOR", [last, constant(5, 4)], (1, 5, 4, 4),
        "ResizeNearestNeighborOptions",
    )  # fmt: skip
    last = step("PAD", [last, constant([0, 0], [1, 0], [0, 2], [0, 0])], (1, 6, 6, 4), "PadOptions")
    last = step("MAX_POOL_2D", [last], (1, 3, 3, 4), "Pool2DOptions", **pool)
    last = step("TRANSPOSE", [last, constant(0, 3, 1, 2)], (1, 4, 3, 3), "TransposeOptions")
    last = step(
        "STRIDED_SLICE",
        [last, constant(0, 0, 0, 0), constant(1, 4, 3, 3), constant(1, 2, 1, 1)],
        (1, 2, 3, 3), "StridedSliceOptions",
    )  # fmt: skip
    last = step("CONCATENATION", [last, last], (1, 4, 3, 3), "ConcatenationOptions", axis=1)
    last = step("MEAN", [last, constant(2, 3)], (1, 4), "ReducerOptions", keepDims=False)
    last = step("RESHAPE", [last], (1, 4), "ReshapeOptions", newShape=[1, 4])
    dense = net.constant("f", rng.integers(-9, 9, (5, 4)).astype(np.int8), 0.1)
    last = step("FULLY_CONNECTED", [last, dense], (1, 5), "FullyConnectedOptions")
    last = step(
        "SOFTMAX", [last], (1, 5), "SoftmaxOptions", beta=1.0, as_={"meaning": (1 / 256, -128)}
    )
    last = step("DEQUANTIZE", [last], (1, 5), as_={"dtype": np.float32, "meaning": ()})
    return net.save(folder / "everything.tflite", ["x"], [last])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = everything(tmp_path_factory.mktemp("tflite"))
    assert len(pj.load_model(path).graph.layers) >= 24
    return path


def outcome(path) -> str:
    """The error in one line, or nothing; anything but a ModelError fails the test."""
    try:
        assert isinstance(pj.load_model(path), Model)
    except ModelError as error:
        text = str(error)
        assert text.startswith(f"{path}: ")
        assert "\n" not in text
        return text
    return ""


def test_every_truncation(sound, tmp_path):
    data, path = sound.read_bytes(), tmp_path / "cut.tflite"
    errors = 0
    for length in [*range(0, 64, 3), *range(64, len(data), len(data) // 60)]:
        path.write_bytes(data[:length])
        errors += bool(outcome(path))
    assert errors > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(sound, tmp_path, seed):
    """Whatever is read instead, the answer comes soon and is a model or a sentence."""
    rng = np.random.default_rng(seed)
    data, path = np.frombuffer(sound.read_bytes(), np.uint8), tmp_path / "bad.tflite"
    errors = 0
    for _ in range(60):
        bad = data.copy()
        where = rng.integers(8, data.size, rng.choice([1, 2, 8]))
        bad[where] = rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))], where.size)
        path.write_bytes(bad.tobytes())
        errors += bool(outcome(path))
    assert errors > 5


@pytest.mark.slow
def test_lengths_that_claim_too_much(sound, tmp_path):
    """Vectors of 2^31 elements cost neither memory nor time, or this test would not end."""
    data, path = bytearray(sound.read_bytes()), tmp_path / "long.tflite"
    for where in range(8, len(data) - 4, max(4, len(data) // 100 // 4 * 4)):
        bad = data[:where] + b"\xff\xff\xff\x7f" + data[where + 4 :]
        path.write_bytes(bad)
        outcome(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a TensorFlow Lite model"),
        (b"just some text, no model at all\n" * 9, "not a TensorFlow Lite model"),
        (b"\x00" * 999, "not a TensorFlow Lite model"),
        (b"\x10\x00\x00\x00TFL3", "truncated or damaged"),
        (b"\xff\xff\xff\xffTFL3" + b"\xff" * 99, "truncated or damaged"),
    ],
)
def test_what_is_no_model(tmp_path, data, words):
    path = tmp_path / "no.tflite"
    path.write_bytes(data)
    assert words in outcome(path)


def two_layers(tmp_path, **changes):
    """A file of two operators, changed at one place."""
    net = Net()
    net.tensor("x", changes.get("x", (1, 4, 4, 2)), *changes.get("x_type", (np.int8, 0.5, 1)))
    net.tensors[0].shapeSignature = changes.get("signature")
    w = changes.get("w", np.ones((3, 1, 1, 2), np.int8))
    net.constant("w", w, *changes.get("w_meaning", ([0.1, 0.1, 0.1], 0)))
    net.constant("b", np.zeros(3, changes.get("bias", np.int32)), changes.get("b_scale", 0.05))
    net.tensor("y", changes.get("y", (1, 4, 4, 3)), *changes.get("y_type", (np.int8, 0.5, 0)))
    net.tensor("z", changes.get("y", (1, 4, 4, 3)), *changes.get("y_type", (np.int8, 0.5, 0)))
    settings = {"padding": 0, "strideH": 1, "strideW": 1} | changes.get("settings", {})
    net.operator("CONV_2D", ["x", "w", "b"], ["y"], changes.get("table", "Conv2DOptions"), **(
        settings if "table" not in changes else {}
    ))  # fmt: skip
    net.operator(changes.get("second", "RELU"), ["y"], ["z"])
    return net.save(tmp_path / "net.tflite", ["x"], ["z"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_type": (np.int16, 0.5, 0)}, "'x' is INT16; UINT8, INT8 or FLOAT32 is supported"),
        ({"x_type": (np.float32,), "y_type": (np.float32,)}, "dynamic range quantisation"),
        ({"x_type": (np.uint8, 0.5, 9)}, "INT8 weights with a UINT8 input"),
        ({"x_type": (np.int8, [0.5, 0.5], 0)}, "has 2 scales; one is supported"),
        ({"signature": [-1, -1, -1, 2]}, "is open in more than the batch"),
        ({"w": np.ones((3, 1, 1, 3), np.int8)}, r"weights of size \(3, 1, 1, 3\) for 2 input"),
        ({"w_meaning": ([0.1, 0.1], 0)}, "2 weight scales along axis 0"),
        ({"w_meaning": ([0.1, 0.1, 0.1], 5)}, "zero points of int8 weights other than 0"),
        ({"bias": np.float32}, "a bias of type FLOAT32"),
        ({"y": (1, 4, 3, 3)}, r"\(4, 3, 3\) in the file, and \(4, 4, 3\) by its inputs"),
        ({"settings": {"fusedActivationFunction": 4}}, "fused TANH"),
        ({"settings": {"strideH": 0}}, "stride"),
        ({"table": "AddOptions"}, "its settings are missing"),
        ({"second": "COS"}, "operator 1 COS .makes 'z'.: this operator is not supported"),
        ({"w_meaning": ([0.1, 0.0, 0.1], 0)}, "a scale of 0.0 is not a positive number"),
        ({"w_meaning": ([0.1, np.nan, 0.1], 0)}, "a scale of nan is not a positive number"),
    ],
)
def test_what_is_not_supported(tmp_path, changes, words):
    assert re.search(words, outcome(two_layers(tmp_path, **changes)))


def test_weights_that_are_not_finite(tmp_path):
    w = np.array([1, np.nan, 2] * 2, np.float32).reshape(3, 1, 1, 2)
    real = {"x_type": (np.float32,), "y_type": (np.float32,), "bias": np.float32}
    path = two_layers(tmp_path, w=w, w_meaning=(), **real)
    assert "'w': its constants are not all finite numbers" in outcome(path)


def test_all_problems_are_listed_at_once(tmp_path):
    net = Net()
    for name in "xabc":
        net.tensor(name, (1, 8), np.int8, 0.5, 1)
    net.operator("COS", ["x"], ["a"])
    net.operator("RELU", ["a"], ["b"])
    net.operator("GELU", ["b"], ["c"])
    text = outcome(net.save(tmp_path / "net.tflite", ["x"], ["c"]))
    assert "2 of its 3 operators cannot be imported" in text
    assert "operator 0 COS (makes 'a')" in text
    assert "operator 2 GELU (makes 'c')" in text
    assert "Supported: ADD, AVERAGE_POOL_2D, " in text


def test_names_of_tensors_and_nodes(tmp_path):
    """Equal names are told apart; a helper gets no name that is taken."""
    net = Net()
    net.tensor("x", (1, 4, 4, 2), np.float32)
    net.tensor("y/linear", (1, 4, 4, 2), np.float32)
    net.tensor("y", (1, 4, 4, 2), np.float32)
    net.tensor("y", (1, 4, 4, 2), np.float32)
    net.names = ["x", "y/linear", "y", "second"]
    net.operator("RELU", ["x"], ["y/linear"])
    net.operator("ADD", ["x", "y/linear"], ["y"], "AddOptions", fusedActivationFunction=3)
    net.operator("RELU", ["y"], ["second"])
    model = pj.load_model(net.save(tmp_path / "net.tflite", ["x"], ["second"]))
    layers = model.graph.layers
    assert [layer.name for layer in layers] == ["y/linear", "y/linear_", "y", "y:3"]
    assert [layer.origin for layer in layers] == [
        ("0 RELU",), ("1 ADD",), ("1 ADD",), ("2 RELU",)
    ]  # fmt: skip


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    path = two_layers(tmp_path)
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(ImportError, match=r"pip install 'pimjax\[import\]'"):
        pj.load_model(path)
