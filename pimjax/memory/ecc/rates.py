"""How often words cannot be corrected, from the rate of wrong bits, in float64 on the host.

All of it takes wrong bits as independent, each with the same probability p.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.ecc.codes import Code

LONGEST_WORD = 1000


def uncorrectable_word_rate(n: int, t: int, p: ArrayLike) -> np.ndarray:
    """The probability that more than t of n bits are wrong: sum over j > t of the binomial law.

    `p` in 0..1, of any shape; n up to 1000. The terms are summed, never taken from 1, so that rates
    far below 1e-16 keep their digits. For data without a code, n is the number of data bits and
    t = 0. Raises ValueError for numbers outside these ranges.
    """
    if not 1 <= n <= LONGEST_WORD:
        raise ValueError(f"n = {n}: a word of 1..{LONGEST_WORD} bits expected")
    if not 0 <= t <= n:
        raise ValueError(f"t = {t}: 0..{n} of {n} bits can be wrong")
    return np.sum(_binomial(n, p)[..., t + 1 :], axis=-1)


def data_error_rate(code: Code, p: ArrayLike, wrong_bits: Sequence[float] = ()) -> np.ndarray:
    """The expected rate of wrong data bits after the decoder, detected words delivered as read.

    Sum over j of P(j wrong bits in the word) e_j / k, where e_j, the mean number of wrong data bits
    in a decoded word that had j wrong bits, is `wrong_bits[j]` as far as given (`wrong_bits` of
    residual.py measures it), else 0 for j <= t and j k / n above: what it is where all words with
    more than t errors are detected. That is exact to leading order in p for a SECDED code, where
    the rate tends to (n - 1) p^2, 71 p^2 for (72, 64). Raises ValueError for a `p` outside 0..1 and
    for more than n + 1 means.
    """
    if len(wrong_bits) > code.n + 1:
        raise ValueError(
            f"wrong_bits: {len(wrong_bits)} means, but 0..{code.n} errors are possible"
        )
    count = np.arange(code.n + 1)
    expected = np.where(count > code.t, count * (code.k / code.n), 0.0)
    expected[: len(wrong_bits)] = wrong_bits
    return _binomial(code.n, p) @ expected / code.k


def lifetime_word_rate(word_rate: ArrayLike, interval_s: float, life_s: float) -> np.ndarray:
    """The probability that a word fails at least once in a life scrubbed at equal intervals.

    `word_rate` is the probability P that it cannot be corrected after one interval; the result is
    1 - (1 - P)^(life / interval), accurate for P far below 1e-16. A life shorter than the interval
    is refused, as are times that are not positive (ValueError).

    Holds only if errors are fresh in each interval. Cells of low thermal stability fail again and
    again: for those, keep each cell's stability and ask the decoder.
    """
    if not 0 < interval_s <= life_s < np.inf:
        raise ValueError(
            f"interval_s = {interval_s}, life_s = {life_s}: 0 < interval_s <= life_s expected"
        )
    rate = _probability("word_rate", word_rate)
    with np.errstate(divide="ignore"):
        return -np.expm1(life_s / interval_s * np.log1p(-rate))


def _binomial(n: int, p: ArrayLike) -> np.ndarray:
    """(..., n + 1): the probabilities of 0 .. n wrong bits."""
    rate = _probability("p", p)[..., None]
    count = np.arange(n + 1)
    ways = np.array([float(comb(n, int(j))) for j in count])
    return ways * rate**count * (1 - rate) ** (n - count)


def _probability(name: str, value: ArrayLike) -> np.ndarray:
    rate = np.asarray(value, np.float64)
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(f"{name} = {value!r}: a probability in 0..1 expected")
    return rate
