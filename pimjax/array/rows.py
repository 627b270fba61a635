"""From pixels to wordlines: which input drives which row of which row group.

The dot-product index is k = (i KW + j) CIN + c (`kernel_channel`) or (c KH + i) KW + j
(`channel_kernel`), cut into row groups of `active_wordlines`. *Source:* SEMANTICS section 3.

Axis letters: k index, t row group, r row in a group, p pixel, g convolution group, n output.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.encoding import cell_codes
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline


def tap_views(x: jax.Array, geometry: Geometry) -> list[jax.Array]:
    """For every kernel tap (i, j), row by row, the inputs it meets.

    x (..., h, w, g) is padded already; each view is (..., h', w', g).
    """
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    reach_h, reach_w = geometry.reach
    rows = (x.shape[-3] - reach_h) // sh + 1
    columns = (x.shape[-2] - reach_w) // sw + 1
    views = []
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            bottom, right = top + (rows - 1) * sh + 1, left + (columns - 1) * sw + 1
            views.append(x[..., top:bottom:sh, left:right:sw, :])
    return views


def join_taps(taps: list[jax.Array], row_order: str, axis: int) -> jax.Array:
    """The taps' channel axes merged into the dot-product index k, at position `axis`."""
    channel_kernel = row_order == "channel_kernel"
    if channel_kernel:
        joined = jnp.stack(taps, axis=axis + 1)
    else:
        joined = jnp.stack(taps, axis=axis)
    shape = joined.shape
    return joined.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])


def patches(x: jax.Array, geometry: Geometry, row_order: str) -> jax.Array:
    """Input codes in dot-product order, (k, b, h', w', g), of padded x (b, h, w, c)."""
    channels_first = rearrange(x, "b h w (g c) -> c b h w g", g=geometry.groups)
    return join_taps(tap_views(channels_first, geometry), row_order, axis=0)


def weight_rows(w: Any, geometry: Geometry, row_order: str) -> Any:
    """Weight codes in dot-product order, (k, g, n/g), of w (kh, kw, c/g, n), JAX or NumPy."""
    pattern = "kh kw c (g n) -> (kh kw c) g n"
    if row_order == "channel_kernel":
        pattern = "kh kw c (g n) -> (c kh kw) g n"
    return rearrange(w, pattern, g=geometry.groups)


def side_rows(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> tuple[jax.Array, ...]:
    """The non-negative cell codes of each side in dot-product order, (k, g, n/g) int32."""
    rows = weight_rows(w, geometry, spec.row_order)
    both = None if common is None else weight_rows(common, geometry, spec.row_order)
    return cell_codes(rows, spec, both)


def cut_row_groups(rows: jax.Array, active_wordlines: int) -> jax.Array:
    """(k, ...) as (t, r, ...): undriven rows fill up the last row group."""
    k = rows.shape[0]
    size = min(k, active_wordlines)
    groups = -(-k // size)
    padded = pad_axis(rows, 0, groups * size)
    return padded.reshape(groups, size, *rows.shape[1:])


def pad_axis(array: jax.Array, axis: int, length: int) -> jax.Array:
    """`array` with zeros appended along `axis` up to `length`."""
    missing = length - array.shape[axis]
    if missing == 0:
        return array
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, missing)
    return jnp.pad(array, widths)


def input_sums(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Sum of the codes each dot product sees, (b, h', w', g) int32, of padded x (b, h, w, c)."""
    per_pixel = rearrange(x, "b h w (g c) -> b h w g c", g=geometry.groups)
    per_pixel = jnp.sum(per_pixel, axis=-1, dtype=jnp.int32)
    return sum(tap_views(per_pixel, geometry), start=jnp.int32(0))
