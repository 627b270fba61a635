"""Normal deviates in integers: the same numbers on every machine.

A deviate is made of 21 random bits: an entry of a table of 2048 quantiles, chosen by 11 of them,
plus a step for each of the other 10 that is set. The first part is smooth and carries 70 % of the
variance; the second reaches into the tails, and costs no second look-up.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.numerics.threefry import Words

ONE = 4096
"""One standard deviation."""

PER_DRAW = 3
"""Deviates that two random words of 32 bits make."""

_INDEX_BITS, _STEP_BITS = 11, 10
_STEP = 1418
"""What a set bit adds: ten of them have the variance 10 (1418 / 2)^2, 0.3 of ONE^2."""

LARGEST = 19500
"""No deviate is larger in magnitude: 4.76 standard deviations."""


@lru_cache(maxsize=1)
def quantiles() -> np.ndarray:
    """The table (2048,) int32, ascending and symmetric.

    round(a q + b q^3) of the normal quantiles q at (i + 1/2) / 2048, with a and b such that the
    sum of both parts has the variance ONE^2 and the fourth moment 3 ONE^4 of a normal deviate.
    """
    count = 1 << _INDEX_BITS
    normal = NormalDist()
    q = np.array([normal.inv_cdf((i + 0.5) / count) for i in range(count // 2, count)])
    half = _STEP / 2 / ONE
    steps = _STEP_BITS * half**2
    steps_fourth = (3 * _STEP_BITS**2 - 2 * _STEP_BITS) * half**4
    variance = 1 - steps
    kurtosis = (3 - steps_fourth - 6 * steps * variance) / variance**2
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        bent = q + middle * q**3
        more = np.mean(bent**4) / np.mean(bent**2) ** 2 < kurtosis
        low, high = (middle, high) if more else (low, middle)
    bent = q + low * q**3
    upper = np.rint(bent * np.sqrt(variance / np.mean(bent**2)) * ONE).astype(np.int32)
    return np.concatenate([-upper[::-1], upper])


def deviates(draw: Words) -> tuple[Any, ...]:
    """PER_DRAW independent deviates (int32, in 1/ONE) of random words (uint32).

    With words a and b, least significant bit first: bits 0..10 of a index the table and bits
    11..20 of a are counted for the first; the same bits of b for the second; bits 21..31 of a
    and bits 22..31 of b for the third.
    """
    a, b = draw.a, draw.b
    tops = np.uint32(32 - _INDEX_BITS), np.uint32(32 - _STEP_BITS)
    return (
        _deviate(_low(a, _INDEX_BITS), _low(a >> np.uint32(_INDEX_BITS), _STEP_BITS)),
        _deviate(_low(b, _INDEX_BITS), _low(b >> np.uint32(_INDEX_BITS), _STEP_BITS)),
        _deviate(a >> tops[0], b >> tops[1]),
    )


def _low(word: Any, bits: int) -> Any:
    return word & np.uint32((1 << bits) - 1)


def _deviate(index: jax.Array, bits: jax.Array) -> jax.Array:
    table = jnp.asarray(quantiles())
    smooth = table.at[index.astype(jnp.int32)].get(mode="promise_in_bounds")
    steps = jax.lax.population_count(bits).astype(jnp.int32)
    return smooth + (_STEP * steps - _STEP * _STEP_BITS // 2)
