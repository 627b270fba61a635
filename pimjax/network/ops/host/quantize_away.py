"""Codes of real numbers with ties away from zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.tensor import TensorSpec
from pimjax.numerics.division import divide


@dataclass(frozen=True)
class QuantizeAway:
    """Codes of real numbers: x / scale rounded half away from zero + zero point, held to the range.

    In float32. *Source:* reference kernel QUANTIZE of LiteRT (reference/quantize.h).
    """

    place: ClassVar[Place] = "host"

    tensor: TensorSpec

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """int32 codes."""
        tensor = self.tensor
        x = divide(inputs[0], tensor.scale)
        whole = jnp.trunc(x)
        rounded = whole + jnp.where(jnp.abs(x - whole) >= 0.5, jnp.sign(x), jnp.float32(0))
        # Held before the zero point is added: float32 has no fractions to lose up to 2^23.
        low, high = tensor.low - tensor.zero_point, tensor.high - tensor.zero_point
        return Result(jnp.clip(rounded, low, high).astype(jnp.int32) + tensor.zero_point)
