"""The plain integer convolution, exact modulo 2^32: what a readout without loss collapses to.

XLA's fast integer path takes int8 operands into int32 sums, so 8-bit unsigned codes are shifted
down by 128 (and the shift given back), and wider ones are split into parts of 7 bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.geometry import Geometry
from pimjax.array.rows import tap_views

_PART_BITS = 7

_SPLIT_GROUPS = 64
"""Up to so many groups run as convolutions of their own: up to 6 times faster than one grouped."""


class Part(NamedTuple):
    """int8 codes worth 2^place each, after `shift` was subtracted from them."""

    codes: jax.Array
    place: int
    shift: int


def int8_parts(codes: jax.Array, low: int, high: int) -> list[Part]:
    """`codes` (from `low` to `high`) as a sum of int8 parts: sum (part + shift) 2^place."""
    codes = codes.astype(jnp.int32)
    if low >= -128 and high <= 127:
        return [Part(codes.astype(jnp.int8), 0, 0)]
    if low >= 0 and high <= 255:
        return [Part((codes - 128).astype(jnp.int8), 0, 128)]
    lower = codes & ((1 << _PART_BITS) - 1)
    upper = codes >> _PART_BITS
    rest = int8_parts(upper, low >> _PART_BITS, high >> _PART_BITS)
    return [
        Part(lower.astype(jnp.int8), 0, 0),
        *(Part(part.codes, part.place + _PART_BITS, part.shift) for part in rest),
    ]


def exact_convolution(
    x: jax.Array,
    w: jax.Array,
    x_range: tuple[int, int],
    w_range: tuple[int, int],
    geometry: Geometry,
) -> jax.Array:
    """sum_k x w modulo 2^32, int32 (b, h', w', n), of padded x (b, h, w, c), w (kh, kw, c/g, n)."""
    if geometry.channels_per_group == 1:
        return _depthwise(x, w, geometry)
    total: jax.Array | None = None
    for w_part in int8_parts(w, *w_range):
        column_sums = jnp.sum(w_part.codes, axis=(0, 1, 2), dtype=jnp.int32)
        for x_part in int8_parts(x, *x_range):
            y = _int8_convolution(x_part.codes, w_part.codes, geometry)
            if x_part.shift:
                y = y + x_part.shift * column_sums[None, None, None]
            y = y << (x_part.place + w_part.place)
            total = y if total is None else total + y
    assert total is not None
    return total


def _depthwise(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    # One fused loop over the taps: XLA's own grouped convolutions are 30 to 70 times slower.
    kernel = w.astype(jnp.int32)
    repeated = jnp.repeat(x.astype(jnp.int32), geometry.outputs_per_group, axis=-1)
    taps = tap_views(repeated, geometry)
    kh, kw = geometry.kernel
    return sum(
        (
            tap * kernel[i, j, 0][None, None, None]
            for tap, (i, j) in zip(taps, np.ndindex(kh, kw), strict=True)
        ),
        start=jnp.int32(0),
    )


def _int8_convolution(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    if 1 < geometry.groups <= _SPLIT_GROUPS:
        one = replace(
            geometry,
            in_channels=geometry.channels_per_group,
            out_channels=geometry.outputs_per_group,
            groups=1,
        )
        parts = zip(
            jnp.split(x, geometry.groups, axis=-1),
            jnp.split(w, geometry.groups, axis=-1),
            strict=True,
        )
        return jnp.concatenate([_int8_convolution(a, b, one) for a, b in parts], axis=-1)
    # The barrier keeps XLA from folding the padding of x into the convolution: padded int8
    # convolutions into int32 are computed wrongly on a CPU by jaxlib 0.10.2, and refused by 0.12.
    return jax.lax.conv_general_dilated(
        jax.lax.optimization_barrier(x),
        w,
        window_strides=geometry.stride,
        padding="VALID",
        rhs_dilation=geometry.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=geometry.groups,
        preferred_element_type=jnp.int32,
    )
