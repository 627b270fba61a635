"""Reductions and normalisations in float32: average pooling, means, softmax, local response."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Padding, Pair
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.digital.pool import windows
from pimjax.numerics.reals import held, total


def _mean(x: jax.Array, axes: tuple[int, ...], keep: bool) -> jax.Array:
    return total(x, axes, keep) / math.prod(x.shape[axis] for axis in axes)


REDUCTIONS: dict[str, Callable[..., jax.Array]] = {
    "mean": _mean,
    "max": lambda x, axes, keep: jnp.max(x, axis=axes, keepdims=keep),
    "min": lambda x, axes, keep: jnp.min(x, axis=axes, keepdims=keep),
    "sum": total,
}


@dataclass(frozen=True)
class FloatAveragePool:
    """The mean of each window; `count_padding` divides by the whole window at the borders too.

    `tail` (bottom, right): how much of the padding there is only what rounding the output size up
    added; it is never counted.
    """

    place: ClassVar[Place] = "host"

    window: Pair
    stride: Pair
    padding: Padding = "VALID"
    count_padding: bool = False
    dilation: Pair = (1, 1)
    tail: Pair = (0, 0)

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, h', w', c) of (b, h, w, c)."""
        x = inputs[0]
        where = windows(x, self.window, self.stride, self.padding, self.dilation)
        total = jax.lax.reduce_window(x, jnp.float32(0), jax.lax.add, *where)
        counted = jnp.ones((1, *x.shape[1:3], 1), jnp.float32)
        if self.count_padding:
            (top, bottom), (left, right) = where[2][1:3]
            real = ((0, 0), (top, bottom - self.tail[0]), (left, right - self.tail[1]), (0, 0))
            counted = jnp.pad(counted, real, constant_values=1)
            rest = ((0, 0), (0, self.tail[0]), (0, self.tail[1]), (0, 0))
            where = (*where[:2], rest, *where[3:])
        counts = jax.lax.reduce_window(counted, jnp.float32(0), jax.lax.add, *where)
        return Result(total / counts)


@dataclass(frozen=True)
class Reduce:
    """A function of REDUCTIONS over `axes` (0 is the first after the batch)."""

    place: ClassVar[Place] = "host"

    function: str
    axes: tuple[int, ...]
    keep: bool = True

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The reduced numbers; reduced axes stay with length 1 where `keep`."""
        axes = tuple(axis + 1 for axis in self.axes)
        return Result(REDUCTIONS[self.function](inputs[0], axes, self.keep))


@dataclass(frozen=True)
class Softmax:
    """exp(x) / sum exp(x) along `axis`; its logarithm where `log`."""

    place: ClassVar[Place] = "host"

    axis: int
    log: bool = False

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Shares that add up to 1, or their logarithms."""
        # A product just before would be fused with the subtraction of the maximum, but not with the
        # maximum: the two differ by a rounding, and exp of that overflows where x is beyond 1e9.
        x, axis = held(inputs[0]), self.axis + 1
        below = held(x - jnp.max(x, axis=axis, keepdims=True))
        shares = held(jnp.exp(below))
        whole = held(total(shares, (axis,), keep=True))
        return Result(below - jnp.log(whole) if self.log else shares / whole)


@dataclass(frozen=True)
class LocalResponse:
    """x / (bias + alpha / size sum x^2)^beta, summed over `size` neighbouring channels (last axis).

    *Source:* ONNX's LRN.
    """

    place: ClassVar[Place] = "host"

    size: int
    alpha: float
    beta: float
    bias: float

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The normalised numbers."""
        x = inputs[0]
        before = (self.size - 1) // 2
        ones = [1] * (x.ndim - 1)
        sides = [(0, 0)] * (x.ndim - 1) + [(before, self.size - 1 - before)]
        squares = jax.lax.reduce_window(
            x * x, jnp.float32(0), jax.lax.add, (*ones, self.size), (1,) * x.ndim, sides
        )
        return Result(x / (self.bias + self.alpha / self.size * squares) ** self.beta)


@dataclass(frozen=True)
class Interpolate:
    """Linear interpolation along `axis`: element i is the mix of two inputs.

    y[i] = x[lower[i]] (1 - share[i]) + x[upper[i]] share[i]; arrays: "share" (len,) float32.
    """

    place: ClassVar[Place] = "host"

    axis: int
    lower: tuple[int, ...]
    upper: tuple[int, ...]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The interpolated numbers."""
        x, axis = inputs[0], self.axis + 1
        shape = [1] * x.ndim
        shape[axis] = len(self.lower)
        share = params["share"].reshape(shape)
        below = jnp.take(x, jnp.array(self.lower, jnp.int32), axis=axis)
        above = jnp.take(x, jnp.array(self.upper, jnp.int32), axis=axis)
        return Result(below * (1 - share) + above * share)
