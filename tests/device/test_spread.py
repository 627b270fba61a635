"""Weakness classes: an exact partition of all words, and averages that are those integrals."""

import math
import random
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest

from pimjax.memory.device import spread


def class_of(word: int) -> int:
    """The class by what the documentation says of a word's bits."""
    zeros = 32 - word.bit_length()
    if zeros >= 24:
        return 24 * 32 + word // 8
    below_the_leading_one = word - (1 << (31 - zeros))
    return zeros * 32 + below_the_leading_one // (1 << (26 - zeros))


def trapezoid(f, low=-38.0, high=38.0, points=200_001):
    """Integral of f against the normal density; the trapezoid rule is spectral for such f."""
    z = np.linspace(low, high, points)
    values = f(z) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float((values.sum() - (values[0] + values[-1]) / 2) * (z[1] - z[0]))


def test_classes_are_a_partition_of_all_words():
    words = spread.class_words()
    assert words.shape == (spread.CLASSES, 2) == (800, 2)
    ordered = sorted(map(tuple, words.tolist()))
    assert ordered[0][0] == 0
    assert ordered[-1][1] == 2**32
    assert all(low < high for low, high in ordered)
    assert all(here[1] == there[0] for here, there in pairwise(ordered))


def test_classes_are_those_of_the_bits_of_a_word():
    words = spread.class_words().tolist()
    draw = random.Random(1)
    some = [draw.getrandbits(draw.randint(1, 32)) for _ in range(20_000)]
    edges = [word for pair in words for word in (pair[0], pair[1] - 1)]
    for word in (0, 1, 7, 8, 255, 256, 2**32 - 1, *some, *edges):
        low, high = words[class_of(word)]
        assert low <= word < high, word


def test_probabilities_are_exact():
    parts = [Fraction(p) for p in spread.class_probabilities()]
    assert sum(parts) == 1
    assert parts[0] == Fraction(1, 64)
    assert parts[-1] == Fraction(1, 2**29)
    assert [Fraction(a) for pair in spread.class_edges() for a in pair] == [
        Fraction(word, 2**32) for pair in spread.class_words().tolist() for word in pair
    ]


def test_quantile_is_the_inverse_of_the_normal_law():
    u = np.array([2.0**-1000, 2.0**-29, 1e-7, 0.02425, 0.3, 0.5, 0.7, 1 - 2.0**-6, 1 - 2.0**-40])
    for part, z in zip(u, spread.quantile(u), strict=True):
        assert z == NormalDist().inv_cdf(part)
        assert math.erfc(-z / math.sqrt(2)) / 2 == pytest.approx(part, rel=1e-11)
    assert spread.quantile([0.0, 1.0]).tolist() == [-math.inf, math.inf]
    assert spread.quantile(0.5).shape == ()


LAWS = {
    "one": lambda z: np.ones_like(z),
    "weak cells lose 1e-14 to 1": lambda z: -np.expm1(-3.2e17 * np.exp(-70 * (1 + 0.1 * z))),
    "rates of e^-100": lambda z: np.exp(-100 - 6 * z),
    "log-normal": lambda z: np.exp(-1.5 * z - 1.5**2 / 2),
    "log-normal, strong cells": lambda z: np.exp(2.5 * z - 2.5**2 / 2),
    "wide log-normal": lambda z: np.exp(-4 * z - 8),
    "very steep": lambda z: -np.expm1(-3.2e17 * np.exp(-113 * np.maximum(1 + 0.3 * z, 0))),
}


@pytest.mark.parametrize("name", LAWS)
def test_classes_add_up_to_the_integral(name):
    law = LAWS[name]
    total = float(np.sum(spread.class_probabilities() * spread.class_mean(law)))
    assert total == pytest.approx(trapezoid(law), rel=1e-8)
    assert float(spread.normal_mean(law)) == pytest.approx(trapezoid(law), rel=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_each_class_is_the_average_over_its_interval(name):
    law = LAWS[name]
    means = spread.class_mean(law)
    normal = NormalDist()
    # The weakest two classes and their neighbours, the middle, the strongest.
    for index in (768, 769, 770, 799, 767, 736, 200, 32, 0, 31):
        low, high = spread.class_edges()[index]
        first = normal.inv_cdf(low) if low > 0 else -38.0
        last = normal.inv_cdf(high) if high < 1 else 38.0
        # The rule's error falls with the square of the step.
        coarse, fine = (trapezoid(law, first, last, n) for n in (100_001, 200_001))
        exact = (4 * fine - coarse) / 3 / (high - low)
        assert means[index] == pytest.approx(exact, rel=1e-6)


def test_weak_classes_fail_more():
    means = spread.class_mean(lambda z: np.exp(-5 * z))
    by_quantile = means[np.argsort(spread.class_edges()[:, 0])]
    assert np.all(np.diff(by_quantile) < 0)


def test_functions_of_many_values_and_of_a_mean_and_spread():
    both = spread.class_mean(lambda d: np.stack([np.exp(-d), d], axis=-1), 40.0, 2.0)
    assert both.shape == (spread.CLASSES, 2)
    total = np.sum(spread.class_probabilities()[:, None] * both, axis=0)
    np.testing.assert_allclose(total, [math.exp(-40 + 2), 40.0], rtol=1e-9)
    np.testing.assert_allclose(
        spread.normal_mean(lambda d: np.stack([np.exp(-d), d], axis=-1), 40.0, 2.0), total, 1e-9
    )
    assert np.all(spread.class_mean(lambda d: d, 3.0, 0.0) == pytest.approx(3.0, rel=1e-10))


def test_log_normal_factor_has_mean_one():
    for sigma in (0.0, 0.5, 1.0, 3.0):
        means = spread.class_mean(lambda z, s=sigma: spread.log_normal_factor(z, s))
        assert np.sum(spread.class_probabilities() * means) == pytest.approx(1, rel=1e-9)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"u = 1\.5: from 0 to 1 expected"):
        spread.quantile([0.5, 1.5])
    with pytest.raises(ValueError, match=r"sigma = -1: from 0 expected"):
        spread.class_mean(lambda z: z, 0.0, -1.0)
    with pytest.raises(TypeError, match="u = 'a': a number expected"):
        spread.quantile("a")
