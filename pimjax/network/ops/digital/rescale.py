"""Codes of one scale as codes of another, and a clamp where the scale stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output


@dataclass(frozen=True)
class Rescale:
    """out = clamp(requant(code - in_zero) + zero_point, low, high). Image: requantiser numbers."""

    place: ClassVar[Place] = "digital"

    output: Output
    in_zero: int = 0

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of the new scale."""
        return Result(self.output.codes(inputs[0] - self.in_zero, params))


@dataclass(frozen=True)
class Clamp:
    """Codes held to low .. high: a ReLU or a cap that no layer before it could take over."""

    place: ClassVar[Place] = "digital"

    low: int
    high: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of the same scale."""
        return Result(jnp.clip(inputs[0], self.low, self.high))
