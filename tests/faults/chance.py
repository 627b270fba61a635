"""Bounds on counts, with the chance that a right library breaks them.

One die is one experiment; its seed is fixed, so that a test passes always or never. The chances
say how likely a seed is at fault and not the library.
"""

from decimal import Decimal, localcontext
from functools import lru_cache
from math import erfc, exp, log, log1p, sqrt

import numpy as np


def binomial_ends(n: int, p: float, alarm: float = 1e-9) -> tuple[int, int]:
    """Counts (low, high) that a binomial count leaves with a chance of at most `alarm`.

    From Chernoff's bound exp(-n D(k/n || p)) of either tail: exact inequalities, a little wide.
    """
    if p in (0, 1):
        return int(n * p), int(n * p)

    def beyond(k: int) -> float:
        a = k / n
        first = a * log(a / p) if a else 0.0
        second = (1 - a) * (log1p(-a) - log1p(-p)) if a < 1 else 0.0
        return exp(-n * (first + second))

    low, high = int(n * p), -(-int(n * p * 2**20) // 2**20) + 1
    while low > 0 and beyond(low) > alarm / 2:
        low -= max(1, low // 4096)
    while high < n and beyond(high) > alarm / 2:
        high += max(1, high // 4096)
    return max(low, 0), min(high, n)


def assert_binomial(count, n, p, alarm: float = 1e-9) -> None:
    low, high = binomial_ends(int(n), float(p), alarm)
    assert low <= int(count) <= high, f"{count} of {n} at {p}: {low}..{high} expected"


def chi_square_end(freedom: int, alarm: float = 1e-9) -> float:
    """What a chi-square variate passes with a chance of at most `alarm` (Laurent and Massart)."""
    x = -log(alarm)
    return freedom + 2 * sqrt(freedom * x) + 2 * x


def chi_square(counts, expected) -> float:
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    return float(((counts - expected) ** 2 / expected).sum())


def assert_uniform(counts, alarm: float = 1e-9) -> None:
    """Counts of equally likely cells (at least 50 each), by a chi-square of cells - 1 degrees.

    The bound is one of the chi-square law; counts of 50 are as normal as it needs to be.
    """
    counts = np.asarray(counts)
    mean = counts.sum() / counts.size
    assert mean >= 50
    found = chi_square(counts, np.full(counts.shape, mean))
    assert found < chi_square_end(counts.size - 1, alarm), found


def assert_mean(values, mean: float, variance: float, alarm: float = 1e-9) -> None:
    """The average of so many values that it is normal, about a known mean with known variance."""
    values = np.asarray(values, float)
    z = (values.mean() - mean) / sqrt(variance / values.size)
    assert erfc(abs(z) / sqrt(2)) > alarm, f"{z:.2f} deviations from {mean}"


@lru_cache(maxsize=64)
def poisson_cdf(mean: str, k: int) -> Decimal:
    """P(count <= k), summed in 120 digits."""
    with localcontext() as context:
        context.prec = 120
        term = total = (-Decimal(mean)).exp()
        for j in range(1, k + 1):
            term = term * Decimal(mean) / j
            total += term
        return total
