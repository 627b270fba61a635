"""Which function of one number a chain of primitives is, told by its values.

JAX keeps the names of some activation functions and not of others, and users write their own. So
the chain is evaluated on a grid and compared with the functions that a model has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.frontend.jaxpr.values import Constant, Expr, Path, Tensor, Value
from pimjax.network.ops import Unary
from pimjax.network.ops.host.elementwise import UNARY

T = TypeVar("T")

PASSING = {"copy", "copy_p", "stop_gradient", "convert_element_type"}
FAR = float(1 << 20)
_magnitudes = np.concatenate([np.logspace(-4, 1, 60), np.linspace(0, 12, 241)])
_magnitudes = np.concatenate([_magnitudes, [0.125, 1.0, 50.0, 1e3, FAR]]).astype(np.float32)
GRID = np.unique(np.concatenate([-_magnitudes, _magnitudes]))
FIXED = (
    *("sigmoid", "tanh", "hard_swish", "swish", "gelu", "gelu_tanh", "softplus"),
    *("exp", "log", "sqrt", "floor", "round"),
)


def cuts(expr: Expr) -> Iterator[Tensor | Expr]:
    """Values that all of `expr` depends on, the farthest first: its root, then closer ones."""
    order: dict[int, Expr] = {}

    def visit(value: Value) -> None:
        if isinstance(value, Expr) and id(value) not in order:
            for operand in value.operands:
                visit(operand)
            order[id(value)] = value

    visit(expr)
    yield expr.root
    for value in [*order.values()][:-1]:
        if value.is_float and not _reaches_root(expr, value, {}):
            yield value


def _reaches_root(value: Value, cut: Expr, seen: dict[int, bool]) -> bool:
    """Whether the root is read other than through the cut."""
    if value is cut or isinstance(value, Constant):
        return False
    if isinstance(value, Tensor):
        return True
    if id(value) not in seen:
        seen[id(value)] = any(_reaches_root(item, cut, seen) for item in value.operands)
    return seen[id(value)]


def _folded(
    value: Value,
    cut: Tensor | Expr,
    of_cut: T,
    of_constant: Callable[[Constant], T],
    of_primitive: Callable[[Expr, list[T]], T],
) -> T:
    """The result at `value`, computed upwards from the cut and the constants."""
    found: dict[int, T] = {}

    def at(value: Value) -> T:
        if value is cut or isinstance(value, Tensor):
            return of_cut
        if isinstance(value, Constant):
            return of_constant(value)
        if id(value) not in found:
            found[id(value)] = of_primitive(value, [at(operand) for operand in value.operands])
        return found[id(value)]

    return at(value)


def owners(expr: Expr, cut: Tensor | Expr) -> frozenset[Path]:
    """The modules whose numbers stand between the cut and `expr`."""
    nobody = frozenset[Path]()
    return _folded(
        expr, cut, nobody, lambda known: known.owners, lambda _, items: nobody.union(*items)
    )


Line = tuple[float, float]


def linear(expr: Expr, cut: Tensor | Expr) -> Line | None:
    """(a, b) where `expr` is exactly a x + b of the cut x, else None."""

    def number(known: Constant) -> Line | None:
        value = np.asarray(known.value)
        return (0.0, float(value)) if np.issubdtype(value.dtype, np.number) else None

    itself: Line | None = (1.0, 0.0)
    return _folded(expr, cut, itself, number, _combined)


def _combined(expr: Expr, lines: list[Line | None]) -> Line | None:
    name = expr.primitive.name
    known = [line for line in lines if line is not None]
    if len(known) < len(lines) or name not in (*LINEAR, *PASSING, "max", "min"):
        return None
    (a, b), (c, d) = known[0], known[-1]
    if name in PASSING:
        return (a, b) if expr.is_float else None
    if name in ("max", "min"):
        nothing = (0.0, -math.inf if name == "max" else math.inf)
        if nothing not in (known[0], known[-1]):
            return None
        return known[1] if known[0] == nothing else known[0]
    if (name == "mul" and a and c) or (name == "div" and (c or not d)):
        return None
    return LINEAR[name](a, b, c, d)


LINEAR: dict[str, Callable[..., Line]] = {
    "neg": lambda a, b, c, d: (-a, -b),
    "add": lambda a, b, c, d: (a + c, b + d),
    "add_any": lambda a, b, c, d: (a + c, b + d),
    "sub": lambda a, b, c, d: (a - c, b - d),
    "mul": lambda a, b, c, d: (a * d + b * c, b * d),
    "div": lambda a, b, c, d: (a / d, b / d),
}
"""(a x + b) and (c x + d) combined, where the result is a line."""


def on_grid(expr: Expr, cut: Tensor | Expr) -> np.ndarray:
    """The values of `expr` where the cut takes the values of GRID."""

    def number(known: Constant) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(known.value), GRID.shape)

    def bind(expr: Expr, operands: list[jax.Array]) -> jax.Array:
        return expr.primitive.bind(*operands, **expr.params)

    return np.asarray(_folded(expr, cut, jnp.asarray(GRID), number, bind))


def recognised(values: np.ndarray) -> Unary | None:
    """The function with these values on GRID."""
    at = dict(zip(GRID.tolist(), values.tolist(), strict=True))
    low = -math.inf if at[-FAR] == -FAR else at[-FAR]
    high = math.inf if at[FAR] == FAR else at[FAR]
    slope = (at[0.125] - at[-0.125]) / 0.25
    guesses: list[tuple[str, tuple[float, ...]]] = [
        ("relu", ()),
        ("clip", (low, high)),
        ("abs", ()),
        ("leaky_relu", (-at[-1.0],)),
        ("hard_sigmoid", (1 / 6, 0.5)),
        ("hard_sigmoid", (0.2, 0.5)),
        ("hard_sigmoid", (slope, at[0.0])),
        ("elu", (-at[-FAR] or math.nan,)),
        ("selu", (-at[-FAR] / at[1.0] if at[1.0] and at[-FAR] else math.nan, at[1.0])),
        *((name, ()) for name in FIXED),
    ]
    for name, constants in guesses:
        if any(math.isnan(number) for number in constants) or (name == "clip" and low > high):
            continue
        if np.allclose(_values(name, constants), values, rtol=1e-5, atol=1e-6, equal_nan=True):
            return Unary(name, constants)
    return None


def _values(name: str, constants: tuple[float, ...]) -> np.ndarray:
    return np.asarray(UNARY[name](jnp.asarray(GRID), *constants)) if constants else _fixed(name)


@cache
def _fixed(name: str) -> np.ndarray:
    return np.asarray(UNARY[name](jnp.asarray(GRID)))
