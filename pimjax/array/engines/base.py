"""What an engine is: one way to compute the integers that SEMANTICS defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.accumulator import add_wide
from pimjax.array.bounds import bound_by_codes, bound_by_shape
from pimjax.array.digital import digital_term, has_digital_term
from pimjax.array.geometry import Geometry
from pimjax.array.rows import input_sums
from pimjax.array.spec import Bitline

INT32_MAX = (1 << 31) - 1


class Counted(NamedTuple):
    """Accumulators and exact clip counts of a tile.

    y (b, h', w', n) int32; clipped_low and clipped_high (b, h') int32, summed over w', n, slices,
    columns and row groups.
    """

    y: jax.Array
    clipped_low: jax.Array
    clipped_high: jax.Array


def _ideal_alone(spec: Bitline) -> str | None:
    return "it has ideal columns alone; use the engine 'auto'"


class Engine(NamedTuple):
    """One way to compute a convolution on the array.

    obstacle(spec): why the engine cannot run such a readout, or None.
    prepare(w, spec, geometry, common): the weights as the engine wants them, once per call;
        `common` as in `cell_codes`, of the shape of w, or None.
    tile(x, prepared, spec, geometry, errors): the result for one tile of padded input codes;
        errors (`Errors`) only where columns are not ideal.
    bytes_per_pixel(spec, geometry): working memory per output pixel, for the tiling.
    columns_obstacle(spec): why the engine cannot run it with non-ideal columns, or None.
    """

    name: str
    obstacle: Callable[[Bitline], str | None]
    prepare: Callable[[jax.Array, Bitline, Geometry, jax.Array | None], Any]
    tile: Callable[..., Counted]
    bytes_per_pixel: Callable[[Bitline, Geometry], int]
    columns_obstacle: Callable[[Bitline], str | None] = _ideal_alone


def needs_wide_groups(spec: Bitline, ideal: bool = True) -> str | None:
    """Why 32-bit row group sums do not do for this readout, or None; `ideal`: with ideal columns.

    Modulo 2^32 is enough for a wrapping accumulator, and with "error" the sums are known to fit;
    a saturating one must see the true sum.
    """
    if spec.accumulator_overflow != "saturate":
        return None
    bound = bound_by_shape if ideal else bound_by_codes
    group = bound(spec, spec.active_wordlines).group
    if group <= INT32_MAX:
        return None
    return (
        f"precision.accumulator_overflow = 'saturate' with row group sums of up to {group}, "
        f"which pass 32 bits; use the engine 'reference'"
    )


def finish(running: jax.Array, x: jax.Array, spec: Bitline, geometry: Geometry) -> jax.Array:
    """The accumulator after the digital term; running (b, h', w', n), x the padded input."""
    if not has_digital_term(spec):
        return running
    sums = input_sums(x, geometry)[..., None]
    term = digital_term(spec, spec.row_groups(geometry.k), sums)
    grouped = rearrange(running, "b h w (g n) -> b h w g n", g=geometry.groups)
    return rearrange(add_wide(grouped, term, spec), "b h w g n -> b h w (g n)")


def counted(
    running: jax.Array,
    low: jax.Array,
    high: jax.Array,
    x: jax.Array,
    spec: Bitline,
    geometry: Geometry,
) -> Counted:
    """The result of a tile from running sums and clip counts by output, (p, g, n) each.

    A count that is zero everywhere may be given as a scalar. x is the padded input (b, h, w, c).
    """
    batch, (height, width) = x.shape[0], geometry.out
    y = finish(running.reshape(batch, height, width, -1), x, spec, geometry)

    def per_row(counts: jax.Array) -> jax.Array:
        if counts.ndim == 0:
            return jnp.zeros((batch, height), jnp.int32)
        return jnp.sum(counts.reshape(batch, height, -1), axis=-1, dtype=jnp.int32)

    return Counted(y, per_row(low), per_row(high))
