"""Pooling on codes: the maximum, or the exact sum with one requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Padding, Pair, resolve_padding
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output


def windows(
    x: jax.Array, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[Any, ...]:
    """The window arguments of `jax.lax.reduce_window` for x (b, h, w, c)."""
    reach = tuple((size - 1) * step + 1 for size, step in zip(window, dilation, strict=True))
    pad = resolve_padding(padding, (x.shape[1], x.shape[2]), reach, stride)  # type: ignore[arg-type]
    sides = ((0, 0), *pad, (0, 0))
    return (1, *window, 1), (1, *stride, 1), sides, (1, 1, 1, 1), (1, *dilation, 1)


@dataclass(frozen=True)
class MaxPool:
    """The largest of each window, codes or real numbers; padding never wins."""

    place: ClassVar[Place] = "digital"

    window: Pair
    stride: Pair
    padding: Padding = "VALID"
    dilation: Pair = (1, 1)

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, h', w', c) of (b, h, w, c)."""
        x = inputs[0]
        lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
        where = windows(x, self.window, self.stride, self.padding, self.dilation)
        return Result(jax.lax.reduce_window(x, jnp.array(lowest, x.dtype), jax.lax.max, *where))


@dataclass(frozen=True)
class AveragePool:
    """The exact sum of each window, requantised once.

    The requantiser's numbers in the image contain the division by the window's size. `in_zero` is
    the input's zero point, taken off each code of the window; padding counts as real zero.
    """

    place: ClassVar[Place] = "digital"

    window: Pair
    stride: Pair
    output: Output
    padding: Padding = "VALID"
    in_zero: int = 0

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h', w', c) of codes (b, h, w, c)."""
        where = windows(inputs[0], self.window, self.stride, self.padding)
        centred = inputs[0] - self.in_zero
        total = jax.lax.reduce_window(centred, jnp.int32(0), jax.lax.add, *where)
        return Result(self.output.codes(total, params))
