"""Symmetric flips of stored bits: every cell changes state with the same probability."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp


def flip_words(key: jax.Array, shape: tuple[int, ...], bits: int, rate: float) -> jax.Array:
    """Words (int32) whose low `bits` bits are set, each on its own, with probability `rate`.

    Exact to 2^-32. With the same key, the bits set at a rate are a subset of those set at any
    higher rate. Raises ValueError for a rate outside 0..1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate = {rate}: a probability in 0..1 expected")
    if rate == 1:
        return jnp.full(shape, (1 << bits) - 1, jnp.int32)
    threshold = jnp.uint32(min(round(rate * 2**32), 2**32 - 1))
    words = jnp.zeros(shape, jnp.int32)
    for plane in range(bits):
        draws = jax.random.bits(jax.random.fold_in(key, plane), shape, jnp.uint32)
        words = words | ((draws < threshold).astype(jnp.int32) << plane)
    return words


def flip_stored_bits(
    weights: dict[str, jax.Array], bits: int, rate: float, seed: int
) -> dict[str, jax.Array]:
    """Two's complement weight codes by layer, each stored bit flipped with probability `rate`.

    The same seed and layer name meet the same cells, whatever other layers there are.
    """
    key = jax.random.key(seed, impl="threefry2x32")
    sign = 1 << (bits - 1)
    flipped = {}
    for name, codes in weights.items():
        layer_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
        words = codes.astype(jnp.int32) ^ flip_words(layer_key, codes.shape, bits, rate)
        # Back from the bit pattern to a signed code.
        words = ((words & ((sign << 1) - 1)) ^ sign) - sign
        flipped[name] = words.astype(codes.dtype)
    return flipped
