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


def flips_of(verdicts: jax.Array, flips: int, words: int) -> jax.Array:
    """(..., words) uint32 with the bits to flip set, for verdicts of at most `flips` bits.

    Bits past those words, parity bits among them, fall away.
    """
    masks = []
    for index in range(words):
        mask = jnp.zeros_like(verdicts)
        for place in range(flips):
            bit = (verdicts >> 8 * place) & 0xFF
            mask |= (bit // WORD == index).astype(jnp.uint32) << bit % WORD
        masks.append(mask)
    return jnp.stack(masks, axis=-1)
