"""The choice an engine's user should not have to make.

One integer convolution where nothing can be lost; where that depends on the weights, the compiled
program decides by the weights it gets; packed popcount for the rest; and the reference where a
sum does not fit 32 bits.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.engines import dot, popcount
from pimjax.array.engines.base import Counted, Engine, needs_wide_groups
from pimjax.array.engines.packed_rows import pack_weights
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit


class Prepared(NamedTuple):
    """Weights for both branches, and which of them to take."""

    codes: jax.Array
    packed: tuple[jax.Array, ...]
    lossless: jax.Array


def prepare(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> Prepared:
    """Codes, packed planes, and the lossless proof where it depends on the weights."""
    sides = pack_weights(w, spec, geometry, common)
    if dot.collapses(spec, geometry.k) or not dot.may_collapse(spec, geometry.k):
        return Prepared(w, sides, jnp.array(False))
    return Prepared(w, sides, dot.columns_collapse(partial(_column_sums, sides), spec))


def _column_sums(sides: tuple[jax.Array, ...], side: int, digit: Digit) -> jax.Array:
    """Sums (t, g, n) of a column's cell digits, counted in packed planes."""
    planes = sides[side][:, digit.low : digit.low + digit.width]
    counts = jnp.sum(jax.lax.population_count(planes), axis=2, dtype=jnp.uint32)
    places = jnp.arange(digit.width, dtype=jnp.uint32)[None, :, None, None]
    places = jnp.broadcast_to(places, counts.shape)
    return jnp.sum(counts << places, axis=1, dtype=jnp.uint32).astype(jnp.int32)


def tile(x: jax.Array, prepared: Prepared, spec: Bitline, geometry: Geometry) -> Counted:
    """Accumulators and clip counts of one tile of padded codes x (b, h, w, c)."""
    if not dot.may_collapse(spec, geometry.k):
        return popcount.tile(x, prepared.packed, spec, geometry)
    if dot.collapses(spec, geometry.k):
        return dot.collapsed_tile(x, prepared.codes, spec, geometry)
    return jax.lax.cond(
        prepared.lossless,
        lambda: dot.collapsed_tile(x, prepared.codes, spec, geometry),
        lambda: popcount.tile(x, prepared.packed, spec, geometry),
    )


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """That of the branch which will run, as far as it is known."""
    engine = dot if dot.collapses(spec, geometry.k) else popcount
    return engine.bytes_per_pixel(spec, geometry)


ENGINE = Engine("auto", needs_wide_groups, prepare, tile, bytes_per_pixel)
