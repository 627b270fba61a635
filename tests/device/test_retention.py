"""Retention against exact rational-like arithmetic, an independent quadrature, published orders."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.memory.device import retention, spread, thermal
from pimjax.memory.device.limits import YEAR_S
from pimjax.memory.device.thermal import TemperatureProfile
from tests.support import examples

TEN_YEARS_S = 10 * YEAR_S


def exact(stability_p, stability_ap, time_s, attempt_s):
    """[p01, p10] in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        from_ap = (-Decimal(stability_ap)).exp() / Decimal(attempt_s)
        from_p = (-Decimal(stability_p)).exp() / Decimal(attempt_s)
        moved = 1 - (-(from_ap + from_p) * Decimal(time_s)).exp()
        if moved < Decimal("1e-40"):  # where even 80 digits cancel, the series' first term
            moved = (from_ap + from_p) * Decimal(time_s)
        return [float(rate / (from_ap + from_p) * moved) for rate in (from_ap, from_p)]


@examples(200)
@given(
    st.floats(0, 200),
    st.floats(0, 200),
    st.sampled_from([0.0, 1e-30, 1e-12, 1e-9, 1.0, TEN_YEARS_S, 1e20]),
    st.sampled_from([1e-9, 1e-10]),
)
def test_two_states_to_full_accuracy(p, ap, time_s, attempt_s):
    got = retention.two_state(p, ap, time_s, attempt_s)
    np.testing.assert_allclose(got, exact(p, ap, time_s, attempt_s), rtol=1e-12, atol=1e-300)


def test_two_states_at_the_ends():
    assert retention.two_state(60.0, 60.0, 0.0).tolist() == [0, 0]
    np.testing.assert_allclose(retention.two_state(20.0, 20.0, 1e30), [0.5, 0.5], rtol=1e-15)
    up, down = retention.two_state(30.0, 25.0, 1e30)
    assert up + down == pytest.approx(1)
    assert up / down == pytest.approx(math.exp(5))
    assert retention.two_state(0.0, 0.0, 1.0).tolist() == [0.5, 0.5]
    assert retention.two_state([40.0, 50.0, 60.0], 50.0, 1.0).shape == (3, 2)
    # Short times: the one-way law of the state that is left.
    up, down = retention.two_state(70.0, 60.0, 1.0)
    assert up == pytest.approx(float(retention.one_way(60.0, 1.0)), rel=1e-12)
    assert down == pytest.approx(float(retention.one_way(70.0, 1.0)), rel=1e-12)


@examples(50)
@given(st.floats(0, 80), st.floats(0, 80), st.floats(0, 1e9), st.floats(0, 1e9))
def test_time_in_two_parts_is_time_in_one(p, ap, first, second):
    parts = retention.compose(retention.two_state(p, ap, first), retention.two_state(p, ap, second))
    whole = retention.two_state(p, ap, first + second)
    np.testing.assert_allclose(parts, whole, rtol=1e-9, atol=1e-300)


def test_intervals_are_a_product_of_stochastic_matrices():
    first, second = np.array([0.1, 0.25]), np.array([0.4, 0.03])

    def matrix(pair):
        return np.array([[1 - pair[0], pair[0]], [pair[1], 1 - pair[1]]])

    both = matrix(first) @ matrix(second)
    np.testing.assert_allclose(retention.compose(first, second), [both[0, 1], both[1, 0]])


def test_a_profile_takes_each_temperature_in_turn():
    reflow_and_use = TemperatureProfile(((533.15, 90.0), (358.15, TEN_YEARS_S)))
    got = retention.after_profile(110.0, 105.0, reflow_and_use)
    parts = [
        retention.two_state(*(d * thermal.stability_ratio(k) for d in (110.0, 105.0)), t)
        for k, t in reflow_and_use.intervals
    ]
    np.testing.assert_allclose(got, retention.compose(*parts), rtol=1e-14)
    assert retention.after_profile(110.0, 105.0, TemperatureProfile(())).tolist() == [0, 0]


TABLE = [
    (50, (6.1e-5, 1.25e-3, 1.57e-2, 3.9e-2)),
    (60, (2.8e-9, 2.5e-7, 7.9e-5, 9.7e-4)),
    (70, (1.3e-13, 5.7e-11, 3.4e-7, 2.4e-5)),
]


@pytest.mark.parametrize(
    ("mean", "sigma", "rate"),
    [
        (mean, sigma, rate)
        for mean, rates in TABLE
        for sigma, rate in zip((0.0, 0.05, 0.08, 0.10), rates, strict=True)
    ],
)
def test_ten_years_of_an_array(mean, sigma, rate):
    """The table of rates, to 2 % beside the rounding of two printed digits."""
    tolerance = max(0.02, 0.5 * 10 ** (math.floor(math.log10(rate)) - 1) / rate)
    assert retention.array_rate(mean, sigma, TEN_YEARS_S) == pytest.approx(rate, rel=tolerance)


