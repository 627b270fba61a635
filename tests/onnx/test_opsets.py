"""The forms that operators had from opset 9 to 21, and real numbers of other types."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.onnx.support import assert_equal_to_runtime, graph, images, imported, node

OPSETS = (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)


def whole_numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class Chain:
    """Nodes one after the other; parameters as attributes, or as inputs from some opset on."""

    def __init__(self, opset: int):
        self.opset, self.nodes, self.stored, self.last = opset, [], {}, "x"

    def add(self, op, since=99, inputs=(), **attributes):
        """A node on the last tensor; from opset `since` its attributes are inputs, in order."""
        names = [self.last, *inputs]
        if self.opset >= since:
            for name, value in attributes.items():
                key = f"{name}{len(self.nodes)}"
                self.stored[key] = np.asarray(value)
                names.append(key)
            attributes = {}
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(node(op, names, [self.last], **attributes))


@pytest.mark.parametrize("opset", OPSETS)
def test_a_chain_in_the_forms_of_its_opset(opset):
    chain = Chain(opset)
    ones = np.ones(4, np.float32)
    chain.stored |= {"w": images(4, 3, 3, 3), "s": ones, "g": images(5, 8), "none": ones[:0]}
    chain.add("Conv", inputs=["w"], pads=[1, 1, 1, 1])
    chain.add("BatchNormalization", inputs=["s", "s", "s", "s"])
    number = np.float32 if opset >= 11 else float
    chain.add("Clip", 11, min=number(-1), max=number(2))
    pads = whole_numbers(0, 0, 1, 0, 0, 0, 0, 1)
    chain.add("Pad", 11, pads=pads, value=number(0.5))
    chain.add(
        *("Slice", 10),
        starts=whole_numbers(1, 0),
        ends=whole_numbers(9, 7),
        axes=whole_numbers(2, -1),
    )
    scales = np.array([1, 1, 2, 1], np.float32)
    if opset == 9:
        chain.stored["scales"] = scales
        chain.add("Upsample", inputs=["scales"], mode="nearest")
    elif opset == 10:
        chain.stored["scales"] = scales
        chain.add("Resize", inputs=["scales"], mode="linear")
    else:
        chain.stored["scales"] = scales
        chain.add("Resize", inputs=["none", "scales"], mode="linear")
    if opset >= 13:
        chain.stored["parts"] = whole_numbers(1, 3)
        chain.nodes.append(node("Split", [chain.last, "parts"], ["a", "b"], axis=1))
    else:
        chain.nodes.append(node("Split", [chain.last], ["a", "b"], axis=1, split=[1, 3]))
    chain.nodes.append(node("Concat", ["b", "a"], ["c"], axis=1))
    chain.last = "c"
    chain.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    if opset >= 18:
        chain.stored["axes"] = whole_numbers(3)
        chain.add("ReduceMean", inputs=["axes"], keepdims=0)
        chain.stored["all"] = whole_numbers(2)
        chain.add("ReduceMax", inputs=["all"])
    else:
        chain.add("ReduceMean", axes=[3], keepdims=0)
        chain.add("ReduceMax", axes=[2])
    chain.add("Squeeze", 13, axes=whole_numbers(2))
    chain.add("Unsqueeze", 13, axes=whole_numbers(1, 3))
    chain.stored["twice"] = whole_numbers(1, 2, 1, 1)
    chain.add("Tile", inputs=["twice"])
    chain.add("Dropout")
    chain.add("Flatten")
    chain.stored["bias"] = images(5)
    chain.add("Gemm", inputs=["g", "bias"], transB=1)
    chain.add("Softmax")
    chain.nodes.append(node("Identity", [chain.last]))
    model = graph(chain.nodes, {"x": ["n", 3, 8, 8]}, stored=chain.stored, opset=opset)
    assert_equal_to_runtime(model, images(2, 3, 8, 8))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_other_real_types_are_float32(kind):
    """Weights of any real type, in a graph whose tensors have that type."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    weights = images(4, 3, 3, 3).astype(dtype)
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Cast", ["a"], ["b"], to=TensorProto.FLOAT),
        node("Add", ["b", "c"]),
    ]
    stored = {"w": weights.astype(np.float32), "c": np.float32(1)}
    wide = graph(nodes, {"x": ["n", 3, 5, 5]}, stored=stored)
    x = images(2, 5, 5, 3)
    want = imported(wide)(x)[0]
    narrow = onnx.ModelProto()
    narrow.CopyFrom(wide)
    narrow.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    narrow.graph.input[0].type.tensor_type.elem_type = kind
    np.testing.assert_array_equal(np.asarray(imported(narrow)(x)[0]), np.asarray(want))
