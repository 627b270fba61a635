"""Graphs with codes, run by ONNX Runtime and imported: what tests of quantised files share."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import pimjax as pj

MICROSOFT = "com.microsoft"
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
INT8_ON_X86 = "session.qdqisint8allowed"
"""Lets ONNX Runtime compute QDQ groups of int8 in integers on x86-64, as it does on Arm."""


def graph(nodes, entering, stored, outputs=("y",)) -> onnx.ModelProto:
    """A model: nodes, arrays that enter (for their types and shapes) and arrays of the file."""
    inputs = [
        helper.make_tensor_value_info(name, _kind(array.dtype), ["n", *array.shape[1:]])
        for name, array in entering.items()
    ]
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    made = helper.make_graph(nodes, "g", inputs, ends, arrays)
    return helper.make_model(made, opset_imports=OPSETS, ir_version=8)


def _kind(dtype) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def runtime(model, *arrays, extra=()) -> dict[str, np.ndarray]:
    """What ONNX Runtime gives for the model's outputs and the `extra` tensors, by name."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {item.name for item in copy.graph.output}
    copy.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in extra if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    options.add_session_config_entry(INT8_ON_X86, "1")
    source = copy.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    outputs = [item.name for item in session.get_outputs()]
    found = session.run(outputs, dict(zip(names, arrays, strict=True)))
    return dict(zip(outputs, found, strict=True))


def imported(model) -> pj.Model:
    """The model as pimjax reads it from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(model, path)
        return pj.load_model(path)


@cache
def chip(name: str = "mram-pim-digital"):
    return pj.load_chip(name)


def last(array: np.ndarray) -> np.ndarray:
    """Channels last, of an image in the order of the file."""
    return np.moveaxis(array, 1, -1) if np.ndim(array) == 4 else array


def assert_same(got, wanted) -> None:
    """Equal integers and shapes, images channels last."""
    got, wanted = np.asarray(got), last(np.asarray(wanted))
    assert got.shape == wanted.shape
    wrong = np.argwhere(got != wanted)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise AssertionError(f"{len(wrong)} differ; [{at}]: {got[at]}, ONNX Runtime {wanted[at]}")


def assert_runs_as(model, x: np.ndarray, name: str = "mram-pim-digital") -> dict:
    """Compiled and run, every tensor that both have is ONNX Runtime's; the trace is returned.

    Real numbers to 1e-6 of the largest.
    """
    outputs, trace = pj.run(pj.compile(imported(model), chip(name)), last(x), trace=True)
    made = {output for node in model.graph.node for output in node.output}
    wanted = runtime(model, x, extra=[layer for layer in trace if layer in made])
    for layer, found in trace.items():
        if layer in wanted and wanted[layer].dtype != np.float32:
            assert_same(found.codes, wanted[layer])
    first = model.graph.output[0].name
    limit = 1e-6 * max(np.abs(wanted[first]).max(), 1e-30)
    assert np.abs(outputs - last(wanted[first])).max() <= limit
    return trace
