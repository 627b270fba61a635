"""Between codes and real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.tensor import TensorSpec
from pimjax.numerics.division import divide


@dataclass(frozen=True)
class Quantize:
    """Codes of real numbers: round half even(x / scale) + zero point, held to the range.

    In float32, as ONNX's QuantizeLinear.
    """

    place: ClassVar[Place] = "host"

    tensor: TensorSpec

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """int32 codes."""
        tensor = self.tensor
        codes = jnp.rint(divide(inputs[0], tensor.scale)) + jnp.float32(tensor.zero_point)
        return Result(jnp.clip(codes, tensor.low, tensor.high).astype(jnp.int32))


@dataclass(frozen=True)
class Dequantize:
    """Real numbers of codes: (code - zero_point) scale in float32, as ONNX's DequantizeLinear."""

    place: ClassVar[Place] = "host"

    tensor: TensorSpec

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """float32 numbers."""
        centred = (inputs[0] - self.tensor.zero_point).astype(jnp.float32)
        return Result(centred * jnp.float32(self.tensor.scale))
