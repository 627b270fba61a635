"""The nine light networks of the onnx package against ONNX Runtime."""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pimjax.frontend.onnx import load_onnx
from tests.onnx.support import assert_equal_to_runtime, images, last, runtime

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
QUICK = ("squeezenet", "resnet50")
SLOW = ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "shufflenet", "vgg19")
SLOW += ("zfnet512",)


def sometimes(quick: tuple[str, ...], slow: tuple[str, ...]) -> list:
    return [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)]


@pytest.mark.parametrize("name", sometimes(QUICK, SLOW))
def test_as_shipped(name):
    """Every weight of a light network is the same number: sizes, shapes and names are the test."""
    path = LIGHT / f"light_{name}.onnx"
    model = load_onnx(path)
    x = np.abs(images(1, 3, 224, 224))
    want = last(runtime(str(path), x)[0])
    got = np.asarray(model(last(x))[0])
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)
    expected = onnx.load_tensor(LIGHT / f"light_{name}_output_0.pb")
    np.testing.assert_allclose(got, last(numpy_helper.to_array(expected)), rtol=0, atol=1e-4)


def with_random_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Random weights of the same shapes, and what enters the last softmax as a further output."""
    graph = model.graph
    shapes = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    rng = np.random.default_rng(0)
    filled = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    for node in filled:
        shape = tuple(shapes[node.input[0]])
        if len(shape) > 1:
            array = rng.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
        else:
            array = rng.uniform(0.5, 1.5, shape)
        stored = numpy_helper.from_array(array.astype(np.float32), node.output[0])
        graph.initializer.append(stored)
        graph.node.remove(node)
    last_node = graph.node[-1]
    if last_node.op_type == "Softmax":
        name = last_node.input[0]
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    sometimes(
        ("shufflenet",), ("squeezenet", "resnet50", "densenet121", "inception_v1", "inception_v2")
    ),
)
def test_with_random_weights(name):
    model = with_random_weights(onnx.load(LIGHT / f"light_{name}.onnx"))
    assert_equal_to_runtime(model, images(1, 3, 224, 224), within=1e-4)
