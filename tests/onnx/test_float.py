"""Float files as exporters write them: real networks, layouts, names, free batch."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from skimage.io import imread

from pimjax.frontend.model import ModelError
from pimjax.frontend.onnx import load_onnx
from pimjax.network.ops import (
    Affine,
    Binary,
    FloatConv,
    FloatDense,
    Pad,
    Reshape,
    Slice,
    Spread,
    Transpose,
    Unary,
)
from tests.data import data_path
from tests.onnx.support import assert_equal_to_runtime, graph, images, imported, last, node, runtime

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def cifar(count: int) -> np.ndarray:
    with np.load(data_path("cifar10/cifar10_part.npz")) as data:
        pixels = data["x_test"][:count] / 255
    return np.moveaxis((pixels - MEAN) / DEVIATION, -1, 1).astype(np.float32)


def photographs(count: int) -> np.ndarray:
    paths = sorted(data_path("imagenet224").glob("*.jpg"))[:count]
    pixels = np.stack([imread(path) for path in paths])
    return np.moveaxis((pixels.astype(np.float32) - 127) / 128, -1, 1)


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("resnet20_cifar10", cifar),
        ("resnet56_cifar10", cifar),
        pytest.param("efficientnet_lite0", photographs, marks=pytest.mark.slow),
    ],
)
def test_networks_with_unfolded_shapes(name, pictures):
    """At batch 1 and 3: logits within 1e-4 of the largest."""
    path = data_path(f"models/{name}.onnx")
    model = load_onnx(path)
    for batch in (1, 3):
        x = pictures(batch)
        want = runtime(str(path), x)[0]
        got = np.asarray(model(last(x))[0])
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())


def test_layers_of_a_resnet():
    """Shape arithmetic is folded away; layers carry the file's tensor and node names."""
    model = load_onnx(data_path("models/resnet20_cifar10.onnx"))
    graph = model.graph
    assert [(item.name, item.shape) for item in graph.inputs] == [("image", (32, 32, 3))]
    assert graph.outputs == ("logits",)
    kinds = [type(layer.op) for layer in graph.layers]
    assert kinds.count(FloatConv) == kinds.count(Affine) == 19
    assert kinds.count(Slice) == 4
    assert kinds.count(Pad) == 2
    assert kinds.count(Binary) == 9
    assert Transpose not in kinds
    first = graph.layers[0]
    assert (first.name, first.origin) == ("/conv1/Conv_output_0", ("/conv1/Conv",))
    assert first.inputs == ("image",)
    assert set(model.params) == {
        layer.name for layer in graph.layers if type(layer.op) in (FloatConv, FloatDense, Affine)
    }
    assert not model.is_quantized


def test_onnx_is_imported_only_where_a_file_is_read():
    code = "import sys, pimjax, pimjax.frontend.onnx; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_batch_norm_scale_and_shift_are_affine():
    c = np.array([1, 2, 3], np.float32)
    stored = {"s": c, "b": -c, "m": c / 2, "v": c, "k": c.reshape(3, 1, 1), "one": np.float32(1)}
    nodes = [
        node("BatchNormalization", ["x", "s", "b", "m", "v"], ["a"], epsilon=1e-3),
        node("Mul", ["a", "k"], ["d"]),
        node("Sub", ["one", "d"], ["e"]),
        node("Div", ["e", "k"], ["f"]),
        node("Add", ["f", "k"]),
    ]
    model = assert_equal_to_runtime(
        graph(nodes, {"x": ["n", 3, 4, 4]}, stored=stored), images(2, 3, 4, 4)
    )
    assert [type(layer.op) for layer in model.graph.layers] == [Affine] * 5


def test_relu_by_its_limits():
    stored = {"zero": np.float32(0), "six": np.float32(6), "huge": np.float32(3.4028235e38)}
    nodes = [node("Clip", ["x", "zero", "six"], ["a"]), node("Clip", ["a", "zero", "huge"])]
    model = assert_equal_to_runtime(graph(nodes, {"x": ["n", 4]}, stored=stored), images(2, 4))
    assert [layer.op for layer in model.graph.layers] == [Unary("clip", (0, 6)), Unary("relu")]


