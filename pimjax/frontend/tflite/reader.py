"""A .tflite file as plain tensors and operators, checked against damage.

The flatbuffer library trusts the offsets and lengths it finds. Here each length is weighed against
the size of the file before anything is read by it, so a damaged file costs an error, not the
machine's memory or time.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pimjax.extras import require
from pimjax.frontend.model import ModelError
from pimjax.frontend.tflite.options import Options, read_options

IDENTIFIER = b"TFL3"
MAX_ELEMENTS = 1 << 28
"""Elements of one tensor: beyond this a shape is taken for damage."""

DTYPES = {
    **{"FLOAT32": np.float32, "FLOAT16": np.float16, "FLOAT64": np.float64, "BOOL": np.bool_},
    **{"UINT8": np.uint8, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32},
    "INT64": np.int64,
}
"""Types whose constants can be read; INT4 comes packed, two to a byte."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file. `data` are the numbers of a constant, None for what is computed.

    `type` is the schema's name of its element type. `scale` (float32) and `zero_point` are empty
    without quantisation, else of length 1 or one for each index of `axis`.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    data: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator; tensors by index, -1 for an optional one that is left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


@dataclass(frozen=True, eq=False)
class File:
    """The first subgraph of a file."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_file(path: Path) -> File:
    """The network in a .tflite file. Raises ModelError for what is none, or damaged."""
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"{path}: not a TensorFlow Lite model: the mark TFL3 is missing")
    tflite = require("tflite", extra="import")
    try:
        return _parse(tflite, data)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except (struct.error, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        raise ModelError(f"{path}: truncated or damaged: its tables point outside of it") from None


def _parse(tflite: ModuleType, data: bytes) -> File:
    spend = _allowance(16 * len(data))
    model = tflite.Model.GetRootAs(data, 0)
    spend(4 * (model.BuffersLength() + model.OperatorCodesLength()))
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    # The first byte-sized field of the schema ran full; files since then use the second.
    kinds = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
    if model.SubgraphsLength() == 0:
        raise ModelError("it holds no network")
    graph = model.Subgraphs(0)
    spend(4 * (graph.TensorsLength() + graph.OperatorsLength()))
    tensors = tuple(
        _tensor(tflite, model, graph.Tensors(i), i, data, spend)
        for i in range(graph.TensorsLength())
    )
    names = _names(tflite.BuiltinOperator)
    operators = []
    for i in range(graph.OperatorsLength()):
        item = graph.Operators(i)
        code = kinds[item.OpcodeIndex()]
        kind = names.get(code, f"operator code {code}")
        inputs, outputs = (_indices(item, name, spend) for name in ("Inputs", "Outputs"))
        operators.append(Operator(kind, inputs, outputs, read_options(tflite, item, kind)))
    inputs, outputs = (_indices(graph, name, spend) for name in ("Inputs", "Outputs"))
    file = File(tensors, tuple(operators), inputs, outputs)
    _require_order(file)
    return file


def shown(name: str) -> str:
    """A tensor's name as it stands in an error: quoted, and cut where it is long."""
    return repr(name if len(name) <= 80 else f"{name[:50]} ... {name[-25:]}")


