"""Requantisers, pooling and branch addition against vectors worked by hand."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import (
    add_branches,
    average_pool,
    fixed_point,
    float32,
    max_pool,
    output_code,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    shift,
)

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
int32 = st.integers(INT32_MIN, INT32_MAX)


@pytest.mark.parametrize(
    ("v", "s", "out"),
    [(5, 0, 5), (1, 1, 1), (-1, 1, 0), (-3, 1, -1), (6, 2, 2), (-6, 2, -1), (-7, 2, -2)],
)
def test_shift_rounds_half_up(v, s, out):
    assert shift(v, s) == out


@given(int32, st.integers(0, 31))
def test_shift_is_the_arithmetic_shift_of_the_rule(v, s):
    assert shift(v, s) == (v + ((1 << s) >> 1)) >> s


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        (2**30, 2**30, 2**29),
        (INT32_MIN, INT32_MIN, INT32_MAX),
        (INT32_MIN, INT32_MAX, -INT32_MAX),
        (1, 2**30, 1),  # 0.5
        (-1, 2**30, 0),  # -0.5
        (3, 2**30, 2),  # 1.5
        (-3, 2**30, -1),  # -1.5
        (-5, 2**30, -2),  # -2.5
        (-3, 2**29, -1),  # -0.75
        (0, INT32_MIN, 0),
    ],
)
def test_high_mul_by_hand(a, b, out):
    assert saturating_rounding_doubling_high_mul(a, b) == out


@given(int32, int32)
def test_high_mul_rounds_half_up(a, b):
    if a == b == INT32_MIN:
        return
    assert saturating_rounding_doubling_high_mul(a, b) == (a * b + 2**30) >> 31


@pytest.mark.parametrize(
    ("v", "exponent", "out"),
    [
        (5, 0, 5),
        (5, 1, 3),  # 2.5
        (-5, 1, -3),
        (-3, 1, -2),  # -1.5
        (-6, 2, -2),
        (-5, 2, -1),
        (-7, 2, -2),
        (1, 1, 1),
        (-1, 1, -1),
        (INT32_MIN, 31, -1),
        (INT32_MAX, 31, 1),
    ],
)
def test_divide_by_pot_rounds_ties_away_from_zero(v, exponent, out):
    assert rounding_divide_by_pot(v, exponent) == out


@given(int32, st.integers(0, 31))
def test_divide_by_pot_is_the_mask_and_threshold_of_gemmlowp(v, exponent):
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if v < 0 else 0)
    assert rounding_divide_by_pot(v, exponent) == (v >> exponent) + ((v & mask) > threshold)


@pytest.mark.parametrize(
    ("v", "multiplier", "exponent", "out"),
    [
        (100, 2**30, 0, 50),
        (100, 2**30, 1, 100),
        (100, 2**30, 3, 400),
        (100, 2**30, -1, 25),
        (10, 2**30, -1, 3),  # 5 / 2 = 2.5
        (-10, 2**30, -1, -3),
        (1, 2**30, -1, 1),  # two roundings: 0.25 -> 0.5 -> 1
        (-1, 2**30, -1, 0),
        (-3, 2**30, -1, -1),  # -1.5 -> -1, then -0.5 -> -1
    ],
)
def test_fixed_point_by_hand(v, multiplier, exponent, out):
    assert fixed_point(v, multiplier, exponent) == out


def test_fixed_point_refuses_what_leaves_32_bits():
    with pytest.raises(OverflowError):
        fixed_point(2**31, 2**30, 0)
    with pytest.raises(OverflowError):
        fixed_point(2**30, 2**30, 1)


@pytest.mark.parametrize(
    ("v", "scale", "out"),
    [
        (5, 0.5, 2),
        (7, 0.5, 4),
        (-5, 0.5, -2),
        (-7, 0.5, -4),
        (1, 0.5, 0),
        (2**24 + 1, 1.0, 2**24),
        (2**24 + 3, 1.0, 2**24 + 4),
        (-(2**24) - 1, 1.0, -(2**24)),
        (5, 0.1, 0),  # float32(0.1) > 0.1, yet the product rounds to one half exactly
        (0, 3.0, 0),
    ],
)
def test_float32_by_hand(v, scale, out):
    assert float32(v, scale) == out


@given(int32, st.floats(min_value=2.0**-40, max_value=4, width=32))
def test_float32_is_numpys_single_precision(v, scale):
    assert float32(v, scale) == int(np.rint(np.float32(v) * np.float32(scale)))


def test_output_code_adds_bias_and_shortcut_before_and_zero_point_after():
    halve = partial(shift, s=1)
    assert output_code(10, halve, -128, 127, bias=3, shortcut=-2, zero_point=5) == 11
    assert output_code(10, halve, 0, 6) == 5
    assert output_code(20, halve, 0, 6) == 6
    assert output_code(-20, halve, 0, 6) == 0
    assert output_code(-20, halve, -128, 127, zero_point=-120) == -128


def test_branches_are_rescaled_apart_then_added_and_clamped():
    halve = partial(shift, s=1)
    assert add_branches(1, 1, halve, halve, 0, 255) == 2  # 0.5 -> 1 twice, not 1
    assert add_branches(13, 7, halve, int, -128, 127, 3, 2, zero_point=-4) == 6
    assert add_branches(200, 100, int, int, 0, 255) == 255
    assert add_branches(-200, -100, int, int, -128, 127) == -128


def test_average_pool_sums_exactly_and_requantises_once():
    x = np.array([[1, 2, 8], [2, 2, 9]]).reshape(1, 2, 3, 1)

    def mean(total, count):
        return round(Fraction(total, count))

    assert average_pool(x, 2, 1, mean, 0, 255).ravel().tolist() == [2, 5]  # 7 / 4, 21 / 4
    assert average_pool(x, (2, 3), 1, mean, 0, 3).ravel().tolist() == [3]  # 24 / 6 = 4, capped
    # Column 2 alone at the right edge: 17 / 2 = 8.5 -> 8.
    assert average_pool(x, 2, 2, mean, 0, 255, "SAME").ravel().tolist() == [2, 8]
    moved = average_pool(x, 2, 1, mean, 0, 255, zero_point_in=3, zero_point=10)
    assert moved.ravel().tolist() == [9, 12]  # 10 - 5/4, 10 + 9/4


def test_max_pool_never_takes_the_padding():
    x = np.array([[-5, -2], [-3, -4]]).reshape(1, 2, 2, 1)
    assert max_pool(x, 2, 2).ravel().tolist() == [-2]
    assert max_pool(x, 2, 1, "SAME").ravel().tolist() == [-2, -2, -3, -4]
    with pytest.raises(ValueError, match="padding"):
        max_pool(x, 1, 1, ((1, 0), (0, 0)))
