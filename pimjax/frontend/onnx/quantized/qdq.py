"""A file in QDQ form, rewritten to operators on codes before the walk.

Such a file says in real numbers what is meant in codes. ONNX Runtime's optimiser turns each group

    DequantizeLinear of every operand -> operator -> QuantizeLinear

into one operator on codes, and this is what it then computes. Here the same is done; whatever stays
is computed in real numbers. On one way through the nodes:

- A node that only moves numbers moves the codes, DequantizeLinear comes after it. So groups that
  such nodes hold apart come together.
- At each QuantizeLinear: its operator by one of `groups.GROUPS`, a chain of functions of
  one number as a table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.quantized.arithmetic import Function, unary_table
from pimjax.frontend.onnx.quantized.constants import folded
from pimjax.frontend.onnx.quantized.dynamic import scaled
from pimjax.frontend.onnx.quantized.groups import GROUPS
from pimjax.frontend.onnx.quantized.moves import moved
from pimjax.frontend.onnx.quantized.pointwise import function_of, norm_constants
from pimjax.frontend.onnx.quantized.state import HERE, Coded, Rewriting, coded
from pimjax.network.tensor import TensorSpec


def rewritten(
    nodes: list[Node], constants: dict[str, np.ndarray], outputs: list[str]
) -> list[Node]:
    """The nodes with groups as operators on codes; adds constants that these need."""
    if not any(node.op in QUANTIZING for node in nodes):
        return nodes
    state = Rewriting(constants)
    for node in nodes:
        if not any(rewrite(state, node) for rewrite in REWRITES):
            state.keep(node)
        if node.op == "DequantizeLinear" and node.inputs[0] not in constants:
            state.coded[node.outputs[0]] = coded(node)
    left = needed([_renamed(node, state.own) for node in state.nodes], outputs)
    return needed([_renamed(_on_codes(state, node), state.own) for node in left], outputs)


def _quantised(state: Rewriting, node: Node) -> bool:
    """Whether what the QuantizeLinear gives is now made from codes."""
    if node.op != "QuantizeLinear":
        return False
    y = replace(coded(node), codes=node.outputs[0])
    tensor = state.tensor(y)
    if tensor is None or (not y.zero and node.attributes.get("output_dtype")):
        return False
    real = node.inputs[0]
    found = state.source(real)
    if found is not None and found[1] == tensor:
        source = found[0]
        if state.own.get(source.codes) == source.codes:
            state.own[source.codes] = y.codes
            return True
        state.nodes.append(Node("Identity", "", node.name, (source.codes,), (y.codes,), {}, 13))
        return True
    return _as_table(state, real, y, tensor) or _as_group(state, real, y, tensor)


def _as_table(state: Rewriting, real: str, y: Coded, tensor: TensorSpec) -> bool:
    """Whether `real` is a function of the numbers of one tensor of codes."""
    chain: list[Function] = []
    origin = ""
    while state.source(real) is None:
        node = state.made.get(real)
        found = None if node is None else function_of(node, state.constants)
        if node is None or found is None:
            return False
        real, function = found
        chain.insert(0, function)
        origin = origin or node.name
    start = state.source(real)
    assert start is not None
    source, x = start
    if x.high - x.low > 255:
        return False

    def composed(numbers: np.ndarray) -> np.ndarray:
        values = numbers.reshape(-1, 1, 1, 1)
        for function in chain:
            values = function(values)
        return values

    with np.errstate(invalid="ignore"):
        entries = unary_table(x, tensor, composed)[:, :, 0, 0]
    table = entries[:, 0] if entries.shape[1] == 1 else entries
    attributes = {"table": table, "x": x, "y": tensor}
    name = origin or y.codes
    state.nodes.append(Node("Table", HERE, name, (source.codes,), (y.codes,), attributes, 1))
    return True


def _as_group(state: Rewriting, real: str, y: Coded, tensor: TensorSpec) -> bool:
    """Whether the operator that makes `real` was written for codes, with a clamp after it."""
    low, high = tensor.low, tensor.high
    node = state.made.get(real)
    while node is not None and node.op in ("Clip", "Relu") and node.domain == "":
        found = function_of(node, state.constants)
        if found is None:
            return False
        real, function = found
        ends = np.array([-np.inf, np.inf], np.float32)
        limits = np.nan_to_num(function(ends) / np.float32(tensor.scale), posinf=1e9, neginf=-1e9)
        below, above = (int(n) for n in np.rint(limits) + tensor.zero_point)
        low, high = (min(max(edge, low), high) for edge in (below, above))
        node = state.made.get(real)
    if node is None or node.domain != "" or node.op not in GROUPS:
        return False
    built = GROUPS[node.op](state, node, y)
    if built is None:
        return False
    if (low, high) == (tensor.low, tensor.high):
        state.nodes.append(built)
        return True
    inner = f"{y.codes}/unclamped"
    state.nodes.append(replace(built, outputs=(inner,)))
    limits_of = {"low": low, "high": high}
    state.nodes.append(Node("Clamp", HERE, built.name, (inner,), (y.codes,), limits_of, 1))
    return True


def _on_codes(state: Rewriting, node: Node) -> Node:
    """A product of dequantised codes that gives real numbers, as one of codes that does."""
    is_product = node.domain == "" and node.op in ("Conv", "Gemm", "MatMul")
    built = GROUPS[node.op](state, node, Coded(node.outputs[0], "", "")) if is_product else None
    return built or node


def _split_norm(state: Rewriting, node: Node) -> bool:
    """Whether a batch norm was written as a product and a sum, each rounded by itself."""
    found = norm_constants(node, state.constants)
    if found is None:
        return False
    factor, addend = (
        state.constant(f"{node.name}/{name}", array)
        for name, array in zip(("factor", "addend"), found, strict=True)
    )
    product = f"{node.outputs[0]}/product"
    state.made[node.outputs[0]] = node
    names = (node.inputs[0], factor), (product, addend)
    outputs = (product,), node.outputs[:1]
    for op, inputs, made in zip(("Mul", "Add"), names, outputs, strict=True):
        state.nodes.append(Node(op, "", node.name, inputs, made, {}, 13))
    return True


QUANTIZING = ("DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear")

REWRITES = (folded, moved, _quantised, scaled, _split_norm)
"""What is tried on each node, in this order: whether it was rewritten."""


def _renamed(node: Node, names: dict[str, str]) -> Node:
    return replace(
        node,
        inputs=tuple(names.get(name, name) for name in node.inputs),
        outputs=tuple(names.get(name, name) for name in node.outputs),
    )


def needed(nodes: list[Node], outputs: list[str]) -> list[Node]:
    """The nodes that the outputs depend on, in order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(filter(None, node.outputs)):
            kept.append(node)
            wanted.update(filter(None, node.inputs))
    return kept[::-1]
