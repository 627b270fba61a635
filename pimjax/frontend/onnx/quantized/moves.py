"""Operators that only move numbers, or pick some: they do the same to codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.quantized.state import HERE, MICROSOFT, Coded, Rewriting
from pimjax.network.tensor import TensorSpec

Rewrite = Callable[[Rewriting, Node, Coded, TensorSpec], Node | None]


def moved(state: Rewriting, node: Node) -> bool:
    """Whether the node was written for codes, with a DequantizeLinear after it."""
    found = state.source(node.inputs[0]) if node.domain == "" and node.op in MOVES else None
    if found is None or (len(node.outputs) > 1 and node.op != "Split"):
        return False
    source, tensor = found
    on_codes = MOVES[node.op](state, node, source, tensor)
    if on_codes is None:
        return False
    outputs = tuple(state.fresh(name) for name in node.outputs)
    state.nodes.append(replace(on_codes, outputs=outputs, proto=None))
    for name, codes in zip(node.outputs, outputs, strict=True):
        after = replace(source, codes=codes)
        state.coded[name] = after
        inputs = tuple(filter(None, after.names))
        state.nodes.append(Node("DequantizeLinear", "", node.name, inputs, (name,), {}, 13))
    return True


def _same(state: Rewriting, node: Node, source: Coded, tensor: TensorSpec) -> Node | None:
    return replace(node, inputs=(source.codes, *node.inputs[1:]))


def _nearest(state: Rewriting, node: Node, source: Coded, tensor: TensorSpec) -> Node | None:
    is_nearest = node.attributes.get("mode", "nearest") == "nearest"
    return _same(state, node, source, tensor) if is_nearest else None


def _relu(state: Rewriting, node: Node, source: Coded, tensor: TensorSpec) -> Node | None:
    limits = {"low": tensor.zero_point, "high": tensor.high}
    return replace(node, op="Clamp", domain=HERE, inputs=(source.codes,), attributes=limits)


def _pad(state: Rewriting, node: Node, source: Coded, tensor: TensorSpec) -> Node | None:
    """Padding with 0 is padding with the zero point; other numbers may have no code."""
    if node.attributes.get("mode", "constant") != "constant":
        return _same(state, node, source, tensor)
    given = node.given(2)
    if node.attributes.get("value", 0) or (given and given not in state.constants):
        return None
    if given and state.constants[given].any():
        return None
    if len(node.inputs) < 2:
        attributes = {**node.attributes, "value": float(tensor.zero_point)}
        return replace(node, inputs=(source.codes,), attributes=attributes)
    code = state.constant(f"{node.name}/value", np.array(tensor.zero_point, np.int32))
    return replace(node, inputs=(source.codes, node.inputs[1], code, *node.inputs[3:]))


def _concat(state: Rewriting, node: Node, source: Coded, tensor: TensorSpec) -> Node | None:
    parts = [state.source(name) for name in node.inputs]
    names = [name for part in parts if part and part[1] == tensor for name in part[0].names]
    if len(names) != 3 * len(parts):
        return None
    inputs = (source.scale, source.zero, *names)
    return replace(node, op="QLinearConcat", domain=MICROSOFT, inputs=inputs)


MOVES: dict[str, Rewrite] = {
    "Concat": _concat,
    "DepthToSpace": _same,
    "Dropout": _same,
    "Flatten": _same,
    "Gather": _same,
    "Identity": _same,
    "MaxPool": _same,
    "Pad": _pad,
    "Relu": _relu,
    "Reshape": _same,
    "Resize": _nearest,
    "Slice": _same,
    "SpaceToDepth": _same,
    "Split": _same,
    "Squeeze": _same,
    "Transpose": _same,
    "Unsqueeze": _same,
    "Upsample": _nearest,
}
"""By operator: the node on codes of one scale, None where there is none."""
