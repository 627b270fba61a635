"""Draws of single cells: functions of a key and a physical address, nothing else."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.memory.device.spread import OCTAVES, PARTS
from pimjax.numerics.threefry import Words, derived, threefry2x32

_CELL = 4
_LAST_OCTAVE = OCTAVES - 1
_PART_BITS = PARTS.bit_length() - 1


def stream_key(key: Words, stream: str, epoch: Any = 0) -> Words:
    """The key of a mechanism; another `epoch` (a write, an interval, a read) draws afresh."""
    named = derived(key, zlib.crc32(stream.encode()))
    epoch = jnp.asarray(epoch, jnp.uint32) if isinstance(epoch, jax.Array) else np.uint32(epoch)
    zero = np.zeros(1, np.uint32)
    return threefry2x32(named, Words(zero + epoch, zero))


def cell_draws(key: Words, macro: Any, site: Any) -> Words:
    """64 random bits of every cell; macro and site uint32, broadcast together."""
    return threefry2x32(derived(key, _CELL), Words(macro, site))


def weakness_class(word: jax.Array) -> jax.Array:
    """The class (int32) of a cell whose frozen word (uint32) this is: see `device.spread`.

    32 z + m, of z leading zeros (at most 24) and the five bits m that follow the leading one (of
    the last octave: that follow the zeros).
    """
    zeros = jnp.minimum(jax.lax.clz(word).astype(jnp.int32), _LAST_OCTAVE)
    bits = 31 - _PART_BITS - zeros + (zeros == _LAST_OCTAVE).astype(jnp.int32)
    part = (word >> bits.astype(jnp.uint32)) & jnp.uint32(PARTS - 1)
    return (zeros << _PART_BITS) + part.astype(jnp.int32)
