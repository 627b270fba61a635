"""An operator with its tensors, and what it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pimjax.frontend.tflite.reader import Operator, Tensor, shown
from pimjax.network.graph import Image, Layer
from pimjax.network.ops import Op, Output
from pimjax.network.requantize import numbers_of
from pimjax.network.tensor import TensorSpec

ACTIVATIONS = {1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""The range of a fused RELU, RELU_N1_TO_1, RELU6, by the schema's number."""

RANGES = {"UINT8": (0, 255), "INT8": (-128, 127)}


class UnsupportedError(Exception):
    """Why an operator cannot be imported, as the rest of a sentence."""


@dataclass(frozen=True)
class Lowered:
    """What an operator becomes: layers in order, the last ones make its outputs."""

    layers: tuple[Layer, ...] = ()
    params: Image = field(default_factory=dict)
    constants: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Node:
    """An operator whose tensors are found. `names` are the layer names of tensors by index."""

    operator: Operator
    tensors: tuple[Tensor, ...]
    names: dict[int, str]
    where: str

    def setting(self, name: str) -> Any:
        """A setting of the operator, by the schema's name."""
        if self.operator.options is None:
            raise UnsupportedError("its settings are missing")
        return self.operator.options[name]

    def has(self, position: int) -> bool:
        """Whether the operator has an input there."""
        inputs = self.operator.inputs
        return position < len(inputs) and inputs[position] != -1

    def tensor(self, position: int) -> Tensor:
        """The input tensor at a position."""
        if not self.has(position):
            raise UnsupportedError(f"input {position} is missing")
        return self.tensors[self.operator.inputs[position]]

    def constant(self, position: int, what: str) -> np.ndarray:
        """The numbers of a constant input."""
        tensor = self.tensor(position)
        if tensor.data is None:
            raise UnsupportedError(
                f"{what} {shown(tensor.name)} is computed; a constant is supported"
            )
        return tensor.data

    def integers(self, position: int, what: str) -> list[int]:
        """The numbers of a constant input of integers, as a flat list."""
        data = self.constant(position, what)
        if self.tensor(position).type not in ("INT32", "INT64"):
            raise UnsupportedError(f"{what} of type {self.tensor(position).type}")
        return [int(value) for value in data.ravel()]

    def source(self, position: int = 0) -> str:
        """The name of the layer or input that makes an input tensor."""
        tensor = self.tensor(position)
        if tensor.data is not None:
            raise UnsupportedError(
                f"its input {shown(tensor.name)} is a constant; a computed one is supported"
            )
        if len(tensor.shape) < 2 or 0 in tensor.shape:
            raise UnsupportedError(
                f"its input {shown(tensor.name)} has size {tensor.shape}; (batch, ...) is supported"
            )
        return self.names[self.operator.inputs[position]]

    @property
    def output(self) -> Tensor:
        """The only output tensor."""
        if len(self.operator.outputs) != 1:
            raise UnsupportedError(f"{len(self.operator.outputs)} outputs; one is supported")
        return self.tensors[self.operator.outputs[0]]

    @property
    def name(self) -> str:
        """The name of the layer that makes the first output."""
        return self.names[self.operator.outputs[0]]

    def layer(self, op: Op, *inputs: str) -> Layer:
        """The layer that makes the output."""
        return Layer(self.name, op, inputs, spec_or_none(self.output), (self.where,))

    def part(self, output: int, op: Op, *inputs: str) -> Layer:
        """The layer that makes one of several outputs, given by its index in the file."""
        made = spec_or_none(self.tensors[output])
        return Layer(self.names[output], op, inputs, made, (self.where,))

    def helper(self, part: str, op: Op, *inputs: str, tensor: Tensor) -> Layer:
        """A layer before it, named after the output and its part, with the meaning of `tensor`."""
        name = f"{self.name}/{part}"
        while name in self.names.values():
            name += "_"
        return Layer(name, op, inputs, spec_or_none(tensor), (self.where,))


def is_float(tensor: Tensor) -> bool:
    """Whether the tensor holds real numbers."""
    return tensor.type == "FLOAT32"


def spec_of(tensor: Tensor) -> TensorSpec:
    """What the codes of a quantised tensor stand for."""
    if tensor.type not in RANGES:
        raise UnsupportedError(
            f"tensor {shown(tensor.name)} is {tensor.type}; UINT8, INT8 or FLOAT32 is supported"
        )
    if tensor.scale.size != 1:
        raise UnsupportedError(
            f"tensor {shown(tensor.name)} has {tensor.scale.size} scales; one is supported"
        )
    low, high = RANGES[tensor.type]
    zero_point = int(tensor.zero_point[0])
    if not low <= zero_point <= high:
        raise UnsupportedError(f"tensor {shown(tensor.name)} has zero point {zero_point}")
    return TensorSpec(float(tensor.scale[0]), zero_point, low, high)


def spec_or_none(tensor: Tensor) -> TensorSpec | None:
    """What the codes of a tensor stand for; None for one of real numbers."""
    return None if is_float(tensor) else spec_of(tensor)


def same_codes(node: Node, *positions: int) -> None:
    """Refuses an operator whose inputs do not share the scale and zero point of its output."""
    if is_float(node.output):
        return
    right = spec_of(node.output)
    for position in positions:
        if spec_of(node.tensor(position)) != right:
            raise UnsupportedError("its input and output differ in type, scale or zero point")


def real_range(activation: int) -> tuple[float, float] | None:
    """The range of a fused activation, None for none."""
    if activation == 0:
        return None
    if activation not in ACTIVATIONS:
        kind = {4: "TANH", 5: "SIGN_BIT"}.get(activation, activation)
        raise UnsupportedError(f"fused {kind}; RELU, RELU6 and RELU_N1_TO_1 are supported")
    return ACTIVATIONS[activation]


def code_range(tensor: Tensor, limits: tuple[float, float] | None) -> tuple[int, int]:
    """The smallest and largest code of an output whose real numbers are held to `limits`.

    Each limit is divided by the scale in float32 and rounded half away from zero.
    """
    spec = spec_of(tensor)
    low, high = spec.low, spec.high
    if limits is None:
        return low, high
    scale = tensor.scale[0]
    ends = [
        end if math.isinf(end) else spec.zero_point + round_away(np.float32(end) / scale)
        for end in limits
    ]
    held = int(max(low, ends[0])), int(min(high, ends[1]))
    if held[0] > held[1]:
        raise UnsupportedError(f"its activation leaves no code of tensor {shown(tensor.name)}")
    return held


def round_away(value: Any) -> int:
    """`value` rounded to an integer, ties away from zero, as C's round()."""
    magnitude = math.floor(abs(float(value)))
    magnitude += abs(float(value)) - magnitude >= 0.5
    return -magnitude if value < 0 else magnitude


def output_of(node: Node, rule: str = "fixed_point") -> Output:
    """The clamp of the fused activation after a requantiser."""
    limits = real_range(node.setting("FusedActivationFunction"))
    return Output(rule, spec_of(node.output).zero_point, *code_range(node.output, limits))


def numbers(factor: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The multiplier and exponent of a fixed-point requantiser, as arrays for the image."""
    try:
        found = numbers_of("fixed_point", factor)
    except ValueError as error:
        raise UnsupportedError(str(error)) from None
    return {f"{prefix}{name}": array for name, array in found.items()}
