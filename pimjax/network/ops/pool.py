"""Pooling on codes: the maximum, or the exact sum with one requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Padding, Pair, resolve_padding
from pimjax.network.ops.base import Context, Result
from pimjax.network.ops.conv import Output

_LOWEST = -(1 << 31)


def _windows(x: jax.Array, window: Pair, stride: Pair, padding: Padding) -> tuple[Any, ...]:
    pad = resolve_padding(padding, (x.shape[1], x.shape[2]), window, stride)
    return (1, *window, 1), (1, *stride, 1), ((0, 0), *pad, (0, 0))


@dataclass(frozen=True)
class MaxPool:
    """The largest code of each window; padding never wins."""

    window: Pair
    stride: Pair
    padding: Padding = "VALID"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h', w', c) of codes (b, h, w, c)."""
        windows = _windows(inputs[0], self.window, self.stride, self.padding)
        lowest = jnp.int32(_LOWEST)
        return Result(jax.lax.reduce_window(inputs[0], lowest, jax.lax.max, *windows))


@dataclass(frozen=True)
class AveragePool:
    """The exact sum of each window, requantised once.

    The requantiser's numbers in the image contain the division by the window's size. `in_zero` is
    the input's zero point, taken off each code of the window; padding counts as real zero.
    """

    window: Pair
    stride: Pair
    output: Output
    padding: Padding = "VALID"
    in_zero: int = 0

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h', w', c) of codes (b, h, w, c)."""
        windows = _windows(inputs[0], self.window, self.stride, self.padding)
        centred = inputs[0] - self.in_zero
        total = jax.lax.reduce_window(centred, jnp.int32(0), jax.lax.add, *windows)
        return Result(self.output.codes(total, params))
