"""A convolution on the array: pad, cut into tiles, run an engine. One compile per shape."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from pimjax.array.columns import Columns, grouped, require_parts
from pimjax.array.effective import Errors
from pimjax.array.encoding import conversions, input_slices
from pimjax.array.engines import Counted, Engine
from pimjax.array.geometry import Geometry
from pimjax.array.noise import tile_place
from pimjax.array.rows import pad_axis
from pimjax.array.spec import Bitline
from pimjax.array.tiling import Start, choose_tiling, map_tiles


@partial(jax.jit, static_argnames=("spec", "geometry", "engine"))
def convolve(
    x: jax.Array,
    w: jax.Array,
    spec: Bitline,
    geometry: Geometry,
    engine: Engine,
    common: jax.Array | None = None,
    columns: Columns | None = None,
    images: jax.Array | None = None,
) -> Counted:
    """Accumulators y (b, h', w', n) int32 and clip counts (b, h') of codes x (b, h, w, c).

    `common`, of the shape of w, is what the cells of both sides of a differential pair hold
    beside the weight codes w (see `cell_codes`). `columns` are the errors of the columns, None
    for ideal ones; `images` (b,) the numbers of the images, int32 or uint32: noise is drawn from
    them, so that it does not depend on the batch. Traceable; codes and errors must be in range
    and the accumulator must have been shown to fit.

    Raises ValueError for columns that the readout or the engine does not have.
    """
    if columns is not None:
        obstacle = engine.columns_obstacle(spec)
        if obstacle is not None:
            raise ValueError(f"engine {engine.name!r}: {obstacle}")
        require_parts(columns, images, spec, geometry)
        columns = grouped(columns, geometry)
    (top, bottom), (left, right) = geometry.pad
    # The barrier keeps what made x (a requantisation, say) from being repeated for every tap.
    padded = jnp.pad(
        jax.lax.optimization_barrier(x), ((0, 0), (top, bottom), (left, right), (0, 0))
    )
    prepared = engine.prepare(w, spec, geometry, common)
    tiling = choose_tiling(x.shape[0], geometry, engine.bytes_per_pixel(spec, geometry))

    def one_tile(part: jax.Array, cut: Geometry, start: Start) -> tuple[jax.Array, ...]:
        if columns is None:
            return engine.tile(part, prepared, spec, cut)
        place = None
        if columns.noisy and images is not None:
            # The last tile may pass the end of the batch: its last images are never seen.
            numbers = pad_axis(images, 0, -(-x.shape[0] // tiling.images) * tiling.images)
            numbers = jax.lax.dynamic_slice_in_dim(numbers, start.image, tiling.images)
            place = tile_place(numbers, start.row, cut)
        return engine.tile(part, prepared, spec, cut, Errors(columns, place))

    return Counted(*map_tiles(one_tile, padded, geometry, tiling))


def conversions_per_output(spec: Bitline, k: int) -> int:
    """ADC conversions behind one output of `k` rows; 0 without an ADC."""
    if spec.adc.kind == "none":
        return 0
    return spec.row_groups(k) * len(input_slices(spec)) * len(conversions(spec))
