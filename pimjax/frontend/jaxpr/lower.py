"""A jaxpr, walked equation by equation.

Nested functions are walked where they are called, what depends on no input is computed, the rest
becomes layers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

import pimjax.frontend
from pimjax.frontend.jaxpr import moves, products, windows
from pimjax.frontend.jaxpr.builder import Builder, Unsupported
from pimjax.frontend.jaxpr.pointwise import POINTWISE, arithmetic
from pimjax.frontend.jaxpr.values import Constant, Expr, Failed, Shape, Tensor, Value, constant

LOWERINGS: dict[str, Callable[..., Tensor]] = {
    "conv_general_dilated": products.convolution,
    "dot_general": products.product,
    "reduce_window_max": windows.max_pool,
    "reduce_window_min": windows.min_pool,
    "reduce_window_sum": windows.sum_pool,
    "reduce_sum": windows.reduction("sum"),
    "reduce_max": windows.reduction("max"),
    "reduce_min": windows.reduction("min"),
    "reshape": moves.reshape,
    "squeeze": moves.reshape,
    "expand_dims": moves.reshape,
    "broadcast_in_dim": moves.broadcast,
    "transpose": moves.transpose,
    "slice": moves.part,
    "dynamic_slice": moves.dynamic_part,
    "rev": moves.reverse,
    "pad": moves.pad,
    "concatenate": moves.concatenate,
    "stack": moves.stack,
    "tile": moves.tile,
    "gather": moves.take,
}
SEVERAL = {"split": moves.split, "unstack": moves.unstack}
PASSING = {"name", "sharding_constraint", "optimization_barrier"}
OF_ONE_NUMBER = {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice"}
SUPPORTED = (
    "convolution, matrix product, max and average pooling, sums, means and extremes over axes, "
    "arithmetic of two tensors or with constants, activation functions, softmax, reshape, "
    "transpose, slice, pad, concatenate, repeat"
)


def walk(
    builder: Builder, closed: Any, args: Sequence[Value | Failed], at: str = ""
) -> list[Value | Failed]:
    """The values that a jaxpr, called `at` a line of the user's code, returns for `args`."""
    jaxpr, consts = getattr(closed, "jaxpr", closed), getattr(closed, "consts", ())
    known: dict[Any, Value | Failed] = dict(zip(jaxpr.invars, args, strict=True))
    known |= {
        var: constant(np.asarray(value)) for var, value in zip(jaxpr.constvars, consts, strict=True)
    }

    def read(atom: Any) -> Value | Failed:
        if isinstance(atom, Literal):
            return constant(np.asarray(atom.val))
        return known[atom]

    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        known.update(
            zip(eqn.outvars, _results(builder, eqn, operands, at or where(eqn)), strict=True)
        )
    return [read(atom) for atom in jaxpr.outvars]


def _results(
    builder: Builder, eqn: Any, args: list[Value | Failed], at: str
) -> list[Value | Failed]:
    name = eqn.primitive.name
    inner = next((eqn.params[key] for key in ("jaxpr", "call_jaxpr") if key in eqn.params), None)
    called = inner is not None and len(getattr(inner, "jaxpr", inner).invars) == len(args)
    constants = [value for value in args if isinstance(value, Constant)]
    if called and name not in ("scan", "while", "cond"):
        return walk(builder, inner, args, at)
    if len(constants) == len(args):
        return _computed(eqn, constants)
    shapes = [tuple(int(n) for n in var.aval.shape) for var in eqn.outvars]
    if all(0 in shape for shape in shapes):
        return [Constant(np.float32(0), shape) for shape in shapes]
    operands = [usable(builder, value) for value in args]
    if name in PASSING:
        return [*operands]
    try:
        if name in POINTWISE:
            return [_pointwise(builder, eqn, operands, shapes[0], at)]
        if name in SEVERAL:
            return [*SEVERAL[name](builder, operands, eqn.params, shapes)]
        if name in LOWERINGS:
            return [LOWERINGS[name](builder, operands, eqn.params, shapes[0])]
        raise Unsupported("not known")
    except Unsupported as reason:
        return [Failed(f"{name} {at} ({reason})", shape) for shape in shapes]


def usable(builder: Builder, value: Value | Failed) -> Value:
    """The value; a failure, now that it is used, is noted, and something stands in for it."""
    return builder.problem(value.text, value.shape) if isinstance(value, Failed) else value


def _pointwise(builder: Builder, eqn: Any, args: list[Value], shape: Shape, at: str) -> Value:
    roots = {
        value if isinstance(value, Tensor) else value.root
        for value in args
        if not isinstance(value, Constant)
    }
    numbers = all(value.is_number for value in args if isinstance(value, Constant))
    dtype = eqn.outvars[0].aval.dtype
    if dtype not in (np.float32, np.bool_):
        raise Unsupported(f"it makes {dtype} numbers; float32 expected, as with dtype=jnp.float32")
    if len(roots) > 1 or not numbers:
        return arithmetic(builder, eqn.primitive.name, eqn.params, tuple(args), shape)
    is_float = dtype == np.float32
    (root,) = roots
    return Expr(eqn.primitive, eqn.params, tuple(args), shape, is_float, root, at)


def _computed(eqn: Any, args: list[Constant]) -> list[Value | Failed]:
    """The results of an equation of constants."""
    name = eqn.primitive.name
    owners = frozenset[Any]().union(*(value.owners for value in args))
    shapes = [tuple(int(n) for n in var.aval.shape) for var in eqn.outvars]
    numbers = all(value.is_number for value in args)
    if args and numbers and name in OF_ONE_NUMBER:
        return [Constant(args[0].value, shapes[0], owners)]
    single = numbers and name in POINTWISE
    operands = [value.value if single else value.full() for value in args]
    results = eqn.primitive.bind(*operands, **eqn.params)
    results = results if eqn.primitive.multiple_results else [results]
    if single:
        return [Constant(np.asarray(results[0]), shapes[0], owners)]
    return [constant(_plain(result), owners) for result in results]


def _plain(value: Any) -> Any:
    """A NumPy array, unless it is of random keys."""
    return value if jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended) else np.asarray(value)


@cache
def _libraries() -> tuple[str, ...]:
    import flax

    return tuple(os.path.dirname(str(module.__file__)) for module in (jax, flax, pimjax.frontend))


def where(eqn: Any) -> str:
    """The line of the user's code that an equation comes from, as "in NAME, FILE:LINE"."""
    traceback = eqn.source_info.traceback
    for frame in traceback.frames if traceback is not None else ():
        if not frame.file_name.startswith(_libraries()):
            file = os.path.basename(frame.file_name)
            return f"in {frame.function_name}, {file}:{frame.line_num}"
    return ""
