"""Functions number by number: activations, and arithmetic with tensors or constants.

A chain of primitives of one tensor waits until its result is needed, and is then written as the
functions it is made of; see `recognise`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pimjax.frontend.jaxpr.builder import Builder, Unsupported
from pimjax.frontend.jaxpr.recognise import PASSING, cuts, linear, on_grid, owners, recognised
from pimjax.frontend.jaxpr.values import Constant, Expr, Path, Shape, Tensor, Value
from pimjax.network.ops import Affine, Binary

COMPARING = {"eq", "ne", "ge", "gt", "le", "lt", "is_finite", "and", "or", "not", "select_n"}
POINTWISE = {
    *PASSING,
    *COMPARING,
    *("add", "add_any", "sub", "mul", "div", "max", "min", "neg", "abs", "sign", "floor", "round"),
    *("pow", "integer_pow", "square", "sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p"),
    *("logistic", "tanh", "erf", "erfc", "clamp", "ceil"),
}
BINARY_OF = {
    **{name: name for name in ("add", "sub", "mul", "div", "max", "min", "pow")},
    "add_any": "add",
}
POWERS = {"square": 2.0, "rsqrt": -0.5}


def tensor_of(builder: Builder, value: Value) -> Tensor:
    """The tensor of a value, its function written as layers if it is one."""
    if isinstance(value, Constant):
        raise Unsupported("a constant takes the place of a tensor")
    return value if isinstance(value, Tensor) else _written(builder, value)


def _written(builder: Builder, expr: Expr) -> Tensor:
    known = builder.written.get(expr)
    if known is None:
        try:
            known = _write(builder, expr)
        except Unsupported as reason:
            known = builder.problem(f"{expr.primitive.name} {expr.where} ({reason})", expr.shape)
        builder.written[expr] = known
    return known


def _write(builder: Builder, expr: Expr) -> Tensor:
    if not expr.is_float:
        raise Unsupported("only float32 numbers are layers")
    for cut in cuts(expr):
        line = linear(expr, cut)
        function = recognised(on_grid(expr, cut)) if line is None else None
        if line is None and function is None:
            continue
        source = tensor_of(builder, cut)
        if function is None:
            assert line is not None
            node = _scaled(builder, source, *line, owners(expr, cut))
        else:
            shape = builder.nodes[source.node].shape
            node = builder.emit(function, (source.node,), shape, None, owners(expr, cut))
        return Tensor(node, expr.shape, source.order)
    return arithmetic(builder, expr.primitive.name, expr.params, expr.operands, expr.shape)


def _scaled(
    builder: Builder, source: Tensor, scale: float, shift: float, owners: frozenset[Path]
) -> int:
    if (scale, shift) == (1.0, 0.0):
        return source.node
    shape = builder.nodes[source.node].shape
    channels = shape[-1:] or (1,)
    params = {"scale": np.full(channels, scale), "shift": np.full(channels, shift)}
    return builder.emit(Affine(), (source.node,), shape, params, owners)


def arithmetic(
    builder: Builder, name: str, params: Any, operands: tuple[Value, ...], shape: Shape
) -> Tensor:
    """One primitive as a layer: arithmetic of two tensors, or of a tensor and a constant."""
    if name == "integer_pow" or name in POWERS:
        exponent = params["y"] if name == "integer_pow" else POWERS[name]
        operands, name = (*operands, Constant(np.float32(exponent), shape)), "pow"
    if name not in BINARY_OF:
        raise Unsupported("it is part of no function that a model has")
    function = BINARY_OF[name]
    first, second = operands
    if isinstance(second, Constant):
        return _with_constant(builder, function, tensor_of(builder, first), second, False, shape)
    if isinstance(first, Constant):
        return _with_constant(builder, function, tensor_of(builder, second), first, True, shape)
    a, b = tensor_of(builder, first), tensor_of(builder, second)
    b = builder.in_order(b, a.order)
    shapes = [builder.nodes[tensor.node].shape for tensor in (a, b)]
    node = builder.emit(Binary(function), (a.node, b.node), np.broadcast_shapes(*shapes))
    return Tensor(node, shape, a.order)


def _with_constant(
    builder: Builder, function: str, x: Tensor, constant: Constant, first: bool, shape: Shape
) -> Tensor:
    held = builder.nodes[x.node].shape
    array = builder.model_constant(constant, x.order)
    per_channel = array.size == array.shape[-1] and array.shape[-1] in (1, *held[-1:])
    if per_channel and (function in ("add", "sub", "mul") or (function == "div" and not first)):
        node = _affine(builder, function, x.node, array.ravel(), first, constant.owners)
        return Tensor(node, shape, x.order)
    op = Binary(function, first)
    wide = np.broadcast_shapes(held, array.shape[1:])
    node = builder.emit(op, (x.node,), wide, {"constant": array}, constant.owners)
    return Tensor(node, shape, x.order)


def _affine(
    builder: Builder,
    function: str,
    node: int,
    number: np.ndarray,
    first: bool,
    owners: frozenset[Path],
) -> int:
    shape = builder.nodes[node].shape
    number = np.broadcast_to(number, shape[-1:] or (1,))
    one, zero = np.ones_like(number), np.zeros_like(number)
    scale, shift = {
        "add": (one, number),
        "sub": (-one, number) if first else (one, -number),
        "mul": (number, zero),
        "div": (np.divide(1, number, where=number != 0, out=np.full_like(number, np.inf)), zero),
    }[function]
    return builder.emit(Affine(), (node,), shape, {"scale": scale, "shift": shift}, owners)
