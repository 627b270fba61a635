"""Networks that take codes: what these stand for, by the first node that knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from pimjax.frontend.onnx.node import UnsupportedError
from pimjax.frontend.onnx.quantized.moves import MOVES
from pimjax.frontend.onnx.quantized.specs import code_range, spec_of
from pimjax.network.tensor import TensorSpec

UNSCALED = ("ConvInteger", "MatMulInteger")
"""Operators that know the zero point only; their codes count as numbers."""


def input_tensor(
    graph: Any, name: str, kind: np.dtype, constants: dict[str, np.ndarray]
) -> TensorSpec | None:
    """What the codes of the tensor `name` stand for; None where no node says it with constants."""
    for node in graph.node:
        inputs = list(node.input)
        if name not in inputs:
            continue
        index = inputs.index(name)
        if node.op_type in MOVES and index == 0:
            found = input_tensor(graph, node.output[0], kind, constants)
        elif node.op_type in UNSCALED and index == 0:
            found = _tensor(kind, np.ones((), np.float32), constants.get(_at(inputs, 2)))
        elif node.op_type.startswith(("QLinear", "QGemm", "DequantizeLinear")):
            scale, zero = (constants.get(_at(inputs, index + step)) for step in (1, 2))
            found = _tensor(kind, scale, zero)
        else:
            found = None
        if found is not None:
            return found
    return None


def _at(inputs: list[str], index: int) -> str:
    return inputs[index] if index < len(inputs) else ""


def _tensor(kind: np.dtype, scale: np.ndarray | None, zero: np.ndarray | None) -> TensorSpec | None:
    if scale is None:
        return None
    try:
        code_range(kind)
        return spec_of(scale, np.zeros((), kind) if zero is None else zero)
    except UnsupportedError:
        return None
