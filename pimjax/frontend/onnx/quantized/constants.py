"""Nodes of a QDQ file whose inputs are all constants: weights and biases, their real numbers."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.constants import evaluate
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.specs import code_range
from pimjax.frontend.onnx.quantized.state import Rewriting, coded


def folded(state: Rewriting, node: Node) -> bool:
    """Whether the node has only constants and was evaluated; notes what codes a result has."""
    names = [name for name in node.inputs if name]
    if any(name not in state.constants for name in names):
        return False
    arrays = [state.constants.get(name) for name in node.inputs]
    in_blocks = bool(node.attributes.get("block_size", 0))
    try:
        if node.op == "DequantizeLinear" and not in_blocks:
            state.stored[node.outputs[0]] = coded(node)
            results: tuple[np.ndarray, ...] = (values_of(node, arrays),)
        elif node.op == "QuantizeLinear" and not in_blocks:
            results = (codes_of(node, arrays),)
        else:
            results = evaluate(node, arrays)
    except UnsupportedError:
        return False
    state.constants.update(zip(node.outputs, results, strict=False))
    return True


def values_of(node: Node, arrays: list[np.ndarray | None]) -> np.ndarray:
    """(codes - zero) scale in float32, with scales for the whole or along the node's axis."""
    codes, scale, zero = _operands(node, arrays)
    return (codes.astype(np.int32) - zero).astype(np.float32) * scale


def codes_of(node: Node, arrays: list[np.ndarray | None]) -> np.ndarray:
    """Codes of constants: round half even(x / scale) + zero, held to the type of the zero point."""
    values, scale, zero = _operands(node, arrays)
    kind = np.dtype(np.uint8) if len(arrays) < 3 or arrays[2] is None else arrays[2].dtype
    if node.attributes.get("output_dtype"):
        from onnx import helper

        kind = helper.tensor_dtype_to_np_dtype(node.attributes["output_dtype"])
    codes = np.rint(values.astype(np.float32) / scale) + zero
    return np.clip(codes, *code_range(kind)).astype(np.int32).astype(kind)


def _operands(
    node: Node, arrays: list[np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tensor; scale (float32) and zero point (int32) so that they broadcast with it."""
    tensor, scale, zero = (*arrays, None)[:3]
    if tensor is None or scale is None:
        raise UnsupportedError("the tensor or its scale is left out")
    zero = np.zeros((), np.int32) if zero is None else zero.astype(np.int32)
    shape = [1] * tensor.ndim
    if scale.size > 1:
        axis = node.attributes.get("axis", 1)
        if not -tensor.ndim <= axis < tensor.ndim or tensor.shape[axis] != scale.size:
            raise UnsupportedError(f"{scale.size} scales for {list(tensor.shape)}")
        shape[axis] = scale.size
    zeros = zero.reshape(shape) if zero.size > 1 else zero.reshape(())
    return tensor, scale.astype(np.float32).reshape(shape), zeros
