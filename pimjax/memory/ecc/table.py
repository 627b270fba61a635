"""Decoding by look-up: every syndrome and its verdict, for codes that correct one or two errors."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc.codes import Code
from pimjax.memory.ecc.outcome import Outcome
from pimjax.memory.ecc.verdict import verdict


@cache
def verdict_table(code: Code) -> np.ndarray:
    """(2^(n - k),) uint32: the verdict of each syndrome, at most 2^16 of them.

    The syndromes of at most `t` errors in the word have the verdict that undoes those errors; all
    others are detected. For two errors this is the decoder that solves
    x^2 + S1 x + (S3/S1 + S1^2) = 0: it too finds the one pattern of at most two errors inside the
    word with that syndrome, or none.
    """
    table = np.full(1 << code.parity_bits, verdict(Outcome.DETECTED), np.uint32)
    table[0] = verdict(Outcome.CLEAN)
    for errors in range(1, code.t + 1):
        for bits in combinations(range(code.n), errors):
            syndrome = 0
            for bit in bits:
                syndrome ^= code.columns[bit]
            table[syndrome] = verdict(Outcome.CORRECTED, *bits)
    return table


def table_verdict(code: Code, syndromes: jax.Array) -> jax.Array:
    """The verdicts, uint32, of `syndromes` (uint32 below 2^(n - k))."""
    return jnp.asarray(verdict_table(code)).at[syndromes].get(mode="promise_in_bounds")
