"""Row groups as packed words: 32 wordlines of one bit plane in a uint32."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.encoding import side_bits
from pimjax.array.geometry import Geometry
from pimjax.array.rows import cut_row_groups, join_taps, pad_axis, side_rows, tap_views
from pimjax.array.spec import Bitline
from pimjax.numerics.packing import WORD, pack_planes, words_for

MOST_PIECES = 512


class Piece(NamedTuple):
    """A run of channels of one tap, as it lies in a packed row group.

    `size` bits from bit `source_bit` on of word `source_word` of the tap's pixel go to bit
    `target_bit` on of word `word` of row group `group`.
    """

    tap: int
    source_word: int
    source_bit: int
    size: int
    group: int
    word: int
    target_bit: int


def packs_pixels(spec: Bitline, geometry: Geometry) -> bool:
    """Whether pixels are packed once and patches put together from their words.

    In the order `channel_kernel` neighbouring rows come from different pixels, unless there is
    one tap: then the codes of each patch are gathered first and packed. So they are where row
    groups are so short that there would be a great many pieces to compile.
    """
    in_order = spec.row_order == "kernel_channel" or geometry.kernel == (1, 1)
    return in_order and len(pieces(spec, geometry)) <= MOST_PIECES


def pieces(spec: Bitline, geometry: Geometry) -> list[Piece]:
    """How the packed channels of all taps fill the row groups, in row order."""
    channels, group_size = geometry.channels_per_group, spec.rows_per_group(geometry.k)
    found = []
    row, end = 0, geometry.k
    while row < end:
        tap, channel = divmod(row, channels)
        group, position = divmod(row, group_size)
        size = min(
            channels - channel,
            WORD - channel % WORD,
            group_size - position,
            WORD - position % WORD,
        )
        found.append(
            Piece(
                tap,
                channel // WORD,
                channel % WORD,
                size,
                group,
                position // WORD,
                position % WORD,
            )
        )
        row += size
    return found


def pack_weights(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> tuple[jax.Array, ...]:
    """Packed planes of each side's cells: (t, plane, word, g, n/g) uint32."""
    return tuple(
        _pack_row_groups(side, side_bits(spec), spec.active_wordlines)
        for side in side_rows(w, spec, geometry, common)
    )


def pack_inputs(x: jax.Array, spec: Bitline, geometry: Geometry) -> jax.Array:
    """Packed planes of every patch's row groups: (t, plane, word, p, g) uint32."""
    channels_first = rearrange(x, "b h w (g c) -> c b h w g", g=geometry.groups)
    if packs_pixels(spec, geometry):
        whole_words = pad_axis(channels_first, 0, words_for(channels_first.shape[0]) * WORD)
        planes = pack_planes(whole_words, spec.act_bits, axis=0)
        return _assemble(tap_views(planes, geometry), spec, geometry)
    codes = join_taps(tap_views(channels_first, geometry), spec.row_order, axis=0)
    codes = rearrange(codes, "k b h w g -> k (b h w) g")
    return _pack_row_groups(codes, spec.act_bits, spec.active_wordlines)


def _assemble(taps: list[jax.Array], spec: Bitline, geometry: Geometry) -> jax.Array:
    """Row groups (t, plane, word, p, g) from packed taps (plane, word, b, h', w', g)."""
    taps = [rearrange(tap, "a q b h w g -> a q (b h w) g") for tap in taps]
    words = words_for(spec.rows_per_group(geometry.k))
    filled: dict[tuple[int, int], jax.Array] = {}
    for piece in pieces(spec, geometry):
        bits = taps[piece.tap][:, piece.source_word] >> piece.source_bit
        if piece.size < WORD:
            bits = (bits & ((1 << piece.size) - 1)) << piece.target_bit
        place = piece.group, piece.word
        filled[place] = filled[place] | bits if place in filled else bits
    empty = jnp.zeros_like(taps[0][:, 0])
    groups = [
        jnp.stack([filled.get((group, word), empty) for word in range(words)], axis=1)
        for group in range(spec.row_groups(geometry.k))
    ]
    return jnp.stack(groups)


def _pack_row_groups(rows: jax.Array, bits: int, active_wordlines: int) -> jax.Array:
    groups = cut_row_groups(rows, active_wordlines)
    groups = pad_axis(groups, 1, words_for(groups.shape[1]) * WORD)
    return jnp.moveaxis(pack_planes(groups, bits, axis=1), 0, 1)
