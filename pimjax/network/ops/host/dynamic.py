"""Scales that each image gets from its own range, and codes of them.

*Source:* ONNX's DynamicQuantizeLinear, taken image by image, so that no result depends on what
else is in the batch. In float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.numerics.division import divide

HIGHEST = 255
"""The codes are 0..255."""


@dataclass(frozen=True)
class RangeScale:
    """(max(x, 0) - min(x, 0)) / 255 of each image, 1 for one of zeros."""

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Scales (b,)."""
        low, high = _range(inputs[0])
        scale = divide(high - low, HIGHEST)
        return Result(jnp.where(high == low, jnp.float32(1), scale))


@dataclass(frozen=True)
class RangeZero:
    """The code of 0: round half even(-min(x, 0) / scale), for x (b, ...) and scales (b,)."""

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b,)."""
        low, _ = _range(inputs[0])
        return Result(jnp.rint(jnp.clip(divide(-low, inputs[1]), 0, HIGHEST)).astype(jnp.int32))


@dataclass(frozen=True)
class QuantizeImages:
    """round half even(x / scale) + zero, held to 0..255, for scales (b,) and zero points (b,)."""

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, ...)."""
        x, scale, zero = inputs
        codes = jnp.rint(divide(x, _over(scale, x))) + _over(zero, x).astype(jnp.float32)
        return Result(jnp.clip(codes, 0, HIGHEST).astype(jnp.int32))


@dataclass(frozen=True)
class ScaleImages:
    """x (scale of the image times scale of the channel), for x (b, ..., c) and scales (b,).

    Image: "scale" (c,) or (1,) float32.
    """

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Real numbers (b, ..., c)."""
        x, scale = inputs
        channels = params["scale"].reshape(*[1] * (x.ndim - 1), -1)
        return Result(x * (_over(scale, x) * channels))


def _range(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    axes = tuple(range(1, x.ndim))
    low, high = jnp.min(x, axis=axes), jnp.max(x, axis=axes)
    return jnp.minimum(low, 0), jnp.maximum(high, 0)


def _over(number: jax.Array, x: jax.Array) -> jax.Array:
    return number.reshape(-1, *[1] * (x.ndim - 1))
