"""A convolution on the array: pad, cut into tiles, run an engine. One compile per shape."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from pimjax.array.encoding import conversions, input_slices
from pimjax.array.engines import Counted, Engine
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline
from pimjax.array.tiling import choose_tiling, map_tiles


@partial(jax.jit, static_argnames=("spec", "geometry", "engine"))
def convolve(
    x: jax.Array,
    w: jax.Array,
    spec: Bitline,
    geometry: Geometry,
    engine: Engine,
    common: jax.Array | None = None,
) -> Counted:
    """Accumulators y (b, h', w', n) int32 and clip counts (b, h') of codes x (b, h, w, c).

    `common`, of the shape of w, is what the cells of both sides of a differential pair hold
    beside the weight codes w (see `cell_codes`). Traceable; codes must be in range and the
    accumulator must have been shown to fit.
    """
    (top, bottom), (left, right) = geometry.pad
    # The barrier keeps what made x (a requantisation, say) from being repeated for every tap.
    padded = jnp.pad(
        jax.lax.optimization_barrier(x), ((0, 0), (top, bottom), (left, right), (0, 0))
    )
    prepared = engine.prepare(w, spec, geometry, common)
    tiling = choose_tiling(x.shape[0], geometry, engine.bytes_per_pixel(spec, geometry))

    def one_tile(part: jax.Array, tile_geometry: Geometry) -> tuple[jax.Array, ...]:
        return engine.tile(part, prepared, spec, tile_geometry)

    return Counted(*map_tiles(one_tile, padded, geometry, tiling))


def conversions_per_output(spec: Bitline, k: int) -> int:
    """ADC conversions behind one output of `k` rows; 0 without an ADC."""
    if spec.adc.kind == "none":
        return 0
    return spec.row_groups(k) * len(input_slices(spec)) * len(conversions(spec))
