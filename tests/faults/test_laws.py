"""What flips do to weights: closed forms over the bits of a word, and exact symmetries.

Dies are independent, and so are cells: a layer of 512 x 512 equal weights is 262 144 experiments.
The chance that a right library fails here because of the seeds chosen is below 1e-7 in all: some
sixty statements of 1e-9 each.
"""

from functools import cache
from math import comb, sqrt

import numpy as np
import pytest

import pimjax as pj
from tests.faults.build import bits_of, chip_of, flips, program_of, random_codes, stored
from tests.faults.chance import assert_binomial, assert_mean, chi_square_end

SIZE = (512, 512)


@cache
def chip(encoding="twos_complement", bits=8):
    return chip_of(precision={"weight_encoding": encoding, "weight_bits": bits})


def faulty_codes(codes, fault, encoding="twos_complement", seed=0) -> np.ndarray:
    own = chip(encoding)
    program = program_of(own, a=codes)
    return pj.weights(pj.inject(program, [fault], pj.Die(own, seed)))["a"]


def moments(w, p01, p10, encoding="twos_complement", bits=8):
    """Mean, E[e^2], E[e^4] of the error of a code, by convolution over its bits."""
    sides = encoding == "differential"
    weight = 2.0 ** np.arange(bits)
    weight[-1] *= -1 if encoding == "twos_complement" else 1
    if sides:
        half = 2.0 ** np.arange(bits - 1)
        weight = np.concatenate([half, -half])
    precision = chip(encoding, bits).precision
    law = {0.0: 1.0}
    for bit, worth in zip(stored(w, precision), weight, strict=True):
        q, step = (p10, -worth) if bit else (p01, worth)
        after: dict[float, float] = {}
        for value, chance in law.items():
            after[value] = after.get(value, 0) + chance * (1 - q)
            after[value + step] = after.get(value + step, 0) + chance * q
        law = after
    return tuple(sum(c * v**k for v, c in law.items()) for k in (1, 2, 4))


def assert_moments(error, mean, square, fourth):
    assert_mean(error, mean, square - mean**2)
    assert_mean(error.astype(float) ** 2, square, fourth - square**2)


@pytest.mark.parametrize("w", [-128, -1, 0, 5, 100, 127])
@pytest.mark.parametrize("encoding", ["twos_complement", "offset_binary"])
def test_symmetric_flips_of_twos_complement_and_offset_binary(w, encoding):
    """E[e] = -p (1 + 2 w), E[e^2] = p (1 - p) (4^b - 1)/3 + p^2 (2 w + 1)^2."""
    p = 0.015
    mean, square = -p * (1 + 2 * w), p * (1 - p) * (4**8 - 1) / 3 + p**2 * (2 * w + 1) ** 2
    law = moments(w, p, p, encoding)
    assert law[:2] == pytest.approx((mean, square), rel=1e-12)
    got = faulty_codes(np.full(SIZE, w), pj.faults.BitFlip(rate=p), encoding, seed=w + 128)
    assert_moments(got - w, mean, square, law[2])


def test_twos_complement_and_offset_binary_are_one_under_symmetric_flips():
    """Inverting the highest bit commutes with flipping: equal cells, so that equal XORs.

    Both keep bit j of a weight in the same cell, and their words differ in bit 7 alone; so the
    codes modulo 2^8 get the same XOR, and as two's complement integers the same values.
    """
    codes = random_codes(chip(), SIZE)
    for fault in (pj.faults.BitFlip(rate=0.01), pj.faults.BitFlip(rate=0.2)):
        one = faulty_codes(codes, fault, "twos_complement", 7)
        other = faulty_codes(codes, fault, "offset_binary", 7)
        assert (one != codes).any()
        assert (one == other).all()


def test_asymmetric_flips_tell_them_apart():
    """At w = 0 with p01 = 0.03, p10 = 0.005: mean -0.03 against +3.17 (closed forms)."""
    fault = pj.faults.BitFlip(p01=0.03, p10=0.005)
    for encoding, mean in (("twos_complement", -0.03), ("offset_binary", 3.17)):
        law = moments(0, 0.03, 0.005, encoding)
        assert law[0] == pytest.approx(mean, abs=1e-9)
        got = faulty_codes(np.zeros(SIZE, int), fault, encoding, seed=3)
        assert_moments(got, *law)
    codes = random_codes(chip(), SIZE)
    two = [faulty_codes(codes, fault, name, 7) for name in ("twos_complement", "offset_binary")]
    assert (two[0] != two[1]).any()


@pytest.mark.parametrize("w", [-77, 0, 90])
@pytest.mark.parametrize("encoding", ["twos_complement", "offset_binary", "differential"])
def test_asymmetric_mean_and_variance(w, encoding):
    """Mean: sum of s_k 2^k ((1 - b_k) p01 - b_k p10); variance: sum of 4^k q_k (1 - q_k)."""
    p01, p10 = 0.002, 0.013
    bits = stored(w, chip(encoding).precision)
    if encoding == "differential":
        worth = np.concatenate([2.0 ** np.arange(7), -(2.0 ** np.arange(7))])
    else:
        worth = 2.0 ** np.arange(8)
        worth[-1] *= -1 if encoding == "twos_complement" else 1
    q = np.where(bits, p10, p01)
    mean = (worth * np.where(bits, -p10, p01)).sum()
    square = (worth**2 * q * (1 - q)).sum() + mean**2
    law = moments(w, p01, p10, encoding)
    assert law[:2] == pytest.approx((mean, square), rel=1e-12)
    fault = pj.faults.BitFlip(p01=p01, p10=p10)
    assert_moments(faulty_codes(np.full(SIZE, w), fault, encoding, seed=5) - w, *law)


