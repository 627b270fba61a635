"""Sums, differences and products of two code tensors, requantised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output
from pimjax.network.requantize import requantize


@dataclass(frozen=True)
class AlignedAdd:
    """out = clamp(requant(requant_a(a') + requant_b(b')) + zero_point), a' = (a - zero_a) 2^shift.

    Or the difference of the branches with `subtract`. One branch may be the array "constant" of
    the image, (1, ...) with the rank of the other; it is the first with `constant_first`. Shapes
    broadcast. Image: fixed-point numbers for the branches with the prefixes "a_" and "b_", and for
    the output. *Source:* reference kernels ADD and SUB of LiteRT (add.h, sub.h).
    """

    place: ClassVar[Place] = "digital"

    output: Output
    in_zeros: tuple[int, int]
    shift: int = 20
    subtract: bool = False
    constant_first: bool = False

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of two code arrays."""
        a, b = (
            requantize((value - zero) << self.shift, "fixed_point", _numbers(params, prefix))
            for value, zero, prefix in zip(
                code_pair(inputs, params, self.constant_first),
                self.in_zeros,
                ("a_", "b_"),
                strict=True,
            )
        )
        return Result(self.output.codes(a - b if self.subtract else a + b, params))


@dataclass(frozen=True)
class Multiply:
    """out = clamp(requant((a - zero_a) (b - zero_b)) + zero_point, low, high).

    Constants and shapes as in `AlignedAdd`. Image: requantiser numbers.
    """

    place: ClassVar[Place] = "digital"

    output: Output
    in_zeros: tuple[int, int]
    constant_first: bool = False

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of two code arrays."""
        a, b = code_pair(inputs, params, self.constant_first)
        product = (a - self.in_zeros[0]) * (b - self.in_zeros[1])
        return Result(self.output.codes(product, params))


def code_pair(
    inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], constant_first: bool
) -> tuple[jax.Array, jax.Array]:
    """Two inputs, or one and the image's "constant", with one shape, int32."""
    pair = (*inputs, params["constant"].astype(jnp.int32)) if "constant" in params else inputs
    a, b = pair[::-1] if constant_first else pair
    shape = jnp.broadcast_shapes(a.shape, b.shape)
    return jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)


def _numbers(params: dict[str, jax.Array], prefix: str) -> dict[str, jax.Array]:
    return {name: params[f"{prefix}{name}"] for name in ("multiplier", "exponent")}
