"""Row groups as packed words: 32 wordlines of one bit plane in a uint32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.encoding import cell_codes, side_bits
from pimjax.array.geometry import Geometry
from pimjax.array.rows import cut_row_groups, join_taps, pad_axis, tap_views, weight_rows
from pimjax.array.spec import Bitline
from pimjax.numerics.packing import WORD, pack_planes, words_for


def packs_once_per_image(spec: Bitline, geometry: Geometry) -> bool:
    """Whether words of 32 channels never straddle a tap or a row group.

    Then pixels are packed once and patches are gathered as words; otherwise the codes of each
    patch are gathered first.
    """
    one_tap = geometry.kernel == (1, 1)
    in_order = one_tap or spec.row_order == "kernel_channel"
    whole_words = geometry.channels_per_group % WORD == 0
    whole_groups = spec.active_wordlines % WORD == 0 or geometry.k <= spec.active_wordlines
    return in_order and whole_words and whole_groups


def pack_weights(w: jax.Array, spec: Bitline, geometry: Geometry) -> tuple[jax.Array, ...]:
    """Packed planes of each side's cells: (t, plane, word, g, n/g) uint32."""
    rows = weight_rows(w, geometry, spec.row_order)
    return tuple(
        _pack_row_groups(side, side_bits(spec), spec.active_wordlines)
        for side in cell_codes(rows, spec)
    )


def _pack_row_groups(rows: jax.Array, bits: int, active_wordlines: int) -> jax.Array:
    groups = cut_row_groups(rows, active_wordlines)
    groups = pad_axis(groups, 1, words_for(groups.shape[1]) * WORD)
    return jnp.moveaxis(pack_planes(groups, bits, axis=1), 0, 1)


def pack_inputs(x: jax.Array, spec: Bitline, geometry: Geometry) -> jax.Array:
    """Packed planes of every patch's row groups: (t, plane, word, p, g) uint32."""
    channels_first = rearrange(x, "b h w (g c) -> c b h w g", g=geometry.groups)
    if packs_once_per_image(spec, geometry):
        planes = pack_planes(channels_first, spec.act_bits, axis=0)
        words = join_taps(tap_views(planes, geometry), "kernel_channel", axis=1)
        words = rearrange(words, "a q b h w g -> q a (b h w) g")
        per_group = words_for(spec.rows_per_group(geometry.k))
        return rearrange(cut_row_groups(words, per_group), "t q a p g -> t a q p g")
    codes = join_taps(tap_views(channels_first, geometry), spec.row_order, axis=0)
    codes = rearrange(codes, "k b h w g -> k (b h w) g")
    return _pack_row_groups(codes, spec.act_bits, spec.active_wordlines)
