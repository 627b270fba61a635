"""Words of a code by outcome: expected numbers, from the rate of wrong cells."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc import Code, Outcome, decode, outcomes

_PATTERNS = 4096


class Words(NamedTuple):
    """Words by outcome and wrong bits of data after decoding (detected words as read).

    First drawn ones, then expected ones; `data_bits` is how many bits of data there are.
    """

    drawn: dict[str, int]
    wrong_bits: int
    expected: dict[str, float]
    expected_wrong_bits: float
    data_bits: int


def expected_words(code: Code, words: int, rate: float) -> tuple[dict[str, float], float]:
    """(expected words by outcome, expected wrong bits of data) for cells wrong at a `rate`.

    *Assumption:* cells are wrong independently of each other; broken lines and clusters are not so.
    What becomes of words with more errors than are always corrected or detected is sampled, with
    4096 patterns each.
    """
    chance = _binomial(code.n, rate)
    # Beyond this many errors there is less than one word in 10^15.
    most = int(np.flatnonzero(chance[::-1].cumsum()[::-1] > 1e-15).max(initial=0))
    found = [_by_errors(code, errors) for errors in range(most + 1)]
    shares, wrong = (np.array(part) for part in zip(*found, strict=True))
    by_outcome = (words * (chance[: most + 1] @ shares)).tolist()
    names = [kind.name.lower() for kind in Outcome]
    return dict(zip(names, by_outcome, strict=True)), float(words * (chance[: most + 1] @ wrong))


@cache
def _by_errors(code: Code, errors: int) -> tuple[np.ndarray, float]:
    """(share of words with so many errors by outcome (4,), their mean wrong bits of data)."""
    # As the code is linear, the errors stand for the words.
    data, flag = decode(code, jnp.asarray((_order(code.n) < errors).astype(np.uint8)))
    kinds = np.asarray(outcomes(jnp.zeros_like(data), data, flag))
    shares = np.bincount(kinds, minlength=len(Outcome)) / _PATTERNS
    return shares, float(np.mean(np.sum(np.asarray(data), axis=1)))


@cache
def _order(n: int) -> np.ndarray:
    """An order of the bits for each pattern: its first ones are wrong."""
    return np.argsort(np.random.default_rng(0).random((_PATTERNS, n)), axis=1)


def _binomial(n: int, rate: float) -> np.ndarray:
    """The probabilities of 0 .. n wrong cells, (n + 1,)."""
    chance = np.zeros(n + 1)
    chance[0] = 1.0
    for _ in range(n):
        chance = chance * (1 - rate) + np.concatenate([[0.0], chance[:-1]]) * rate
    return chance
