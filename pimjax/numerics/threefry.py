"""Counter-based random words: threefry2x32 with 20 rounds.

A word is a function of a key and a counter alone, so that what is drawn for an address does not
depend on what else is drawn, in which order, or on how many devices. Written out here rather than
taken from `jax.random`, whose layout of counters may change between versions.

*Source:* Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class Words(NamedTuple):
    """Two words of 32 bits, uint32 of equal shape: keys, counters and what is drawn."""

    a: Any
    b: Any


def threefry2x32(key: Words, counter: Words) -> Words:
    """Two random words (uint32) for each counter; NumPy or JAX arrays, broadcast together."""
    # A key of fewer axes than the counters belongs to all of them.
    rank = max(np.ndim(counter.a), np.ndim(counter.b))
    key = Words(*(word.reshape((1,) * (rank - word.ndim) + word.shape) for word in key))
    keys = (key.a, key.b, key.a ^ key.b ^ np.uint32(_PARITY))
    a, b = counter.a + keys[0], counter.b + keys[1]
    for block in range(5):
        for places in _ROTATIONS[block % 2]:
            a = a + b
            b = ((b << np.uint32(places)) | (b >> np.uint32(32 - places))) ^ a
        a = a + keys[(block + 1) % 3]
        b = b + keys[(block + 2) % 3] + np.uint32(block + 1)
    return Words(a, b)


def words(a: int, b: int) -> Words:
    """Two Python integers (taken modulo 2^32) as words of shape (1,).

    Arrays rather than scalars: NumPy warns of the wrap-around of scalars.
    """
    return Words(*(np.array([number & 0xFFFFFFFF], np.uint32) for number in (a, b)))


def derived(key: Words, a: int, b: int = 0) -> Words:
    """The key of the branch (a, b) of `key`: other branches, other keys."""
    return threefry2x32(key, words(a, b))


def scaled(draw: Words, size: int) -> Any:
    """A number in 0 .. size - 1 (int32): floor(draw * size / 2^64), for size < 2^31.

    No number is likelier than another by more than a part in 2^64 / size.
    """
    high_low, high = _product(draw.a, size)
    _, low = _product(draw.b, size)
    carry = (high_low + low < high_low).astype(np.uint32)
    return (high + carry).astype(np.int32)


def _product(word: Any, size: int) -> tuple[Any, Any]:
    """(low, high) words of word * size."""
    top, bottom = np.uint32(size >> 16), np.uint32(size & 0xFFFF)
    mask, half = np.uint32(0xFFFF), np.uint32(16)
    word_top, word_bottom = word >> half, word & mask
    low, middle, cross = word_bottom * bottom, word_top * bottom, word_bottom * top
    carried = (low >> half) + (middle & mask) + (cross & mask)
    high = word_top * top + (middle >> half) + (cross >> half) + (carried >> half)
    return (low & mask) | (carried << half), high


def below(draw: Words, limit: Words) -> Any:
    """Whether the 64-bit number of a draw is below that of `limit` (hi word first)."""
    return (draw.a < limit.a) | ((draw.a == limit.a) & (draw.b < limit.b))
