"""ONNX's own backend cases, turned into models whose data enters and whose rest is stored."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
PEERS = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Concat", "Pow"}
"""Operators whose operands are all data; those of others after the first are parameters."""


@dataclass(frozen=True)
class Case:
    """A model, what enters it and what must leave it."""

    name: str
    model: onnx.ModelProto
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]

    @property
    def operators(self) -> list[tuple[str, str]]:
        return [(node.domain, node.op_type) for node in self.model.graph.node]

    @property
    def is_float(self) -> bool:
        """Whether the first tensor that enters, and so all others, holds real numbers."""
        stored = {item.name for item in self.model.graph.initializer}
        entering = [item for item in self.model.graph.input if item.name not in stored]
        return bool(entering) and is_float(entering[0])


@cache
def node_cases() -> dict[str, Case]:
    """The cases that the package generates, by name."""
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            case.name: as_case(case.name, case.model, *case.data_sets[0])
            for case in load_node_model_tests()
        }


@cache
def stored_cases(kind: str) -> dict[str, Case]:
    """The cases of a folder that the package ships, by name."""
    cases = {}
    for folder in sorted((DATA / kind).glob("test_*")):
        model = onnx.load(folder / "model.onnx")
        tensors = [
            [
                numpy_helper.to_array(
                    onnx.load_tensor(folder / "test_data_set_0" / f"{end}_{i}.pb")
                )
                for i in range(len(list((folder / "test_data_set_0").glob(f"{end}_*.pb"))))
            ]
            for end in ("input", "output")
        ]
        cases[folder.name] = as_case(folder.name, model, *tensors)
    return cases


def as_case(name: str, model: onnx.ModelProto, inputs, outputs) -> Case:
    """The first input enters, and its peers of the same shape; the others become initializers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    stored = {item.name for item in model.graph.initializer}
    infos = [item for item in model.graph.input if item.name not in stored]
    has_peers = any(node.op_type in PEERS for node in model.graph.node)
    inputs, outputs = (list(map(as_array, tensors)) for tensors in (inputs, outputs))
    entering = []
    for index, (info, array) in enumerate(zip(infos, inputs, strict=False)):
        same = has_peers and np.shape(array) == np.shape(inputs[0]) and is_float(info)
        if index == 0 or same or not isinstance(array, np.ndarray):
            entering.append(array)
        else:
            changed.graph.initializer.append(numpy_helper.from_array(array, info.name))
    return Case(name, changed, entering, outputs)


def is_float(info: onnx.ValueInfoProto) -> bool:
    return info.type.tensor_type.elem_type in FLOATS


def as_array(value):
    """An array of what a case holds; lists and what else is no tensor stay as they are."""
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def last(array: np.ndarray) -> np.ndarray:
    """Channels last, of an image in the order of the file."""
    return np.moveaxis(array, 1, -1) if np.ndim(array) == 4 else array
