"""Rates of failing words: exact fractions, published digits, and decoded words."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pimjax.memory import ecc
from tests.ecc import oracle
from tests.ecc.bits import ROWS, decode_rows
from tests.support import examples


def exact_rate(n: int, t: int, p: Fraction) -> Fraction:
    return sum((comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(t + 1, n + 1)), Fraction(0))


@pytest.mark.parametrize(
    ("p", "secded", "double", "triple"),
    [
        (1e-6, "2.6e-09", "7.6e-14", "2.1e-17"),
        (1e-5, "2.6e-07", "7.6e-11", "2.1e-13"),
        (1e-4, "2.5e-05", "7.6e-08", "2.1e-09"),
        (1e-3, "2.4e-03", "7.2e-05", "1.9e-05"),
    ],
)
def test_published_rates(p, secded, double, triple):
    rates = [ecc.uncorrectable_word_rate(n, t, p) for n, t in ((72, 1), (78, 2), (152, 3))]
    assert [f"{rate:.1e}" for rate in rates] == [secded, double, triple]


@pytest.mark.parametrize(
    ("p", "none", "secded", "double"),
    [
        (1e-6, "336", "0.013", "4e-07"),
        (1e-5, "3.4e+03", "1.3", "0.0004"),
        (1e-4, "3.3e+04", "133", "0.40"),
        (1e-3, "3.25e+05", "1.28e+04", "377"),
    ],
)
def test_published_numbers_of_bad_words_in_40_mib(p, none, secded, double):
    words = 40 * 2**20 * 8 // 64
    printed = {"336": ".0f", "133": ".0f", "377": ".0f", "0.013": ".2g", "1.3": ".2g"}
    printed |= {"4e-07": ".1g", "0.0004": ".1g", "0.40": ".2f", "3.4e+03": ".1e"}
    printed |= {"3.3e+04": ".1e", "3.25e+05": ".2e", "1.28e+04": ".2e"}
    for text, (n, t) in ((none, (64, 0)), (secded, (72, 1)), (double, (78, 2))):
        assert f"{words * float(ecc.uncorrectable_word_rate(n, t, p)):{printed[text]}}" == text


@given(st.integers(1, 160), st.data(), st.one_of(st.floats(1e-12, 1), st.sampled_from([0.0, 1.0])))
@examples(80)
def test_rates_are_the_exact_sums(n, data, p):
    t = data.draw(st.integers(0, n))
    got = float(ecc.uncorrectable_word_rate(n, t, p))
    want = exact_rate(n, t, Fraction(p))
    if want < Fraction(1, 10**290):
        assert 0 <= got < 1e-289
    else:
        assert abs(Fraction(got) / want - 1) < Fraction(1, 10**12)


def test_rates_at_1e_21_keep_their_digits():
    want = exact_rate(152, 3, Fraction(1e-7))
    assert 2e-21 < want < 3e-21
    assert abs(Fraction(float(ecc.uncorrectable_word_rate(152, 3, 1e-7))) / want - 1) < 1e-13


def test_arrays_of_rates():
    p = np.array([[0.0, 1e-3], [0.5, 1.0]])
    got = ecc.uncorrectable_word_rate(72, 1, p)
    assert got.shape == (2, 2)
    for index in np.ndindex(2, 2):
        assert got[index] == ecc.uncorrectable_word_rate(72, 1, p[index])
    assert got[0, 0] == 0 and got[1, 1] == 1


@pytest.mark.parametrize("name", oracle.NAMES)
def test_decoded_words_fail_as_often_as_predicted(name):
    """Words with independent errors at 2 %: all and only those with over t errors fail.

    The number of failures is binomial, so that words * KL(share, rate) passes log(2 / a) with
    probability at most a (Chernoff). a = 1e-9 for each of 8 codes.
    """
    code = ecc.CODES[name]
    p, words = 0.02, 20000
    rng = np.random.default_rng([9, code.n])
    data, flag = decode_rows(code, (rng.random((words, code.n)) < p).astype(np.uint8))
    counts = ecc.count(ecc.outcomes(np.zeros_like(data), data, flag))
    share = (int(counts.detected) + int(counts.miscorrected)) / words
    rate = float(exact_rate(code.n, code.t, Fraction(1, 50)))
    divergence = share * log(share / rate) + (1 - share) * log((1 - share) / (1 - rate))
    assert words * divergence < log(2 / 1e-9)
    assert sum(int(number) for number in counts) == words


@pytest.mark.parametrize("name", oracle.NAMES)
def test_data_error_rate_is_the_exact_sum(name):
    code = ecc.CODES[name]
    for p, known in ((1e-5, []), (0.03, []), (0.03, [0.0, 0.25, 2.5, 3.0, 4.5])):
        exact = Fraction(p)
        total = Fraction(0)
        for j in range(code.n + 1):
            left = Fraction(j * code.k, code.n) if j > code.t else Fraction(0)
            left = Fraction(known[j]) if j < len(known) else left
            total += comb(code.n, j) * exact**j * (1 - exact) ** (code.n - j) * left
        got = Fraction(float(ecc.data_error_rate(code, p, known)))
        assert abs(got / (total / code.k) - 1) < Fraction(1, 10**12)


@pytest.mark.parametrize("name", oracle.HSIAO)
def test_raw_delivery_tends_to_n_minus_1_p_squared(name):
    code = ecc.CODES[name]
    p = 1e-9
    assert abs(float(ecc.data_error_rate(code, p)) / ((code.n - 1) * p**2) - 1) < 1e-6
    assert code.n - 1 == {39: 38, 72: 71, 137: 136}[code.n]


def test_wrong_bits_left_behind():
    """Doubles of a SECDED code are delivered as read: 2 k / n wrong data bits on average.

    0..2 of them a word, so the mean of 4096 is off by over 0.11 with probability below 1e-9
    (Hoeffding).
    """
    code = ecc.CODES["secded-72-64"]
    means = ecc.wrong_bits(code, 4)
    assert means.shape == (5,)
    assert means[0] == means[1] == 0
    assert abs(means[2] - 2 * 64 / 72) < 0.11
    # Miscorrected triples gain a wrong bit: more than as read.
    assert 3 * 64 / 72 < means[3] < 4
    assert (ecc.wrong_bits(ecc.CODES["bch-152-128"], 3, words=ROWS) == 0).all()
    assert (ecc.wrong_bits(code, 4) == means).all()


def test_scrubbing():
    with localcontext() as context:
        context.prec = 60
        for rate, interval, life in ((1e-9, 5.0, 3.2e8), (1e-18, 1.0, 1e9), (0.3, 1.0, 2.5)):
            want = 1 - (1 - Decimal(rate)) ** (Decimal(life) / Decimal(interval))
            got = Decimal(float(ecc.lifetime_word_rate(rate, interval, life)))
            assert abs(got / want - 1) < Decimal("1e-12")
    assert ecc.lifetime_word_rate([0.0, 1.0], 1.0, 7.0).tolist() == [0, 1]
    assert abs(ecc.lifetime_word_rate(0.25, 3.0, 3.0) - 0.25) < 1e-15


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ecc.uncorrectable_word_rate(72, 1, -1e-9), r"p = -1e-09: a probability in 0\.\.1"),
        (lambda: ecc.uncorrectable_word_rate(72, 1, [0, 1.5]), r"p = \[0, 1.5\]: a probability"),
        (lambda: ecc.uncorrectable_word_rate(72, 1, float("nan")), "p = nan: a probability"),
        (lambda: ecc.uncorrectable_word_rate(0, 0, 0.1), r"n = 0: a word of 1\.\.1000 bits"),
        (lambda: ecc.uncorrectable_word_rate(1001, 0, 0.1), r"n = 1001: a word of 1\.\.1000"),
        (lambda: ecc.uncorrectable_word_rate(8, 9, 0.1), r"t = 9: 0\.\.8 of 8 bits can be wrong"),
        (lambda: ecc.lifetime_word_rate(2, 1, 1), "word_rate = 2: a probability"),
        (lambda: ecc.lifetime_word_rate(0.1, 0, 1), "interval_s = 0, life_s = 1: 0 < interval_s"),
        (lambda: ecc.lifetime_word_rate(0.1, 2, 1), "interval_s <= life_s expected"),
        (lambda: ecc.wrong_bits(ecc.CODES["bch-44-32"], 45), r"most = 45: 0\.\.44 errors"),
        (
            lambda: ecc.data_error_rate(ecc.CODES["bch-44-32"], 0.1, [0.0] * 46),
            r"wrong_bits: 46 means, but 0\.\.44 errors are possible",
        ),
    ],
    ids=range(11),
)
def test_impossible_numbers(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_the_plot_has_a_line_for_each_code():
    figure = Figure()
    ecc.draw_rates(figure, most=4, words=ROWS)
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["no code", *oracle.NAMES]
    for line in axes.lines[1:]:
        assert (np.diff(line.get_ydata()) > 0).all()


def test_the_picture():
    png = ecc.rates_picture(most=4, words=ROWS)
    assert png.startswith(b"\x89PNG") and len(png) < 100_000
