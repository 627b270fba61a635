"""Sensing: known margins and rates, a simulated comparison, the spread of sums."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from pimjax.memory.device import sensing


@pytest.mark.parametrize(("tmr", "sigma", "margin"), [(1.5, 0.06, 7.1), (1.0, 0.08, 4.2)])
def test_margins(tmr, sigma, margin):
    assert float(sensing.sense_margin(tmr, sigma)) == pytest.approx(margin, abs=0.05)


def test_rates():
    assert float(sensing.sense_error_rate(1.0, 0.08)) == pytest.approx(1.5e-5, rel=0.04)
    rates = sensing.sense_error_rate(1.5, [0.0, 0.06, 0.1])
    assert rates[0] == 0
    assert rates[1] < 1e-11
    assert rates[2] == pytest.approx(NormalDist().cdf(-1.5 / 0.35), rel=1e-9)


def test_the_threshold_is_equally_far_from_both_states():
    tmr, sigma = 0.8, 0.11
    low, high = 1.0, 1 + tmr
    z = float(sensing.sense_margin(tmr, sigma))
    threshold = low + z * sigma * low
    assert threshold == pytest.approx(high - z * sigma * high, rel=1e-12)


def test_a_simulated_comparison():
    """A million cells a state: the count is binomial; 6 sigma, false alarms below 1e-8."""
    rng = np.random.default_rng(5)
    count, tmr, sigma = 1_000_000, 1.0, 0.15
    threshold = 2 * (1 + tmr) / (2 + tmr)
    rate = float(sensing.sense_error_rate(tmr, sigma))
    limit = 6 * math.sqrt(count * rate * (1 - rate))
    parallel = np.sum(rng.normal(1.0, sigma, count) > threshold)
    antiparallel = np.sum(rng.normal(1 + tmr, sigma * (1 + tmr), count) < threshold)
    assert abs(parallel - count * rate) < limit
    assert abs(antiparallel - count * rate) < limit


@pytest.mark.parametrize(
    ("cells", "sigma", "missed"),
    [
        (16, 0.20, 0.014),
        (64, 0.41, 0.22),
        (256, 0.81, 0.54),
    ],
)
def test_sums_of_a_bitline(cells, sigma, missed):
    got = sensing.partial_sum_sigma(cells / 2, cells / 2, 1.5, 0.04)
    assert float(got) == pytest.approx(sigma, abs=0.005)
    assert float(sensing.level_error_rate(got)) == pytest.approx(missed, rel=0.02)


def test_one_cell_of_each_state():
    p, ap = sensing.cell_spread(1.5, 0.04)
    # In units of G_P - G_AP = G_P TMR / (1 + TMR).
    conductance_p, conductance_ap = 1.0, 1 / 2.5
    unit = conductance_p - conductance_ap
    assert float(p) == pytest.approx(0.04 * conductance_p / unit, rel=1e-12)
    assert float(ap) == pytest.approx(0.04 * conductance_ap / unit, rel=1e-12)
    assert float(sensing.partial_sum_sigma(0, 0, 1.5, 0.04)) == 0
    assert float(sensing.partial_sum_sigma(9, 0, 1.5, 0.04)) == pytest.approx(3 * float(p))
    assert sensing.level_error_rate([0.0, 0.2], 2.0).tolist()[0] == 0


def test_what_is_refused():
    with pytest.raises(ValueError, match="tmr = 0: above 0 expected"):
        sensing.sense_margin(0.0, 0.1)
    with pytest.raises(ValueError, match=r"resistance_sigma = -0\.1: from 0 expected"):
        sensing.sense_error_rate(1.5, -0.1)
    with pytest.raises(ValueError, match="parallel = -1: from 0 expected"):
        sensing.partial_sum_sigma(-1, 0, 1.5, 0.1)
    with pytest.raises(ValueError, match="z = nan: a finite number expected"):
        sensing.upper_tail(math.nan)