def test_transposed_convolution_is_a_convolution_of_spread_pixels():
    stored = {"w": images(4, 3, 3, 3)}
    made = node("ConvTranspose", ["x", "w"], strides=[2, 2], pads=[1, 1, 1, 1])
    model = assert_equal_to_runtime(
        graph([made], {"x": ["n", 4, 5, 5]}, stored=stored), images(2, 4, 5, 5)
    )
    assert [type(layer.op) for layer in model.graph.layers] == [Spread, FloatConv]
    assert [layer.name for layer in model.graph.layers] == ["y/spread", "y"]


def test_one_dimension_is_an_image_of_height_one():
    """A chain of convolution, batch norm, ReLU and pooling has no move between its layers."""
    c = np.ones(4, np.float32)
    stored = {"w": images(4, 3, 3), "c": c, "u": images(2, 4, 1)}
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1]),
        node("BatchNormalization", ["a", "c", "c", "c", "c"], ["b"]),
        node("Relu", ["b"], ["d"]),
        node("MaxPool", ["d"], ["e"], kernel_shape=[2], strides=[2]),
        node("Conv", ["e", "u"]),
    ]
    model = assert_equal_to_runtime(
        graph(nodes, {"x": ["n", 3, 8]}, stored=stored), images(2, 3, 8)
    )
    names = [layer.name for layer in model.graph.layers]
    assert names[names.index("a") : names.index("y") + 1] == ["a", "b", "d", "e", "y"]
    assert model.graph.inputs[0].shape == (3, 8)


def test_a_file_with_channels_last_stays_so():
    """Transposes at both ends, as converters from TensorFlow write them, move nothing."""
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        node("Conv", ["a", "w"], ["b"]),
        node("Transpose", ["b"], perm=[0, 2, 3, 1]),
    ]
    model = graph(nodes, {"x": ["n", 6, 5, 3]}, stored={"w": images(2, 3, 3, 3)})
    x = images(2, 6, 5, 3)
    ours = imported(model)
    assert ours.graph.inputs[0].shape == (6, 5, 3)
    assert type(ours.graph.layers[0].op) is FloatConv
    assert Transpose not in [type(layer.op) for layer in ours.graph.layers]
    np.testing.assert_allclose(np.asarray(ours(x)[0]), runtime(model, x)[0], atol=1e-5)


def test_flatten_in_the_order_of_the_file():
    """h, w and c all longer than 1: the image is moved to c, h, w first, and only then."""
    stored = {"w": images(5, 24), "v": images(5, 3)}
    flat = [node("Flatten", ["x"], ["a"]), node("Gemm", ["a", "w"], transB=1)]
    model = assert_equal_to_runtime(
        graph(flat, {"x": ["n", 4, 3, 2]}, stored=stored), images(2, 4, 3, 2)
    )
    assert [type(layer.op) for layer in model.graph.layers] == [Transpose, Reshape, FloatDense]
    pooled = [node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["a"])]
    gemm = node("Gemm", ["a", "v"], transB=1)
    model = assert_equal_to_runtime(
        graph([*pooled, gemm], {"x": ["n", 3, 4, 4]}, stored=stored), images(2, 3, 4, 4)
    )
    assert Transpose not in [type(layer.op) for layer in model.graph.layers]


def test_channel_shuffle_of_a_free_batch():
    """The shuffle as PyTorch exports it, with the batch taken from the shape of the image."""
    stored = {
        "zero": np.array(0, np.int64),
        "axis": np.array([0], np.int64),
        "split": np.array([2, 3, 4, 5], np.int64),
        "join": np.array([-1, 4, 5], np.int64),
    }
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["b"]),
        node("Concat", ["b", "split"], ["five"], axis=0),
        node("Concat", ["b", "join"], ["four"], axis=0),
        node("Reshape", ["x", "five"], ["c"]),
        node("Transpose", ["c"], ["d"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["d", "four"]),
    ]
    model = graph(nodes, {"x": ["n", 6, 4, 5]}, stored=stored)
    for batch in (1, 3):
        assert_equal_to_runtime(model, images(batch, 6, 4, 5))