def _allowance(total: int) -> Callable[[int], None]:
    """A function that takes bytes off `total`, and raises ModelError once they are used up.

    A sound file stores nearly everything once, so several times its size is never read.
    """
    left = total

    def spend(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise ModelError("damaged: its tables claim more than the file holds")

    return spend


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _vector(table: Any, name: str, spend: Callable[[int], None], dtype: Any) -> np.ndarray:
    if getattr(table, f"{name}IsNone")():
        return np.zeros(0, dtype)
    values = getattr(table, f"{name}AsNumpy")()
    spend(values.nbytes)
    return values.astype(dtype)


def _indices(table: Any, name: str, spend: Callable[[int], None]) -> tuple[int, ...]:
    return tuple(_vector(table, name, spend, np.int64).tolist())


def _tensor(
    tflite: ModuleType,
    model: Any,
    item: Any,
    index: int,
    data: bytes,
    spend: Callable[[int], None],
) -> Tensor:
    raw = item.Name() or b""
    spend(len(raw))
    name = raw.decode("utf-8", "replace") or f"tensor_{index}"
    shape = _indices(item, "Shape", spend)
    signature = _indices(item, "ShapeSignature", spend)
    if any(size < 0 for size in (*shape, *signature[1:])):
        raise ModelError(
            f"{shown(name)}: its size {signature or shape} is open in more than the batch; convert "
            f"the model for a fixed input size"
        )
    if math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"{shown(name)}: its size {shape} is beyond {MAX_ELEMENTS} elements")
    if item.Sparsity() is not None:
        raise ModelError(f"{shown(name)}: sparse tensors are not supported; store it densely")
    kind = _names(tflite.TensorType).get(item.Type(), "unknown")
    quantization = item.Quantization()
    scale, zero_point, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if quantization is not None:
        scale = _vector(quantization, "Scale", spend, np.float32)
        zero_point = _vector(quantization, "ZeroPoint", spend, np.int64)
        axis = quantization.QuantizedDimension()
    wrong = scale[~(np.isfinite(scale) & (scale > 0))]
    if wrong.size:
        raise ModelError(f"{shown(name)}: a scale of {wrong[0]} is not a positive number")
    if scale.size and zero_point.size not in (1, scale.size):
        raise ModelError(f"{shown(name)}: {scale.size} scales, but {zero_point.size} zero points")
    if scale.size > 1 and not 0 <= axis < len(shape):
        raise ModelError(f"{shown(name)}: scales along axis {axis} of {shape}")
    numbers = _constant(model, item.Buffer(), name, kind, shape, data)
    if numbers is not None:
        spend(numbers.nbytes)
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            raise ModelError(f"{shown(name)}: its constants are not all finite numbers")
    return Tensor(name, shape, kind, scale, zero_point, axis, numbers)


def _constant(
    model: Any, buffer: int, name: str, kind: str, shape: tuple[int, ...], data: bytes
) -> np.ndarray | None:
    if buffer >= model.BuffersLength():
        raise ModelError(f"{shown(name)}: its buffer {buffer} is missing")
    item = model.Buffers(buffer)
    if item.Offset() > 1:
        stored = np.frombuffer(data, np.uint8, item.Size(), item.Offset())
    elif item.DataIsNone() or item.DataLength() == 0:
        return None
    else:
        stored = item.DataAsNumpy()
    count = math.prod(shape)
    if kind == "INT4":
        numbers = _unpacked(stored)[:count]
    elif kind in DTYPES:
        dtype = np.dtype(DTYPES[kind]).newbyteorder("<")
        numbers = np.frombuffer(stored.tobytes(), dtype).astype(DTYPES[kind])
    else:
        return stored  # strings and the like: no operator that is supported takes them
    if numbers.size != count:
        raise ModelError(
            f"{shown(name)}: truncated or damaged: {numbers.size} numbers for its size {shape}"
        )
    return numbers.reshape(shape)


def _unpacked(stored: np.ndarray) -> np.ndarray:
    """int8 values of packed 4-bit two's complement ones, the low half of each byte first."""
    halves = np.stack([stored & 15, stored >> 4], axis=-1).reshape(-1).astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)


def _require_order(file: File) -> None:
    """Refuses operators that read what no earlier one has made, or write what there is already."""
    tensors = range(len(file.tensors))
    known = {i for i in tensors if file.tensors[i].data is not None} | set(file.inputs)
    for number, operator in enumerate(file.operators):
        sound = all(i in known for i in operator.inputs if i != -1)
        sound = sound and all(i in tensors and i not in known for i in operator.outputs)
        if not sound:
            raise ModelError(
                f"damaged: operator {number} ({operator.kind}) reads what is not there, or writes "
                f"what is there already"
            )
        known |= set(operator.outputs)
    ends = (*file.inputs, *file.outputs)
    if not file.inputs or not file.outputs or any(i not in known for i in ends):
        raise ModelError("damaged: its inputs or outputs are missing")
    if any(i not in tensors for i in file.inputs):
        raise ModelError("damaged: its inputs or outputs are missing")