@pytest.mark.parametrize("k", [0, 3, 7])
def test_one_plane_alone(k):
    """E[e^2] = p 4^k, every error being one of size 2^k."""
    codes = random_codes(chip(), SIZE)
    error = faulty_codes(codes, pj.faults.BitFlip(rate=0.01, planes=k), seed=k) - codes
    assert set(np.unique(np.abs(error)).tolist()) == {0, 2**k}
    assert_binomial((error != 0).sum(), error.size, 0.01)


def test_the_highest_bit_has_three_quarters_of_the_error():
    codes = random_codes(chip(), SIZE)
    p = 0.002
    program = program_of(chip(), a=codes)
    faulty = pj.inject(program, [pj.faults.BitFlip(rate=p)], pj.Die(chip(), 2))
    single = flips(program, faulty, "a").sum(axis=-1) == 1
    error = (pj.weights(faulty)["a"] - codes)[single].astype(float) ** 2
    top = error[flips(program, faulty, "a")[single][:, 7]].sum()
    # 3/4 + 1/(4^9 - 4); each flip's share is 4^k of 21845: the standard deviation is below.
    variance = sum(4.0 ** (2 * k) for k in range(8)) / 8 / len(error)
    assert abs(top / error.sum() - 0.75) < 6.2 * sqrt(variance) / 21845 * 8


def test_flips_of_a_word_are_binomial():
    """P(word clean) = (1 - p)^b and P(k flips); plane by plane they are independent."""
    p = 0.15
    program = program_of(chip(), a=random_codes(chip(), SIZE))
    faulty = pj.inject(program, [pj.faults.BitFlip(rate=p)], pj.Die(chip(), 4))
    found = flips(program, faulty, "a")
    counts = found.sum(axis=-1)
    n = counts.size
    assert_binomial((counts == 0).sum(), n, (1 - p) ** 8)
    for k in range(1, 6):
        assert_binomial((counts == k).sum(), n, comb(8, k) * p**k * (1 - p) ** (8 - k))
    for plane in range(8):
        assert_binomial(found[..., plane].sum(), n, p)
    flat = found.reshape(n, 8)
    pairs = [(flat[:, i] & flat[:, j]).sum() for i in range(8) for j in range(i)]
    expected = n * p * p
    # Sums of 28 pairs' squared deviations: chi-square, nearly (they are uncorrelated).
    off = sum((pair - expected) ** 2 for pair in pairs) / (expected * (1 - p * p))
    assert off < 2 * chi_square_end(28)


def test_differential_pairs():
    """E[e] = -2 p w and Var = 2 p (1 - p) (4^(b-1) - 1)/3: each side P, N flips on its own.

    No sign flips: a pair is not the sign and magnitude of the next test.
    """
    p, largest = 0.01, 127
    variance = 2 * p * (1 - p) * (4**7 - 1) / 3
    for w in (-127, -20, 0, 64):
        mean = -2 * p * w
        law = moments(w, p, p, "differential")
        assert law[:2] == pytest.approx((mean, variance + mean**2), rel=1e-12)
        got = faulty_codes(
            np.full(SIZE, w), pj.faults.BitFlip(rate=p), "differential", seed=w + largest
        )
        assert_moments(got - w, *law)


@pytest.mark.parametrize(("reach", "ratio"), [(4, 2.3), (6, 3.0), (8, 3.4)])
def test_ratio_of_the_errors_of_encodings(reach, ratio):
    """Normal weights of max / sigma = reach, small p: MSE ratio 2.3, 3.0, 3.4 of the closed forms.

    Sign and magnitude: p ((4^7 - 1)/3 + 4 E[a^2]), the sign bit turning w into -w. A differential
    pair has two sides of 7 bits in place of the sign: 2 p (4^7 - 1)/3, a ratio of 2 at any spread.
    """
    sigma = 127 / reach
    magnitudes = (4**7 - 1) / 3
    closed = (4**8 - 1) / 3 / (magnitudes + 4 * sigma**2)
    assert closed == pytest.approx(ratio, abs=0.06)
    p = 1e-3
    rng = np.random.default_rng(reach)
    codes = np.clip(np.rint(rng.normal(0, sigma, SIZE)), -127, 127).astype(int)
    error = {
        name: (faulty_codes(codes, pj.faults.BitFlip(rate=p), name, reach) - codes).astype(float)
        for name in ("twos_complement", "differential")
    }
    for name, expected, fourth in (
        ("twos_complement", p * (4**8 - 1) / 3, p * (16**8 - 1) / 15),
        ("differential", 2 * p * magnitudes, 2 * p * (16**7 - 1) / 15),
    ):
        spread = sqrt(fourth / codes.size)
        # Terms of p^2: two flips of a word at once, below a percent of the mean.
        assert abs((error[name] ** 2).mean() - expected) < 6.2 * spread + 0.01 * expected


