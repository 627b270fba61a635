"""Graphs with codes, run by ONNX Runtime and imported: what tests of quantised files share."""

import platform
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
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
    """What ONNX Runtime gives for the model's outputs and the `extra` tensors, by name.

    The test is skipped where ONNX Runtime computes something else than it says.
    """
    if _other_arithmetic():
        pytest.skip(_other_arithmetic())
    return _run(model, arrays, extra)


@cache
def _other_arithmetic() -> str:
    """Why this machine's ONNX Runtime is no oracle; "" where it is one."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "the order of ONNX Runtime's roundings is known for x86-64"
    x, w = np.full((1, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    model = graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], {"x": x}, {"w": w})
    is_exact = (_run(model, [x], ())["y"] == 64 * 255 * 127).all()
    return "" if is_exact else "ONNX Runtime saturates at 16 bits on a CPU without VNNI"


def _run(model, arrays, extra) -> dict[str, np.ndarray]:
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
    """Equal integers and shapes, channels last or as the file has them."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    wanted = wanted if got.shape == wanted.shape != last(wanted).shape else last(wanted)
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


def every_code(kind) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.arange(limits.min, limits.max + 1).astype(kind)


class Draw:
    """Random scales, zero points and codes of one type."""

    def __init__(self, seed: int, kind=np.uint8) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = kind

    def scale(self, *shape) -> np.ndarray:
        return np.exp(self.rng.uniform(-6, 1, shape)).astype(np.float32)

    def codes(self, *shape, kind=None) -> np.ndarray:
        return self.rng.choice(every_code(kind or self.kind), shape)

    def operand(self, name: str) -> dict[str, np.ndarray]:
        """A scale and a zero point, by name."""
        return {f"{name}_scale": self.scale(), f"{name}_zero": self.codes()}


def triple(name: str) -> list[str]:
    return [name, f"{name}_scale", f"{name}_zero"]


def quantize(name: str) -> list:
    """The node that makes codes of a real input."""
    return [helper.make_node("QuantizeLinear", [f"real_{name}", *triple(name)[1:]], [name])]


def dequantize(name: str = "y", output: str = "real_y"):
    return helper.make_node("DequantizeLinear", triple(name), [output])


def microsoft(op: str, operands: list[str], outputs=("y",), **attributes):
    return helper.make_node(op, operands, list(outputs), domain=MICROSOFT, **attributes)


def weight_operand(draw: Draw, w: np.ndarray, channels: int, per_channel: bool, zero: bool) -> dict:
    scale = draw.scale(channels) if per_channel else draw.scale()
    zeros = draw.codes(kind=w.dtype.type) if zero else w.dtype.type(0)
    zeros = np.full(channels, zeros) if per_channel else zeros
    return {"w": w, "w_scale": scale, "w_zero": zeros}


def stored_values(x: np.ndarray, stored: dict) -> np.ndarray:
    """Real numbers of the codes x, channels last, that round to the same codes again."""
    return last((x.astype(np.float64) - stored["x_zero"]) * stored["x_scale"]).astype(np.float32)
