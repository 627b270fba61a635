"""Scales and zero points of a node's operands, and the tensors of codes they describe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.network.ops import Identity
from pimjax.network.tensor import TensorSpec

INT32 = TensorSpec(1.0, 0, -(1 << 31), (1 << 31) - 1)
"""Accumulators as numbers."""


def scales(importer: Importer, node: Node, index: int) -> np.ndarray:
    """The positive scales of an operand, (1,) or one per channel. Raises UnsupportedError."""
    found = importer.weights(node, index).reshape(-1)
    if not (found > 0).all():
        raise UnsupportedError(f"{node.given(index)} = {found.min()}: a positive scale expected")
    return found


def spec(importer: Importer, node: Node, scale_index: int, zero_index: int) -> TensorSpec:
    """What the codes of an operand with one scale stand for; without a zero point, uint8 with 0.

    Raises UnsupportedError.
    """
    scale = scales(importer, node, scale_index)
    if scale.size != 1:
        raise UnsupportedError(
            f"{node.given(scale_index)} has {scale.size} scales: only weights can have several"
        )
    return spec_of(scale, importer.constant(node, zero_index))


def spec_of(scale: np.ndarray, zero: np.ndarray | None) -> TensorSpec:
    """What codes with this scale and zero point stand for. Raises UnsupportedError for several."""
    zero = np.zeros((), np.uint8) if zero is None else zero
    if scale.size != 1 or zero.size != 1:
        raise UnsupportedError(
            f"{scale.size} scales and {zero.size} zero points; one of each can be"
        )
    low, high = code_range(zero.dtype)
    return TensorSpec(float(np.float32(scale.reshape(()))), int(zero.reshape(())), low, high)


def code_range(dtype: np.dtype) -> tuple[int, int]:
    """The lowest and highest code of an integer type, those of 4 bits too.

    Raises UnsupportedError for another type.
    """
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    narrow = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}
    if dtype.name not in narrow:
        raise UnsupportedError(f"codes of type {dtype}; integers can be")
    return narrow[dtype.name]


def as_codes(importer: Importer, node: Node, index: int, tensor: TensorSpec) -> Value:
    """The operand as codes of `tensor`: where the file reads them with another scale, relabelled.

    Raises UnsupportedError for an operand that is no tensor of codes.
    """
    value = importer.value(node, index)
    if value.tensor is None:
        raise UnsupportedError(f"input {index} {node.given(index)!r} holds real numbers, not codes")
    if value.tensor == tensor:
        return value
    low, high = value.tensor.low, value.tensor.high
    if (low, high) != (tensor.low, tensor.high):
        tensor = replace(tensor, low=low, high=high)
        if value.tensor == tensor:
            return value
    step = f"input{index}"
    return importer.emit(
        node, Identity(), (value,), value.shape, value.axes, tensor=tensor, step=step
    )
