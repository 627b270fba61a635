"""Tiles of output pixels, so that no layer ever holds the patches of a whole large image.

A tile is either several whole images or some output rows of one image. Tiles run one after the
other inside one compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Geometry
from pimjax.array.rows import pad_axis

TILE_BYTES = 48 << 20
"""Working memory that one tile may take; larger tiles were not faster on a CPU."""


@dataclass(frozen=True)
class Tiling:
    """`images` per tile and output `rows` per tile (rows < height only with images = 1)."""

    images: int
    rows: int

    def counts(self, batch: int, height: int) -> tuple[int, int]:
        """Tiles along the batch and along the height."""
        return -(-batch // self.images), -(-height // self.rows)


class Start(NamedTuple):
    """Where a tile begins: its first image in the batch and its first output row, int32."""

    image: jax.Array
    row: jax.Array


def choose_tiling(batch: int, geometry: Geometry, bytes_per_pixel: int) -> Tiling:
    """The largest tiles that stay within TILE_BYTES, evened out."""
    height, width = geometry.out
    pixels = max(1, TILE_BYTES // max(1, bytes_per_pixel))
    if height * width <= pixels:
        tiles = -(-batch // min(batch, pixels // (height * width)))
        return Tiling(-(-batch // tiles), height)
    rows = max(1, pixels // width)
    return Tiling(1, -(-height // -(-height // rows)))


def map_tiles(
    function: Callable[[jax.Array, Geometry, Start], tuple[jax.Array, ...]],
    x: jax.Array,
    geometry: Geometry,
    tiling: Tiling,
) -> tuple[jax.Array, ...]:
    """`function` over all tiles of padded x (b, h, w, c), put together again.

    It receives the padded input of a tile, the tile's geometry and where it begins, and returns
    arrays whose first two axes are (images, rows); the results have (b, h') there.
    """
    batch = x.shape[0]
    height = geometry.out[0]
    image_tiles, row_tiles = tiling.counts(batch, height)
    tile_geometry = replace(geometry, out=(tiling.rows, geometry.out[1]))
    if image_tiles == row_tiles == 1:
        return function(x, tile_geometry, Start(jnp.int32(0), jnp.int32(0)))
    stride, reach = geometry.stride[0], geometry.reach[0]
    rows_in = (tiling.rows - 1) * stride + reach
    x = pad_axis(x, 0, image_tiles * tiling.images)
    needed = (row_tiles - 1) * tiling.rows * stride + rows_in
    x = pad_axis(x, 1, max(needed, x.shape[1]))

    def one(tile: jax.Array) -> tuple[jax.Array, ...]:
        image = (tile // row_tiles) * tiling.images
        row = (tile % row_tiles) * tiling.rows
        corner = (image, row * stride, jnp.int32(0), jnp.int32(0))
        part = jax.lax.dynamic_slice(x, corner, (tiling.images, rows_in, *x.shape[2:]))
        return function(part, tile_geometry, Start(image, row))

    results = jax.lax.map(one, jnp.arange(image_tiles * row_tiles, dtype=jnp.int32))

    def join(parts: jax.Array) -> jax.Array:
        rest = parts.shape[3:]
        parts = parts.reshape(image_tiles, row_tiles, tiling.images, tiling.rows, *rest)
        parts = jnp.moveaxis(parts, 2, 1)
        whole = parts.reshape(image_tiles * tiling.images, row_tiles * tiling.rows, *rest)
        return whole[:batch, :height]

    return tuple(join(parts) for parts in results)
