"""Probabilities as integers that draws are compared with.

A cell fails with probability p if the first *hit* on it comes before the time t = -ln(1 - p), hits
on every cell being a Poisson process of rate 1: first hits are independent from cell to cell, and
what fails at one rate fails at any higher one. Early hits, up to `SPARSE_TIME`, are drawn as a
list (`memory.hits`); what is left of a high probability is drawn cell by cell (`memory.cells`).

Times and probabilities become 64-bit integers on the host, once; nothing random is ever compared
as a float, so that every machine gives the same cells. They are data: a sweep over rates compiles
once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pimjax.numerics.threefry import Words, below

SPARSE_TIME = 2.0**-6
"""Hits before this time come from a list; a time t is the integer floor(t 2^70) there."""

_TIME_UNIT = 70
_FULL = (1 << 64) - 1
_ALL_ONES = np.uint32(0xFFFFFFFF)


class Levels(NamedTuple):
    """Probabilities of one shape: a cell fails if a hit comes `before`, or its draw is in `rest`.

    Both are 64-bit numbers as (high word, low word).
    """

    before: Words
    rest: Words


def levels(probabilities: Any) -> Levels:
    """The integers of an array of probabilities (float64). Raises ValueError outside 0..1."""
    array = np.asarray(probabilities, np.float64)
    pairs = [_pair(p) for p in array.ravel().tolist()]
    before, rest = (_words([pair[i] for pair in pairs], array.shape) for i in (0, 1))
    return Levels(before, rest)


def sparse_part(probability: float) -> float:
    """The share of a probability that hits before `SPARSE_TIME` account for."""
    return min(probability, -math.expm1(-SPARSE_TIME))


def needs_rest(probability: float) -> bool:
    """Whether a probability is too high for the list of early hits alone."""
    return probability > -math.expm1(-SPARSE_TIME)


def in_rest(draw: Words, rest: Words) -> Any:
    """Whether a cell's own draw fails it; a `rest` of all ones fails every cell."""
    return below(draw, rest) | ((rest.a & rest.b) == _ALL_ONES)


def probability_words(probabilities: Any) -> Words:
    """floor(p 2^64) of an array of probabilities, all ones for 1: what `in_rest` takes."""
    array = np.asarray(probabilities, np.float64)
    return _words([_scaled(p) for p in array.ravel().tolist()], array.shape)


def _pair(p: float) -> tuple[int, int]:
    if not 0 <= p <= 1:
        raise ValueError(f"rate = {p}: a probability in 0..1 expected")
    if p == 1:
        return _FULL, _FULL
    time = -math.log1p(-p)
    if time < SPARSE_TIME:
        return int(time * 2.0**_TIME_UNIT), 0
    return _FULL, _scaled(-math.expm1(SPARSE_TIME - time))


def _scaled(p: float) -> int:
    return min(_FULL, int(p * 2.0**64))


def _words(numbers: list[int], shape: tuple[int, ...]) -> Words:
    high = np.array([number >> 32 for number in numbers], np.uint32).reshape(shape)
    low = np.array([number & 0xFFFFFFFF for number in numbers], np.uint32).reshape(shape)
    return Words(high, low)