def test_dot_products():
    """Of x with faulty weights: mean -p sum x (1 + 2 w), variance p (1 - p) (4^b - 1)/3 sum x^2."""
    p = 0.0125
    rng = np.random.default_rng(1)
    x, w = rng.integers(0, 256, 512).astype(float), rng.integers(-128, 128, 512)
    codes = np.repeat(w[:, None], 2048, axis=1)
    error = x @ (faulty_codes(codes, pj.faults.BitFlip(rate=p), seed=9) - codes)
    mean = -p * (x * (1 + 2 * w)).sum()
    variance = p * (1 - p) * (4**8 - 1) / 3 * (x**2).sum()
    assert_mean(error, mean, variance)
    # Sums of 512 terms are normal: the squares have variance 2 variance^2 (1 + kurtosis share).
    assert_mean((error - mean) ** 2, variance, 2.2 * variance**2)


def test_counts_of_a_bit_plane():
    """N1 ones and N0 zeros active: mean N0 p01 - N1 p10, variance N0 p01 q01 + N1 p10 q10."""
    p01, p10 = 0.004, 0.012
    column = random_codes(chip(), (512,), 3)
    codes = np.repeat(column[:, None], 1024, axis=1)
    program = program_of(chip(), a=codes)
    fault = pj.faults.BitFlip(p01=p01, p10=p10)
    before = bits_of(program, "a")
    after = bits_of(pj.inject(program, [fault], pj.Die(chip(), 6)), "a")
    for plane in (0, 4, 7):
        ones = int(before[:, 0, plane].sum())
        zeros = 512 - ones
        change = after[..., plane].sum(axis=0) - before[..., plane].sum(axis=0)
        variance = zeros * p01 * (1 - p01) + ones * p10 * (1 - p10)
        assert_mean(change, zeros * p01 - ones * p10, variance)
        assert_mean((change - (zeros * p01 - ones * p10)) ** 2, variance, 3 * variance**2)


@pytest.mark.parametrize("value", [0, 1])
def test_stuck_cells(value):
    """P(error) = f P(bit is not the value), bit by bit."""
    f = 0.013
    program = program_of(chip(), a=random_codes(chip(), SIZE))
    faulty = pj.inject(program, [pj.faults.StuckAt(value, f)], pj.Die(chip(), 1))
    before, after = bits_of(program, "a"), bits_of(faulty, "a")
    assert (after[before != after] == value).all()
    for plane in (0, 7):
        other = before[..., plane] != value
        assert_binomial((before != after)[..., plane].sum(), other.sum(), f)


def test_every_bit_flipped_is_minus_one_minus_w():
    codes = np.resize(np.arange(-128, 128), SIZE)
    every = pj.faults.BitFlip(rate=1)
    assert (faulty_codes(codes, every) == -1 - codes).all()
    assert (faulty_codes(codes, every, "offset_binary") == -1 - codes).all()


def test_bits_at_a_half_both_ways_are_uniform_codes():
    """A chi-square of 256 codes over 262 144 weights that all were 77; alarm 1e-9."""
    got = faulty_codes(np.full(SIZE, 77), pj.faults.BitFlip(p01=0.5, p10=0.5), seed=12)
    counts = np.bincount((got + 128).ravel(), minlength=256)
    expected = got.size / 256
    assert ((counts - expected) ** 2 / expected).sum() < chi_square_end(255)


@pytest.mark.parametrize("encoding", ["twos_complement", "offset_binary", "differential"])
def test_rate_zero_is_the_identity(encoding):
    own = chip(encoding)
    program = program_of(own, a=random_codes(own, SIZE))
    none = [pj.faults.BitFlip(rate=0), pj.faults.StuckAt(1, 0), pj.faults.FlipCount(0)]
    none += [pj.faults.FlipCells(()), pj.faults.Clusters(0)]
    for faults in ([], none):
        after, report = pj.inject(program, faults, pj.Die(own, 1), report=True)
        assert (pj.weights(after)["a"] == pj.weights(program)["a"]).all()
        assert sum(count for _, count in report.changed) == 0


def test_nothing_flips_twice():
    """Two causes of p and q: a cell flips by either, 1 - (1 - p)(1 - q), never back."""
    p, q = 0.3, 0.25
    program = program_of(chip(), a=random_codes(chip(), SIZE))
    die = pj.Die(chip(), 20)

    def found(*rates):
        faults = [pj.faults.BitFlip(rate=rate) for rate in rates]
        return flips(program, pj.inject(program, faults, die), "a")

    both = found(p, q)
    assert_binomial(both.sum(), both.size, 1 - (1 - p) * (1 - q))
    assert not (found(p) & ~both).any()
    assert not (found(q) & ~both).any()
    assert (found(q, p) == both).all()
    assert found(1.0, 1.0).all()
    assert found(1.0, 0.5).all()
