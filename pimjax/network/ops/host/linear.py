"""Convolutions and products in float32: an imported float network before it is quantised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Geometry, Padding, Pair, resolve
from pimjax.array.rows import tap_views
from pimjax.network.ops.base import Context, Place, Result


@dataclass(frozen=True)
class FloatConv:
    """A 2D convolution. Arrays: kernel (kh, kw, c/g, n), bias (n,)."""

    place: ClassVar[Place] = "host"

    stride: Pair = (1, 1)
    padding: Padding = "SAME"
    dilation: Pair = (1, 1)
    groups: int = 1

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, h', w', n) of (b, h, w, c)."""
        x, kernel = inputs[0], params["kernel"]
        geometry = resolve(
            x.shape, kernel.shape, self.stride, self.padding, self.dilation, self.groups
        )
        if geometry.channels_per_group == 1 and self.groups > 1:
            y = _depthwise(x, kernel, geometry)
        else:
            y = jax.lax.conv_general_dilated(
                x,
                kernel,
                window_strides=geometry.stride,
                padding=geometry.pad,
                rhs_dilation=geometry.dilation,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=self.groups,
                precision="highest",
            )
        return Result(y + params["bias"][None, None, None])


def _depthwise(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    # One fused loop over the taps: XLA's own grouped convolutions are some 50 times slower.
    padded = jnp.pad(x, ((0, 0), *geometry.pad, (0, 0)))
    taps = tap_views(jnp.repeat(padded, geometry.outputs_per_group, axis=-1), geometry)
    columns = kernel.reshape(-1, kernel.shape[-1])
    products = [tap * columns[k][None, None, None] for k, tap in enumerate(taps)]
    return sum(products[1:], start=products[0])


@dataclass(frozen=True)
class FloatDense:
    """A matrix product along the last axis. Arrays: kernel (k, n), bias (n,)."""

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, ..., n) of (b, ..., k)."""
        y = jnp.matmul(inputs[0], params["kernel"], precision="highest")
        return Result(y + params["bias"].reshape(*[1] * (y.ndim - 1), -1))


@dataclass(frozen=True)
class Affine:
    """x scale + shift per channel (last axis): a batch norm. Arrays: scale (c,), shift (c,)."""

    place: ClassVar[Place] = "host"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The scaled and shifted numbers."""
        leading = [1] * (inputs[0].ndim - 1)
        scale, shift = (params[name].reshape(*leading, -1) for name in ("scale", "shift"))
        return Result(inputs[0] * scale + shift)
