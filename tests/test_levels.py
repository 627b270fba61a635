"""Probabilities as 64-bit times and thresholds, against logarithms in 60 digits."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.memory.hits import BOTTOM, first_slab
from pimjax.memory.levels import in_rest, levels, needs_rest, probability_words
from pimjax.numerics.threefry import Words
from tests.support import examples

FULL = 2**64 - 1
BORDER = -math.expm1(-(2.0**-6))

rates = st.one_of(
    st.floats(0, 1),
    st.floats(-45, 0).map(lambda exponent: 10.0**exponent),
    st.integers(-50, 50).map(lambda steps: BORDER * (1 + steps * 2.0**-53)),
)


def numbers(words: Words) -> list[int]:
    high, low = (np.asarray(word).reshape(-1).tolist() for word in words)
    return [a << 32 | b for a, b in zip(high, low, strict=True)]


def pair(p: float) -> tuple[int, int]:
    found = levels(p)
    return numbers(found.before)[0], numbers(found.rest)[0]


def probability(before: int, rest: int) -> Decimal:
    """That a hit of a Poisson process comes before, or else the cell's own draw is below `rest`."""
    if rest == FULL:
        return Decimal(1)
    time = Decimal(2**64 if before == FULL else before) / 2**70
    return 1 - (-time).exp() * (1 - Decimal(rest) / 2**64)


@given(rates)
@examples(500)
def test_a_cell_fails_with_the_probability_asked_for(p):
    """Up to the rounding of one float64 logarithm, and the unit of time, 2^-70."""
    with localcontext() as context:
        context.prec = 60
        error = abs(probability(*pair(p)) - Decimal(p))
        assert error <= Decimal(p) * Decimal(2) ** -50 + Decimal(2) ** -63


@given(st.floats(1e-300, BORDER))
@examples(200)
def test_small_rates_are_times(p):
    with localcontext() as context:
        context.prec = 60
        exact = -(1 - Decimal(p)).ln() if p > 1e-40 else Decimal(p)
        before, rest = pair(p)
        assert rest == 0
        assert abs(before - exact * 2**70) <= exact * 2**70 * Decimal(2) ** -51 + 1


def test_the_ends():
    assert pair(0.0) == (0, 0)
    assert pair(-0.0) == (0, 0)
    assert pair(1.0) == (FULL, FULL)
    assert pair(5e-324) == (0, 0)
    # A rate next to 1 is not 1: one cell in 2^53 stays.
    before, rest = pair(1 - 2.0**-53)
    assert before == FULL
    assert rest < FULL


@given(rates, rates)
@examples(500)
def test_a_higher_rate_has_later_times_and_higher_thresholds(p, q):
    low, high = sorted([p, q])
    below, above = pair(low), pair(high)
    assert below[0] <= above[0]
    assert below[1] <= above[1]


@given(rates)
@examples(300)
def test_what_needs_a_draw_of_its_own_says_so(p):
    """Where the list of hits alone is taken, nothing is left for the cell's own draw."""
    before, rest = pair(p)
    if needs_rest(p):
        assert before == FULL
    else:
        assert rest == 0


@pytest.mark.parametrize("steps", range(-4, 5))
def test_both_sides_of_the_border(steps):
    p = BORDER
    for _ in range(abs(steps)):
        p = math.nextafter(p, 1 if steps > 0 else 0)
    before, rest = pair(p)
    assert needs_rest(p) == (steps > 0)
    if steps <= 0:
        assert rest == 0
        assert before >= 2**64 - 2**14


@given(rates)
@examples(300)
def test_the_first_slab_holds_the_time(p):
    """Slab s holds times from 2^(63-s) on; no slab before the first one has any below the limit."""
    first, before = first_slab(p), pair(p)[0]
    assert 0 <= first <= BOTTOM
    assert before <= 2 ** (64 - first)
    if first < BOTTOM:
        assert before >= 2 ** (63 - first)


def test_arrays_keep_their_shape():
    p = np.array([[0.0, 1e-9, 1e-3], [0.1, 0.5, 1.0]])
    found = levels(p)
    for words in found:
        assert words.a.shape == words.b.shape == p.shape
        assert words.a.dtype == words.b.dtype == np.uint32
    singles = [pair(q) for q in p.ravel().tolist()]
    assert list(zip(numbers(found.before), numbers(found.rest), strict=True)) == singles


@given(st.floats(0, 1))
@examples(200)
def test_words_of_probabilities(p):
    exact = min(FULL, math.floor(Decimal(p) * 2**64))
    assert numbers(probability_words(p)) == [exact]


def test_all_ones_is_every_draw():
    ones = np.array([2**32 - 1], np.uint32)
    every = Words(ones, ones)
    assert in_rest(every, every).all()
    assert in_rest(every, probability_words([1.0])).all()
    assert not in_rest(Words(ones * 0, ones * 0), probability_words([0.0])).any()
    almost = Words(ones, ones - 1)
    assert not in_rest(every, almost).any()
    assert not in_rest(almost, almost).any()


@pytest.mark.parametrize("p", [-1e-9, 1.0000001, float("nan"), float("inf")])
def test_no_probability_is_refused(p):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        levels([0.5, p])