def test_squeeze_and_excitation():
    """A branch that goes through (b, c) and back scales every channel."""
    stored = {
        "w": images(2, 4),
        "v": images(4, 2),
        "shape": np.array([-1, 4, 1, 1], np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        node("ReduceMean", ["x"], ["a"], axes=[2, 3], keepdims=0),
        node("Gemm", ["a", "w"], ["b"], transB=1),
        node("HardSigmoid", ["b"], ["c"]),
        node("Gemm", ["c", "v"], ["d"], transB=1, alpha=0.5),
        node("Reshape", ["d", "shape"], ["e"]),
        node("Mul", ["x", "e"], ["f"]),
        node("Unsqueeze", ["d", "axes"], ["g"]),
        node("Add", ["g", "f"]),
    ]
    model = graph(nodes, {"x": ["n", 4, 5, 3]}, stored=stored)
    assert_equal_to_runtime(model, images(3, 4, 5, 3))


def test_products_with_constant_matrices():
    stored = {"w": images(5, 3), "v": images(2, 4), "u": images(3), "bias": images(2, 1)}
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("MatMul", ["v", "a"], ["b"]),
        node("Add", ["b", "bias"], ["c"]),
        node("MatMul", ["c", "u"]),
    ]
    model = graph(nodes, {"x": ["n", 4, 5]}, ("a", "c", "y"), stored=stored)
    assert_equal_to_runtime(model, images(2, 4, 5))


@pytest.mark.parametrize("condition", [True, False])
def test_a_decided_if_is_the_branch_taken(condition):
    def branch(*nodes, output):
        info = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        kept = numpy_helper.from_array(images(2, 1, 1), "k")
        return helper.make_graph(list(nodes), output, [], [info], [kept])

    then = branch(node("Add", ["r", "k"], ["t"]), output="t")
    other = branch(node("Erf", ["r"], ["e"]), node("Mul", ["r", "m"], ["o"]), output="o")
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Neg", ["k2"], ["m"]),
        node("If", ["c"], ["i"], then_branch=then, else_branch=other),
        node("Abs", ["i"]),
    ]
    stored = {"c": np.array(condition), "k2": np.float32(3)}
    model = graph(nodes, {"x": ["n", 2, 3, 3]}, stored=stored)
    if condition:
        assert_equal_to_runtime(model, images(2, 2, 3, 3))
    else:
        with pytest.raises(ModelError, match="Erf 'Erf_e': this operator is not supported"):
            imported(model)


def test_several_inputs_and_outputs():
    nodes = [node("Add", ["a", "b"], ["s"]), node("Mul", ["s", "a"], ["p"])]
    model = graph(nodes, {"a": ["n", 2, 3, 4], "b": ["n", 2, 1, 4]}, ("s", "p"))
    ours = assert_equal_to_runtime(model, images(2, 2, 3, 4), images(2, 2, 1, 4, seed=1))
    assert ours.graph.outputs == ("s", "p")


def test_an_output_that_changes_nothing_keeps_its_name():
    nodes = [node("Relu", ["x"], ["a"]), node("Dropout", ["a"], ["b"]), node("Identity", ["b"])]
    model = assert_equal_to_runtime(graph(nodes, {"x": ["n", 3]}), images(2, 3))
    assert [layer.name for layer in model.graph.layers] == ["a", "y"]


def test_what_no_output_needs_is_left_out():
    """Also an operator that could not be imported, and an input of another type."""
    nodes = [node("NonZero", ["x"], ["a"]), node("Relu", ["x"], ["b"]), node("Abs", ["x"])]
    model = imported(graph(nodes, {"x": ["n", 3], "other": ["n", "m"]}))
    assert [layer.name for layer in model.graph.layers] == ["y"]
    assert [item.name for item in model.graph.inputs] == ["x"]
