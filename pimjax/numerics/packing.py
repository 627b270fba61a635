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
    split = (*shape[:axis], shape[axis] // WORD, WORD, *shape[axis + 1 :])
    words = codes.reshape(split).astype(jnp.uint32)[None]
    lanes = jnp.arange(WORD, dtype=jnp.uint32).reshape(-1, *([1] * (len(shape) - axis - 1)))
    planes = jnp.arange(bits, dtype=jnp.uint32).reshape(-1, *([1] * len(split)))
    lanes, planes, words = jnp.broadcast_arrays(lanes, planes, words)
    # One fused loop for all planes: a loop for each took three times as long to compile.
    return jnp.sum(((words >> planes) & 1) << lanes, axis=axis + 2, dtype=jnp.uint32)
