"""Encoding and decoding of words, many at once: as packed words or as bits."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from pimjax.memory.ecc.codes import Code
from pimjax.memory.ecc.linear import parities, row_masks
from pimjax.memory.ecc.table import table_verdict
from pimjax.memory.ecc.triple import triple_verdict
from pimjax.memory.ecc.verdict import flag_of, flipped_bits, flipped_words
from pimjax.numerics.packing import WORD, pack_planes, words_for


@partial(jax.jit, static_argnums=0)
def encode_words(code: Code, words: jax.Array) -> jax.Array:
    """The parity bits (...) uint32 of packed data `words` (..., k/32) uint32.

    Data bit i is bit i mod 32 of word i // 32; parity bit i is bit i of the result.
    """
    _check_words(code, words)
    return parities(row_masks(code.columns[: code.k], code.parity_bits), words)


@partial(jax.jit, static_argnums=0)
def decode_words(code: Code, words: jax.Array, parity: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the decoder makes of packed words: data (..., k/32) uint32, flags (...) int8.

    `words` (..., k/32) and `parity` (...), uint32, are a word as it was read, packed as in
    `encode_words`. The flag is `Outcome.CLEAN`, `CORRECTED` or `DETECTED`: what the decoder
    believes, without knowledge of what was stored. The data of a detected word are as read.

    The code is linear, so that the flags and the flipped bits depend on the errors alone: of a
    large memory only the words with errors need decoding, and the errors may stand for the words.
    """
    _check_words(code, words)
    _check_uint32("parity", parity)
    if parity.shape != words.shape[:-1]:
        raise ValueError(
            f"parity: shape {parity.shape}, but words of shape {words.shape} have one "
            f"parity each, {words.shape[:-1]}"
        )
    verdicts = _verdicts(code, words, parity)
    return words ^ flipped_words(verdicts, code.t, code.k // WORD), flag_of(verdicts)


@partial(jax.jit, static_argnums=0)
def encode(code: Code, data: jax.Array) -> jax.Array:
    """The parity bits (..., n-k) uint8 of data bits (..., k), integers or bool, 0 or 1.

    Of any other integer the lowest bit counts. Raises TypeError for a float, ValueError for
    another number of bits.
    """
    return _unpacked(encode_words(code, _packed("data", data, code.k))[..., None], code.parity_bits)


@partial(jax.jit, static_argnums=0)
def decode(code: Code, word: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the decoder makes of words (..., n) of bits: data (..., k) uint8, flags (...) int8.

    A word is its data bits, then its parity bits. Flags as in `decode_words`; bits and errors as
    in `encode`.
    """
    packed = _packed("word", word, code.n)
    verdicts = _verdicts(code, packed[..., : code.k // WORD], packed[..., code.k // WORD])
    data = (word[..., : code.k].astype(jnp.uint8) & 1) ^ flipped_bits(verdicts, code.t, code.k)
    return data, flag_of(verdicts)


def _verdicts(code: Code, words: jax.Array, parity: jax.Array) -> jax.Array:
    decide = triple_verdict if code.t == 3 else table_verdict
    return decide(code, encode_words(code, words) ^ (parity & ((1 << code.parity_bits) - 1)))


def _packed(name: str, bits: jax.Array, count: int) -> jax.Array:
    """(..., words) uint32 of bits (..., count), the last word filled with zeros."""
    if jnp.issubdtype(bits.dtype, jnp.floating) or jnp.issubdtype(bits.dtype, jnp.complexfloating):
        raise TypeError(f"{name}: bits as integers or bool expected, not {bits.dtype}")
    _check_last(name, bits, count, "bits")
    gap = words_for(count) * WORD - count
    whole = jnp.pad(bits.astype(jnp.uint32), [(0, 0)] * (bits.ndim - 1) + [(0, gap)])
    return pack_planes(whole, 1, axis=-1)[0]


def _unpacked(words: jax.Array, count: int) -> jax.Array:
    """(..., count) uint8: the first bits of packed words (..., words)."""
    lanes = jnp.arange(WORD, dtype=jnp.uint32).reshape(*([1] * words.ndim), WORD)
    bits = (words[..., None] >> jnp.broadcast_to(lanes, (*words.shape, WORD))) & 1
    flat = bits.astype(jnp.uint8).reshape(*words.shape[:-1], words.shape[-1] * WORD)
    return flat[..., :count]


def _check_words(code: Code, words: jax.Array) -> None:
    _check_uint32("words", words)
    _check_last("words", words, code.k // WORD, "words of 32 data bits")


def _check_uint32(name: str, array: jax.Array) -> None:
    if array.dtype != jnp.uint32:
        raise TypeError(f"{name}: uint32 expected, not {array.dtype}; view or cast it as uint32")


def _check_last(name: str, array: jax.Array, count: int, what: str) -> None:
    if array.ndim == 0 or array.shape[-1] != count:
        raise ValueError(f"{name}: shape {array.shape}, but its last axis must hold {count} {what}")
