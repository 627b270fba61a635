"""What follows an accumulator: requantisation, zero point and clamp."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pimjax.network.requantize import requantize


@dataclass(frozen=True)
class Output:
    """out = clamp(requant(v) + zero_point, low, high).

    ReLU is `low`, a cap is `high`. `rule` is a requantiser's name, its numbers are in the image.
    """

    rule: str
    zero_point: int
    low: int
    high: int

    def codes(self, value: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """Output codes (int32) of int32 accumulators with bias, (..., n)."""
        rescaled = requantize(value, self.rule, params)
        held = jnp.clip(rescaled, self.low - self.zero_point, self.high - self.zero_point)
        return held + self.zero_point
