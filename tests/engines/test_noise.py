"""The normal deviate, gone through outcome by outcome, and the words it is made of."""

from hashlib import sha256
from math import comb
from statistics import NormalDist

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.encoding import conversions
from pimjax.numerics.normal import LARGEST, ONE, deviates, quantiles
from pimjax.numerics.threefry import Words
from tests import oracle
from tests.oracle.columns import deviate, table, threefry
from tests.support import bitline_of, examples

word = st.integers(0, 2**32 - 1)


def distribution() -> tuple[np.ndarray, np.ndarray]:
    """Every value, ascending, and its probability: 2^21 outcomes, equally likely."""
    counts = np.arange(11)
    values = (quantiles()[:, None] + (1418 * counts - 7090)).ravel() / ONE
    chances = np.tile([comb(10, c) / 2**21 for c in counts], 2048)
    order = np.argsort(values)
    return values[order], chances[order]


def test_the_table_is_the_oracles_and_frozen():
    assert quantiles().tolist() == table()
    digest = sha256(quantiles().astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "217fbdf366c46ab7"


def test_moments():
    values, chances = distribution()
    for power, moment, within in ((2, 1, 2e-6), (4, 3, 2e-5), (6, 15, 0.08)):
        assert abs((values**power * chances).sum() - moment) < within
    assert (values == -values[::-1]).all()
    assert 4.7 < values[-1] <= LARGEST / ONE


def test_distribution_function():
    values, chances = distribution()
    normal = NormalDist()
    below = np.cumsum(chances)
    wanted = np.array([normal.cdf(value) for value in values])
    assert np.abs(below - wanted).max() < 4e-4
    for limit, within in ((1, 0.001), (2, 0.007), (3, 0.04), (4, 0.09)):
        tail = chances[values > limit].sum()
        assert abs(tail / normal.cdf(-limit) - 1) < within


@examples(30)
@given(a=word, b=word)
def test_a_deviate_takes_each_bit_once(a, b):
    """Every deviate has 21 bits of its own: changing one bit changes one deviate at most."""
    words = [(a, b)] + [(a ^ 1 << i, b) for i in range(32)] + [(a, b ^ 1 << i) for i in range(32)]
    pairs = np.array(words, np.uint32)
    drawn = np.array(deviates(Words(jnp.asarray(pairs[:, 0]), jnp.asarray(pairs[:, 1]))))
    moved = drawn[:, 1:] != drawn[:, :1]
    assert (moved.sum(axis=0) <= 1).all()
    assert (moved.sum(axis=1) >= 10).all()


def test_the_oracles_generator_gives_the_published_vectors():
    # Known answers of Random123 for threefry2x32 with 20 rounds.
    assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
    ones = (2**32 - 1, 2**32 - 1)
    assert threefry(ones, ones) == (0x1CB996FC, 0xBB002BE7)
    key, counter = (0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)
    assert threefry(key, counter) == (0xC4923A9C, 0x483DF7A0)


def test_no_two_conversions_share_their_bits():
    """Within a small layer every (draw, part) is named by one conversion alone."""
    chip = oracle.OracleChip(act_bits=4, weight_bits=3)
    assert len(conversions(bitline_of(chip))) == 3
    seen = [
        tuple(deviate((1, 2), image, t, pixel, n, j, s, chip) for s in range(4))
        for image in range(2)
        for t in range(2)
        for pixel in range(3)
        for n in range(3)
        for j in range(3)
    ]
    # 108 quadruples of 84 bits: an accidental pair is met once in 1e21.
    assert len(set(seen)) == len(seen)
