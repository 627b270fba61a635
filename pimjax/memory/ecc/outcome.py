"""What became of a word: the decoder's flag, the truth, and what is handed on."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp


class Outcome(IntEnum):
    """What became of a word. A decoder can only say one of the first three.

    `CLEAN`: no error was seen. `CORRECTED`: errors were seen and undone. `DETECTED`: errors were
    seen that could not be undone. `MISCORRECTED`: the decoder said clean or corrected, yet the data
    are not those that were stored; nothing in the chip can know.
    """

    CLEAN = 0
    CORRECTED = 1
    DETECTED = 2
    MISCORRECTED = 3


Policy = Literal["raw", "zero", "trap"]
POLICIES: tuple[str, ...] = get_args(Policy)
"""What is done with a word whose errors were detected and not corrected."""


class OutcomeCounts(NamedTuple):
    """Numbers of words by outcome; each an int32 scalar, so up to 2^31 - 1 words."""

    clean: jax.Array
    corrected: jax.Array
    detected: jax.Array
    miscorrected: jax.Array


def outcomes(sent: jax.Array, received: jax.Array, flag: jax.Array) -> jax.Array:
    """The `Outcome` (...) int8 of words, from what was stored, what was decoded, and the flag.

    `sent` and `received` are data bits (..., k), or packed words (..., k/32) alike; `received` and
    `flag` come from the decoder, before any policy. A detected word is detected even where its data
    happen to be right.
    """
    wrong = jnp.any(sent != received, axis=-1)
    unnoticed = wrong & (flag != Outcome.DETECTED)
    return jnp.where(unnoticed, jnp.int8(Outcome.MISCORRECTED), flag.astype(jnp.int8))


def count(outcome: jax.Array) -> OutcomeCounts:
    """How many words of an array of outcomes, of any shape, had each outcome."""
    return OutcomeCounts(*(jnp.sum(outcome == kind, dtype=jnp.int32) for kind in Outcome))


def deliver(data: jax.Array, flag: jax.Array, policy: Policy = "raw") -> jax.Array:
    """The data (..., k) that are handed on, of decoded `data` (bits or packed words) and flags.

    Detected words are left as read ("raw"), or become all zeros ("zero"). With "trap" a chip would
    stop: compiled code cannot, so the data stay as read, and the caller raises where the count of
    detected words is not 0. Raises ValueError for another policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy = {policy!r}: {', '.join(map(repr, POLICIES))} allowed")
    if policy != "zero":
        return data
    return jnp.where((flag == Outcome.DETECTED)[..., None], jnp.zeros_like(data), data)
