"""Flips of stored bits: exact at both ends, nested over rates, binomial in between."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimjax.memory.faults import flip_stored_bits, flip_words

SHAPES = {"first": (3, 3, 8, 16), "second": (64, 100)}
RATES = [0.0, 1e-9, 1e-4, 1e-2, 0.3, 0.5, 0.999, 1.0]


def stored(bits: int, seed: int = 0) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    half = 2 ** (bits - 1)
    dtype = np.int8 if bits <= 8 else np.int16
    return {
        name: jnp.asarray(rng.integers(-half, half, shape).astype(dtype))
        for name, shape in SHAPES.items()
    }


def flipped_bits(before, after, bits: int) -> dict[str, np.ndarray]:
    """The patterns that changed, as W-bit words."""
    mask = 2**bits - 1
    return {
        name: (np.asarray(before[name], np.int64) ^ np.asarray(after[name], np.int64)) & mask
        for name in before
    }


@pytest.mark.parametrize("bits", [1, 5, 8, 12])
def test_no_rate_changes_nothing(bits):
    weights = stored(bits)
    after = flip_stored_bits(weights, bits, rate=0.0, seed=3)
    for name, codes in weights.items():
        assert after[name].dtype == codes.dtype
        assert (np.asarray(after[name]) == np.asarray(codes)).all()


@pytest.mark.parametrize("bits", [1, 5, 8, 12])
def test_rate_one_inverts_every_stored_bit_and_no_other(bits):
    """All W bits of two's complement inverted: -1 - w."""
    weights = stored(bits)
    after = flip_stored_bits(weights, bits, rate=1.0, seed=3)
    for name, codes in weights.items():
        assert after[name].dtype == codes.dtype
        assert (np.asarray(after[name]) == -1 - np.asarray(codes)).all()


@pytest.mark.parametrize("bits", [1, 5, 8, 12])
@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_codes_stay_codes(bits, rate):
    after = flip_stored_bits(stored(bits), bits, rate, seed=4)
    half = 2 ** (bits - 1)
    for codes in after.values():
        assert np.asarray(codes).min() >= -half
        assert np.asarray(codes).max() < half


def test_faults_of_a_rate_are_among_those_of_any_higher_rate():
    weights = stored(8)
    sets = [flipped_bits(weights, flip_stored_bits(weights, 8, r, seed=5), 8) for r in RATES]
    for lower, higher in pairwise(sets):
        for name in weights:
            assert (lower[name] & ~higher[name] == 0).all()
    counts = [sum(np.bitwise_count(words).sum() for words in found.values()) for found in sets]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[4] < counts[-1] == 8 * sum(map(math.prod, SHAPES.values()))


@pytest.mark.parametrize("rate", [1e-3, 0.1, 0.5, 0.9])
def test_flips_are_as_frequent_as_asked(rate):
    """Binomial(n, rate) over 2^20 bits of each of 8 planes, 6 standard deviations.

    False alarms: below 2e-9 a plane (normal tails; the count of rare flips is 1e3 or more), so
    below 1e-7 for all planes and rates of this test, should the random bits ever change.
    """
    words = np.asarray(flip_words(jax.random.key(6), (2**20,), 8, rate))
    assert words.min() >= 0
    assert words.max() < 256
    deviation = math.sqrt(2**20 * rate * (1 - rate))
    for plane in range(8):
        count = int((words >> plane & 1).sum())
        assert abs(count - 2**20 * rate) < 6 * deviation


def test_bits_of_a_word_flip_independently():
    """Two planes agree to flip with probability 1/4 each way: 6 deviations of 2^20 pairs.

    28 pairs at 2e-9 each: false alarms below 1e-7.
    """
    words = np.asarray(flip_words(jax.random.key(7), (2**20,), 8, 0.5))
    deviation = math.sqrt(2**20 * 0.25 * 0.75)
    for a in range(8):
        for b in range(a):
            both = int((words >> a & words >> b & 1).sum())
            assert abs(both - 2**18) < 6 * deviation


def test_the_smallest_rate_is_not_rounded_to_nothing():
    """2^-32 is one draw in 2^32; 2^-34 rounds to none. Both ends are exact, tried on the words."""
    key = jax.random.key(8)
    draws = np.asarray(jax.random.bits(jax.random.fold_in(key, 0), (1000,), jnp.uint32))
    chosen = int(np.sort(draws)[10])
    rate = chosen / 2**32
    words = np.asarray(flip_words(key, (1000,), 1, rate))
    assert words.sum() == 10
    assert np.asarray(flip_words(key, (1000,), 1, (chosen + 1) / 2**32)).sum() == 11


def test_a_layer_meets_the_same_faults_whatever_other_layers_there_are():
    weights = stored(8)
    together = flip_stored_bits(weights, 8, 0.1, seed=9)
    for name, codes in weights.items():
        alone = flip_stored_bits({name: codes}, 8, 0.1, seed=9)
        assert (np.asarray(alone[name]) == np.asarray(together[name])).all()
    reordered = flip_stored_bits(dict(reversed(weights.items())), 8, 0.1, seed=9)
    assert all((np.asarray(reordered[n]) == np.asarray(together[n])).all() for n in weights)


def test_layers_and_seeds_meet_different_faults():
    """A fixed draw for every layer, or for every seed, is a defect of peers."""
    zeros = {name: jnp.zeros((4, 500), jnp.int8) for name in ("a", "b")}
    first = flip_stored_bits(zeros, 8, 0.5, seed=0)
    second = flip_stored_bits(zeros, 8, 0.5, seed=1)
    for one, other in ((first["a"], first["b"]), (first["a"], second["a"])):
        differing = np.bitwise_count(np.asarray(one ^ other).view(np.uint8)).sum()
        # 16000 fair coins: 6 deviations are 380; false alarms below 2e-9.
        assert abs(int(differing) - 8000) < 380
    again = flip_stored_bits(zeros, 8, 0.5, seed=0)
    assert all((np.asarray(again[name]) == np.asarray(first[name])).all() for name in zeros)


def test_faults_do_not_depend_on_what_is_stored():
    """Symmetric flips: the same cells, whatever they hold."""
    found = [
        flipped_bits(weights, flip_stored_bits(weights, 8, 0.2, seed=10), 8)
        for weights in (stored(8, seed=1), stored(8, seed=2))
    ]
    for name in SHAPES:
        assert (found[0][name] == found[1][name]).all()


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf")])
def test_rates_that_are_no_probability(rate):
    with pytest.raises(ValueError, match=r"rate = .*: a probability in 0\.\.1 expected"):
        flip_words(jax.random.key(0), (3,), 8, rate)


def test_stored_weights_are_not_changed():
    weights = stored(8)
    before = {name: np.asarray(codes).copy() for name, codes in weights.items()}
    flip_stored_bits(weights, 8, 0.5, seed=0)
    assert all((np.asarray(weights[name]) == before[name]).all() for name in weights)
