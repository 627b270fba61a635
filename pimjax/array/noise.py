"""Noise of conversions: fresh at each, and the same whatever else is computed, in what order.

A conversion is named by its image, row group, output pixel, output channel, column and slice; its
noise is a function of the layer's key and that name alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.columns import ROOTS, Group
from pimjax.array.encoding import conversions, input_slices
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline
from pimjax.numerics.normal import ONE, PER_DRAW, deviates
from pimjax.numerics.threefry import Words, threefry2x32


class Place(NamedTuple):
    """Where the pixels of a tile are: uint32 (p,) each.

    image: the number of the image; pixel: h' W' + w' in the output of the whole layer.
    """

    image: jax.Array
    pixel: jax.Array


def tile_place(images: jax.Array, first_row: jax.Array, geometry: Geometry) -> Place:
    """The places of a tile of these images (b,) that begins with an output row."""
    height, width = geometry.out
    rows = first_row.astype(jnp.uint32) + jnp.arange(height, dtype=jnp.uint32)
    pixels = rows[:, None] * width + jnp.arange(width, dtype=jnp.uint32)[None]
    shape = (images.shape[0], height, width)
    image = jnp.broadcast_to(images.astype(jnp.uint32)[:, None, None], shape)
    return Place(image.reshape(-1), jnp.broadcast_to(pixels[None], shape).reshape(-1))


def group_key(key: jax.Array, place: Place, row_group: jax.Array) -> Words:
    """Keys (p,) of one row group: threefry(key, (image, t))."""
    return threefry2x32(Words(key[0], key[1]), Words(place.image, row_group.astype(jnp.uint32)))


def column_deviates(
    keys: Words, place: Place, j: int, spec: Bitline, geometry: Geometry
) -> list[jax.Array]:
    """A normal deviate (p, g, n/g) for every input slice of conversion j, in 1/4096.

    Slice s of output channel n takes deviate s mod 3 of threefry(key of the row group, (pixel,
    (n J + j) B + floor(s / 3))), with J conversions and B = ceil(slices / 3) draws for each.
    """
    slices, count = len(input_slices(spec)), len(conversions(spec))
    draws = -(-slices // PER_DRAW)
    outputs = jnp.arange(geometry.out_channels, dtype=jnp.uint32)
    outputs = outputs.reshape(1, geometry.groups, geometry.outputs_per_group)
    first = (outputs * count + j) * draws
    # Arrays of one shape from here on, so that everything is one fused loop.
    shape = (place.pixel.shape[0], *outputs.shape[1:])
    a, b, pixel = (jnp.broadcast_to(v[:, None, None], shape) for v in (*keys, place.pixel))
    found: list[jax.Array] = []
    for draw in range(draws):
        counter = Words(pixel, jnp.broadcast_to(first + draw, shape))
        found.extend(deviates(threefry2x32(Words(a, b), counter)))
    return found[:slices]


def noise(deviate: jax.Array, sigma: jax.Array) -> jax.Array:
    """floor(deviate sigma / 4096 + 1/2), int32 in 1/256 cell."""
    return (deviate * sigma + ONE // 2) >> 12


def sigma_of(active: jax.Array, driven: Any, group: Group) -> jax.Array:
    """Standard deviation of the noise in 1/256 cell, () or of the shape of `active` (p, g, n).

    active, driven: A and D of `Columns`.
    """
    if group.noise_variance is None:
        return group.noise_sigma
    fixed, per_driven, per_active = (group.noise_variance[i] for i in range(3))
    index = fixed + per_driven * driven + per_active * active
    index = jnp.minimum(index, ROOTS - 1)
    return group.noise_root.at[index].get(mode="promise_in_bounds")
