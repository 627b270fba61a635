"""Bit planes packed 32 to a word, so that one AND and one popcount serve 32 cells."""

from __future__ import annotations

import jax
import jax.numpy as jnp

WORD = 32


def words_for(bits: int) -> int:
    """Number of 32-bit words that hold `bits` bits."""
    return -(-bits // WORD)


def pack_planes(codes: jax.Array, bits: int, axis: int) -> jax.Array:
    """Bit planes 0 .. bits-1 of `codes`, packed along `axis`; shape (bits, ...), uint32.

    `axis` must hold a multiple of 32 codes; code number 32 q + r along it becomes bit r of word q.
    Only the low `bits` bits count, so two's complement codes may be passed as they are.
    """
    axis %= codes.ndim
    shape = codes.shape
    split = codes.reshape(*shape[:axis], shape[axis] // WORD, WORD, *shape[axis + 1 :])
    words = split.astype(jnp.uint32)
    lanes = jnp.arange(WORD, dtype=jnp.uint32).reshape(-1, *([1] * (len(shape) - axis - 1)))
    lanes = jnp.broadcast_to(lanes, words.shape)
    return jnp.stack(
        [
            jnp.sum(((words >> plane) & 1) << lanes, axis=axis + 1, dtype=jnp.uint32)
            for plane in range(bits)
        ]
    )
