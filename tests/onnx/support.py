"""Models built node by node, imported, and run beside ONNX Runtime."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from pimjax.frontend.onnx import load_onnx

OPSET = 17


def graph(nodes, shapes, outputs=("y",), stored=None, opset=OPSET) -> onnx.ModelProto:
    """A model of nodes; `shapes` of what enters, `stored` arrays of what is kept in the file."""
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    arrays = [numpy_helper.from_array(np.asarray(a), n) for n, a in (stored or {}).items()]
    made = helper.make_graph(nodes, "g", inputs, ends, arrays)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op, inputs, outputs=("y",), **attributes):
    """A node; attributes that are None are left out."""
    given = {name: value for name, value in attributes.items() if value is not None}
    return helper.make_node(op, list(inputs), list(outputs), name=f"{op}_{outputs[0]}", **given)


def imported(model: onnx.ModelProto):
    """The model as pimjax reads it from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(model, path)
        return load_onnx(path)


def runtime(model: onnx.ModelProto | str, *inputs: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime computes, in the order of the file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    source = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def last(array: np.ndarray) -> np.ndarray:
    """Channels last, of an image in the order of the file."""
    return np.moveaxis(array, 1, -1) if np.ndim(array) == 4 else array


def assert_equal_to_runtime(model: onnx.ModelProto, *inputs: np.ndarray, within: float = 1e-5):
    """Imported, the model gives what ONNX Runtime gives, to `within` of the largest number.

    The imported model is returned.
    """
    wanted = runtime(model, *inputs)
    ours = imported(model)
    for got, want in zip(ours(*map(last, inputs)), wanted, strict=True):
        assert got.shape == last(want).shape
        scale = max(np.abs(want).max(), 1)
        np.testing.assert_allclose(np.asarray(got) / scale, last(want) / scale, atol=within, rtol=0)
    return ours


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
