"""Files that cannot be imported: one sentence each, and every unsupported node at once."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pimjax.frontend.model import ModelError
from pimjax.frontend.onnx import load_onnx
from tests.onnx.support import graph, images, imported, node


def refusal(path) -> str:
    with pytest.raises(ModelError) as caught:
        load_onnx(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.fixture
def good(tmp_path):
    """The path of a small good file."""
    model = graph(
        [node("Conv", ["x", "w"])], {"x": ["n", 2, 5, 5]}, stored={"w": images(3, 2, 3, 3)}
    )
    onnx.save(model, tmp_path / "good.onnx")
    return tmp_path / "good.onnx"


def test_a_missing_file(tmp_path):
    assert refusal(tmp_path / "none.onnx") == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "content", [b"", b"this is a text\n", b"\x00" * 100, b"[project]\nx = 1\n"]
)
def test_a_file_of_another_kind(tmp_path, content):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    assert "export it again" in refusal(path)


def test_a_truncated_file(good):
    """Wherever it was cut: never a traceback of another kind."""
    content = good.read_bytes()
    for length in range(0, len(content) - 1, 7):
        good.write_bytes(content[:length])
        with pytest.raises(ModelError):
            load_onnx(good)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_not_finite(value):
    weights = images(3, 2, 3, 3).astype(np.float64)
    weights[1, 0, 2, 1] = value
    model = graph([node("Conv", ["x", "w"])], {"x": ["n", 2, 5, 5]}, stored={"w": weights})
    message = rf"Conv 'Conv_y': w\[1, 0, 2, 1\] = {re.escape(str(value))}; finite float32 numbers"
    with pytest.raises(ModelError, match=message):
        imported(model)


@pytest.mark.parametrize(("length", "shown"), [("height", r" \('height'\)"), (None, "")])
def test_a_free_spatial_size(length, shown):
    model = graph([node("Relu", ["x"])], {"x": ["n", 3, length, 8]})
    message = rf"input 'x' has no fixed length along axis 2{shown}: .*fixed size"
    with pytest.raises(ModelError, match=message):
        imported(model)


def test_an_opset_that_the_package_does_not_know():
    model = graph([node("Relu", ["x"])], {"x": ["n", 3]})
    model.opset_import[0].version = 99
    with pytest.raises(ModelError, match="opset 99, the installed onnx package knows"):
        imported(model)


def test_old_and_new_opsets_of_known_operators():
    """Neither is refused for its number."""
    for opset in (8, 21, onnx.defs.onnx_opset_version()):
        model = imported(graph([node("Relu", ["x"])], {"x": ["n", 3]}, opset=opset))
        assert len(model.graph.layers) == 1


@pytest.mark.parametrize("left", [None, 10])
def test_external_data_that_is_not_there(tmp_path, left):
    """The file beside the model is missing, or too short."""
    model = graph(
        [node("Conv", ["x", "w"])], {"x": ["n", 2, 5, 5]}, stored={"w": images(3, 2, 3, 3)}
    )
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert load_onnx(path).params["y"]["kernel"].shape == (3, 3, 2, 3)
    data = tmp_path / "net.data"
    if left is None:
        data.unlink()
        assert "tensor 'w' lies in the file 'net.data' beside the model" in refusal(path)
    else:
        data.write_bytes(data.read_bytes()[:left])
        assert "'w'" in refusal(path)


def test_every_unsupported_node_at_once():
    """Operators, attributes and weights, also behind nodes that failed, with their names."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Erf", ["a"], ["b"]),
        node("Resize", ["b", "", "scales"], ["c"], mode="cubic"),
        node("Transpose", ["c"], ["d"], perm=[1, 0, 2, 3]),
        node("Erf", ["d"], ["e"]),
        node("TopK", ["e", "k"], ["f", "g"], axis=1),
        node("Relu", ["f"]),
    ]
    stored = {
        "w": images(3, 2, 3, 3),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "k": np.array([1], np.int64),
    }
    model = graph(nodes, {"x": [1, 2, 5, 5]}, stored=stored)
    with pytest.raises(ModelError) as caught:
        imported(model)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("cannot be imported:")
    assert lines[1:-1] == [
        "Erf 'Erf_b', 'Erf_e': this operator is not supported",
        "Resize 'Resize_c': mode = 'cubic'; nearest and linear can be",
        "Transpose 'Transpose_d': perm = [1, 0, 2, 3] moves the batch; axis 0 must stay the first",
        "TopK 'TopK_f': this operator is not supported",
    ]
    assert lines[-1].startswith("supported operators: Abs, Add, AveragePool, ")


def test_an_attribute_that_is_not_known():
    model = graph([node("Relu", ["x"], slope=0.5)], {"x": ["n", 3]})
    with pytest.raises(ModelError, match=r"Relu 'Relu_y': attribute slope = 0\.5"):
        imported(model)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Add", ["x", "nowhere"])], "node 'Add_y' reads 'nowhere', which nothing before"),
        ([node("Conv", ["x"])], "input 1 is left out"),
        ([node("Conv", ["x", "v"])], r"a kernel \[\] over \[1, 2, 5, 5\]"),
        ([node("Conv", ["x", "x"])], "input 1 'x' is computed; a constant can be"),
        ([node("Constant", [], value=numpy_helper.from_array(np.ones(2)))], "no input that"),
        ([node("Flatten", ["x"], axis="one")], "not a valid ONNX model"),
        ([node("RandomNormal", [], ["r"], shape=[1]), node("Add", ["x", "r"])], "RandomNormal"),
        ([node("Erf", ["x"], domain="my.own")], r"my\.own\.Erf 'Erf_y': this operator"),
    ],
)
def test_a_wrong_graph(nodes, message):
    model = graph(nodes, {"x": ["n", 2, 5, 5]}, stored={"v": images(3, 2)})
    with pytest.raises(ModelError, match=message):
        imported(model)


def test_inputs_that_are_no_batch_of_real_numbers():
    relu = [node("Relu", ["x"])]
    number = graph(relu, {"x": []})
    codes = graph(relu, {"x": ["n", 3]})
    codes.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    two = graph([node("Add", ["x", "z"])], {"x": [2, 3], "z": [3, 3]})
    unknown = graph(relu, {"x": None})
    sequence = graph(relu, {"x": ["n", 3]})
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    sequence.graph.input[0].type.CopyFrom(kind)
    for model, message in [
        (number, "input 'x' is a single number; axis 0 must be the batch"),
        (codes, "input 'x' holds INT64; one of FLOAT"),
        (two, r"different lengths \[2, 3\] along axis 0"),
        (unknown, "input 'x' is no tensor with a shape"),
        (sequence, "input 'x' is no tensor with a shape"),
    ]:
        with pytest.raises(ModelError, match=message):
            imported(model)


def test_an_output_that_is_a_constant():
    model = graph([node("Shape", ["x"], ["s"]), node("Relu", ["x"])], {"x": ["n", 3]}, ("y", "s"))
    with pytest.raises(ModelError, match="output 's' does not depend on any input"):
        imported(model)