@pytest.mark.parametrize("mean", [40.0, 60.0, 80.0, 113.4])
@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
def test_an_array_is_the_integral_over_its_cells(mean, sigma):
    """A sum with a fixed small step, in the stability and not in its standard score."""
    step = 1e-3
    stability = np.arange(0.0, 3 * mean, step)
    score = (stability - mean) / (sigma * mean)
    density = np.exp(-(score**2) / 2) / math.sqrt(2 * math.pi) / (sigma * mean)
    lost = -np.expm1(-(TEN_YEARS_S / 1e-9) * np.exp(-stability))
    wanted = float(np.sum(density * lost) * step)
    assert retention.array_rate(mean, sigma, TEN_YEARS_S) == pytest.approx(wanted, rel=1e-6)


def test_the_effective_stability():
    for mean, sigma in ((70.0, 0.05), (60.0, 0.05), (60.0, 0.03)):
        one_cell = retention.effective_stability(mean, sigma, TEN_YEARS_S)
        assert one_cell == pytest.approx(mean - (sigma * mean) ** 2 / 2, rel=1e-14)
        rate = float(retention.one_way(one_cell, TEN_YEARS_S))
        assert rate == pytest.approx(retention.array_rate(mean, sigma, TEN_YEARS_S), rel=0.02)
    with pytest.raises(ValueError, match=r"above ln\(time / attempt time\) = 40\.29 expected; use"):
        retention.effective_stability(50.0, 0.1, TEN_YEARS_S)


def test_stability_from_a_specification():
    cell = retention.stability_for_retention(1e-6, TEN_YEARS_S)
    assert cell == pytest.approx(54.1, abs=0.05)
    assert retention.stability_for_retention(1e-6, 90.0) == pytest.approx(39.0, abs=0.05)
    spread_out = retention.stability_for_retention(1e-6, TEN_YEARS_S, sigma=0.05)
    assert retention.array_rate(spread_out, 0.05, TEN_YEARS_S) == pytest.approx(1e-6, rel=1e-9)
    for rate in (1e-300, 1.0, 0.0):
        with pytest.raises(ValueError, match="rate = "):
            retention.stability_for_retention(rate, TEN_YEARS_S, sigma=0.3)


def test_the_shipped_stability_is_derived_as_its_source_says():
    hot = retention.stability_for_retention(1e-6, TEN_YEARS_S, sigma=0.05)
    assert hot == pytest.approx(58.4, abs=0.05)
    assert hot / float(thermal.stability_ratio(423.15)) == pytest.approx(113.4, abs=0.1)


def test_classes_add_up_to_the_array():
    for mean, celsius in ((113.4, 150.0), (80.0, 85.0), (70.0, 25.0)):
        profile = TemperatureProfile(((celsius + 273.15, TEN_YEARS_S),))
        by_class = retention.retention_by_class(mean, mean, 0.05, profile)
        assert by_class.shape == (spread.CLASSES, 2)
        assert np.all((by_class >= 0) & (by_class <= 0.5))
        total = spread.class_probabilities() @ by_class
        hot = mean * float(thermal.stability_ratio(celsius + 273.15))
        score = np.linspace(-19.9, 19.9, 200_001)
        rate = 2 * (TEN_YEARS_S / 1e-9) * np.exp(-hot * (1 + 0.05 * score))
        values = np.exp(-(score**2) / 2) / math.sqrt(2 * math.pi) * -np.expm1(-rate) / 2
        np.testing.assert_allclose(total, values.sum() * (score[1] - score[0]), rtol=1e-7)


def test_the_more_stable_state_keeps_its_bits():
    profile = TemperatureProfile(((398.15, TEN_YEARS_S),))
    lost = retention.retention_by_class(100.0, 90.0, 0.05, profile)
    assert np.all(lost[:, 0] > lost[:, 1])
    none = retention.retention_by_class(100.0, 90.0, 0.05, TemperatureProfile(()))
    assert not none.any()


def test_what_is_refused():
    with pytest.raises(ValueError, match="time_s = -1: from 0 expected"):
        retention.two_state(60.0, 60.0, -1.0)
    with pytest.raises(ValueError, match="stability_p = -5: from 0 expected"):
        retention.two_state(-5.0, 60.0, 1.0)
    with pytest.raises(ValueError, match="attempt_time_s = 0: above 0 expected"):
        retention.one_way(60.0, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"sigma = 5: from 0 to 0\.3 expected; it is relative"):
        retention.array_rate(60.0, 5.0, 1.0)
