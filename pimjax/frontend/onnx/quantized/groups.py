"""Operators between DequantizeLinear and QuantizeLinear, as one operator on codes each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.quantized.state import MICROSOFT, Coded, Rewriting

Build = Callable[[Rewriting, Node, Coded], Node | None]


def _written(
    node: Node, op: str, domain: str, inputs: tuple[str, ...], y: Coded, **attributes: object
) -> Node:
    known = {**node.attributes, **attributes}
    while inputs[-1] == "":
        inputs = inputs[:-1]
    return Node(op, domain, node.name, inputs, (y.codes,), known, node.version)


def _conv(state: Rewriting, node: Node, y: Coded) -> Node | None:
    x, w = _tensor(state, node), _weights(state, node.inputs[1], 0)
    if x is None or w is None:
        return None
    bias = _bias(state, node, x, w)
    if bias is None:
        return None
    return _written(node, "QLinearConv", "", (*x.names, *w.names, y.scale, y.zero, bias), y)


def _gemm(state: Rewriting, node: Node, y: Coded) -> Node | None:
    turned = node.attributes.get("transB", 0)
    x, w = _tensor(state, node), _weights(state, node.inputs[1], 0 if turned else 1)
    if x is None or w is None:
        return None
    beta = node.attributes.get("beta", 1.0)
    bias = _bias(state, node, x, w)
    if bias is None or (bias and beta != 1):
        return None
    kept = {name: value for name, value in node.attributes.items() if name != "beta"}
    inputs = (*x.names, *w.names, bias, y.scale, y.zero)
    return _written(replace(node, attributes=kept), "QGemm", MICROSOFT, inputs, y)


def _matmul(state: Rewriting, node: Node, y: Coded) -> Node | None:
    x, w = _tensor(state, node), _weights(state, node.inputs[1], 1)
    if x is None or w is None:
        return None
    return _written(node, "QLinearMatMul", "", (*x.names, *w.names, y.scale, y.zero), y)


def _tensor(state: Rewriting, node: Node) -> Coded | None:
    found = state.source(node.inputs[0])
    return found and found[0]


def _weights(state: Rewriting, name: str, axis: int) -> Coded | None:
    """Constant weights with one scale, or one for each output (along `axis`)."""
    w = state.stored.get(name)
    if w is None:
        return None
    several = state.constants[w.scale].size > 1
    rank = state.constants[w.codes].ndim
    return w if not several or w.axis % rank == axis else None


def _bias(state: Rewriting, node: Node, x: Coded, w: Coded) -> str | None:
    """The name of the bias as int32 in units of the products, "" for none; None where unknown."""
    name = node.given(2)
    if not name:
        return ""
    if name not in state.constants:
        return None
    unit = (state.constants[x.scale] * state.constants[w.scale]).astype(np.float32).reshape(-1)
    stored = state.stored.get(name)
    if stored is not None and state.constants[stored.codes].dtype == np.int32:
        own = state.constants[stored.scale].reshape(-1)
        if own.size in (1, unit.size) and np.allclose(own, unit, rtol=1e-5, atol=0):
            return stored.codes
    real = state.constants[name].astype(np.float32).reshape(-1)
    limit = float(np.iinfo(np.int32).max)
    codes = np.clip(np.rint(real / unit).astype(np.float64), -limit, limit).astype(np.int32)
    return state.constant(f"{name}/codes", codes)


def _pair(op: str) -> Build:
    def build(state: Rewriting, node: Node, y: Coded) -> Node | None:
        operands = [state.coded.get(name) or state.stored.get(name) for name in node.inputs]
        coded = [operand for operand in operands if operand and state.tensor(operand)]
        if len(coded) != 2:
            return None
        names = [name for operand in coded for name in operand.names]
        return _written(node, op, MICROSOFT, (*names, y.scale, y.zero), y)

    return build


def _single(op: str) -> Build:
    def build(state: Rewriting, node: Node, y: Coded) -> Node | None:
        x = _tensor(state, node)
        if x is None:
            return None
        return _written(node, op, MICROSOFT, (*x.names, y.scale, y.zero), y)

    return build


def _softmax(state: Rewriting, node: Node, y: Coded) -> Node | None:
    x = _tensor(state, node)
    if x is None:
        return None
    inputs = (*x.names, y.scale, y.zero)
    return _written(node, "QLinearSoftmax", MICROSOFT, inputs, y, opset=node.version)


def _concat(state: Rewriting, node: Node, y: Coded) -> Node | None:
    parts = [state.source(name) for name in node.inputs]
    names = [name for part in parts if part for name in part[0].names]
    if len(names) != 3 * len(parts):
        return None
    return _written(node, "QLinearConcat", MICROSOFT, (y.scale, y.zero, *names), y)


GROUPS: dict[str, Build] = {
    "Add": _pair("QLinearAdd"),
    "AveragePool": _single("QLinearAveragePool"),
    "Concat": _concat,
    "Conv": _conv,
    "Gemm": _gemm,
    "GlobalAveragePool": _single("QLinearGlobalAveragePool"),
    "MatMul": _matmul,
    "Mul": _pair("QLinearMul"),
    "Softmax": _softmax,
}
"""Float operators that become one on codes, from (state, node, output); None where they cannot."""
