"""Element by element in float32: activations, and arithmetic of two tensors or with a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result

UNARY: dict[str, Callable[..., jax.Array]] = {
    "relu": lambda x: jnp.maximum(x, 0),
    "clip": lambda x, low, high: jnp.clip(x, low, high),
    "leaky_relu": lambda x, slope: jnp.where(x >= 0, x, x * slope),
    "elu": lambda x, alpha: jax.nn.elu(x, alpha),
    "selu": lambda x, alpha, gamma: gamma * jax.nn.elu(x, alpha),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "hard_sigmoid": lambda x, slope, shift: jnp.clip(x * slope + shift, 0, 1),
    "hard_swish": lambda x: x * jnp.clip(x / 6 + 0.5, 0, 1),
    "swish": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "softplus": jax.nn.softplus,
    "exp": jnp.exp,
    "log": jnp.log,
    "sqrt": jnp.sqrt,
    "abs": jnp.abs,
    "neg": jnp.negative,
    "floor": jnp.floor,
    "round": jnp.rint,
}
"""Functions of one number, with their constants as further arguments."""

BINARY: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": jnp.divide,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "pow": jnp.power,
    "prelu": lambda x, slope: jnp.where(x >= 0, x, x * slope),
}
"""Functions of two numbers; the shapes broadcast as in NumPy."""


@dataclass(frozen=True)
class Unary:
    """A function of UNARY with its constants."""

    place: ClassVar[Place] = "host"

    function: str
    constants: tuple[float, ...] = ()

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The function of every number."""
        return Result(UNARY[self.function](inputs[0], *self.constants))


@dataclass(frozen=True)
class Binary:
    """A function of BINARY of two tensors, or of one and the array "constant".

    The constant has the tensor's rank, batch axis (1) included; `constant_first` makes it the
    first argument.
    """

    place: ClassVar[Place] = "host"

    function: str
    constant_first: bool = False

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The function of every pair."""
        pair = (*inputs, params["constant"]) if "constant" in params else inputs
        if self.constant_first:
            pair = pair[::-1]
        a, b = pair
        rank = max(a.ndim, b.ndim)
        a, b = (v.reshape(v.shape[0], *[1] * (rank - v.ndim), *v.shape[1:]) for v in (a, b))
        shape = jnp.broadcast_shapes(a.shape, b.shape)
        return Result(BINARY[self.function](jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)))
