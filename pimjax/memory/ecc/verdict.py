"""Verdicts: what a decoder concludes from a syndrome, as one uint32.

The low three bytes name up to three bits of the word to flip (`NO_BIT`: none); the byte above
holds the decoder's flag, an `Outcome` other than `MISCORRECTED`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pimjax.memory.ecc.outcome import Outcome
from pimjax.numerics.packing import WORD

NO_BIT = 255
MOST_FLIPS = 3
FLAG_SHIFT = 24


def verdict(flag: Outcome, *bits: int) -> int:
    """The verdict `flag` with these bits of the word to flip."""
    word = flag << FLAG_SHIFT
    for place in range(MOST_FLIPS):
        word |= (bits[place] if place < len(bits) else NO_BIT) << 8 * place
    return word


def flag_of(verdicts: jax.Array) -> jax.Array:
    """The flags, int8, of `verdicts` (uint32)."""
    return (verdicts >> FLAG_SHIFT).astype(jnp.int8)


def flipped_words(verdicts: jax.Array, flips: int, words: int) -> jax.Array:
    """(..., words) uint32 with the bits to flip set, for verdicts of at most `flips` bits.

    Bits past those words, parity bits among them, fall away.
    """
    mine = _last_axis(words, verdicts)
    mask = jnp.zeros_like(mine)
    for bit in _bits(verdicts, flips, words):
        mask |= (bit // WORD == mine).astype(jnp.uint32) << bit % WORD
    return mask


def flipped_bits(verdicts: jax.Array, flips: int, count: int) -> jax.Array:
    """(..., count) uint8: 1 for the bits to flip; otherwise as `flipped_words`."""
    mine = _last_axis(count, verdicts)
    hit = jnp.zeros(mine.shape, bool)
    for bit in _bits(verdicts, flips, count):
        hit |= bit == mine
    return hit.astype(jnp.uint8)


def _bits(verdicts: jax.Array, flips: int, count: int) -> list[jax.Array]:
    wide = jnp.broadcast_to(verdicts[..., None], (*verdicts.shape, count))
    return [(wide >> 8 * place) & 0xFF for place in range(flips)]


def _last_axis(count: int, verdicts: jax.Array) -> jax.Array:
    shape = (*verdicts.shape, count)
    return jax.lax.broadcasted_iota(jnp.uint32, shape, len(shape) - 1)
