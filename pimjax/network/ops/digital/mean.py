"""Sums and means of codes along axes and in windows, beside the requantised `AveragePool`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Padding, Pair
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.digital.pool import windows
from pimjax.network.ops.output import Output


@dataclass(frozen=True)
class Sum:
    """out = clamp(requant(sum of (code - in_zero)) + zero_point, low, high), along `axes`.

    Axis 0 is the first after the batch; summed axes stay with length 1 where `keep`. The
    requantiser's numbers in the image contain the division of a mean.
    """

    place: ClassVar[Place] = "digital"

    axes: tuple[int, ...]
    output: Output
    in_zero: int = 0
    keep: bool = True

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of the sums, one requantiser for all."""
        x, axes = inputs[0], tuple(axis + 1 for axis in self.axes)
        count = math.prod(x.shape[axis] for axis in axes)
        total = x.sum(axis=axes, keepdims=self.keep) - self.in_zero * count
        return Result(self.output.codes(total, params))


@dataclass(frozen=True)
class MeanPool:
    """The mean code of each window, rounded half away from zero and held to low .. high.

    Padding is left out of sum and count; scale and zero point stay. *Source:* reference kernel
    AVERAGE_POOL_2D of LiteRT (pooling.h).
    """

    place: ClassVar[Place] = "digital"

    window: Pair
    stride: Pair
    padding: Padding
    low: int
    high: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h', w', c) of codes (b, h, w, c)."""
        x = inputs[0]
        where = windows(x, self.window, self.stride, self.padding)
        total = jax.lax.reduce_window(x, jnp.int32(0), jax.lax.add, *where)
        ones = jnp.ones((1, *x.shape[1:3], 1), jnp.int32)
        count = jax.lax.reduce_window(ones, jnp.int32(0), jax.lax.add, *where)
        count = jnp.broadcast_to(count, total.shape)
        half = count // 2
        # lax.div cuts towards zero, as C does.
        mean = jax.lax.div(jnp.where(total > 0, total + half, total - half), count)
        return Result(jnp.clip(mean, self.low, self.high))
