"""Addition of two branches, each rescaled to the output's scale by its own requantiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.requantize import requantize
from pimjax.numerics import saturating


@dataclass(frozen=True)
class Add:
    """out = clamp(requant_a(a - zero_a) + requant_b(b - zero_b) + zero_point, low, high).

    Image: the numbers of the two requantisers with the prefixes "a_" and "b_".
    """

    place: ClassVar[Place] = "digital"

    rules: tuple[str, str]
    in_zeros: tuple[int, int]
    zero_point: int
    low: int
    high: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of two code arrays of equal shape."""
        total = jnp.zeros_like(inputs[0])
        for value, rule, zero, prefix in zip(
            inputs, self.rules, self.in_zeros, ("a_", "b_"), strict=True
        ):
            numbers = {
                key.removeprefix(prefix): number
                for key, number in params.items()
                if key.startswith(prefix)
            }
            total = saturating.add(total, requantize(value - zero, rule, numbers))
        held = jnp.clip(total, self.low - self.zero_point, self.high - self.zero_point)
        return Result(held + self.zero_point)
