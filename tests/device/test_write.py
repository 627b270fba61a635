"""Write errors against the Fokker-Planck equation: published vectors, and solved here."""

import math

import numpy as np
import pytest

from pimjax.memory.device import spread, write
from tests.device.fokker_planck import write_errors

# Stability 60; by overdrive, at pulse (i - 1) = 4, 8, 12, 16.
VECTORS = {
    1.5: (5.21e-3, 1.23e-6, 2.90e-10, 6.84e-14),
    2.0: (1.53e-2, 4.84e-6, 1.52e-9, 4.79e-13),
    3.0: (3.04e-2, 1.04e-5, 3.48e-9, 1.17e-12),
}
# How far a formula may lie from the equation, low and high.
REFINED = {1.5: (1 / 1.6, 1 / 1.2), 2.0: (0.94, 1.06), 3.0: (0.94, 1.06)}
BUTLER = {1.5: (1.8, 17), 2.0: (1.2, 2.2), 3.0: (1.02, 1.08)}


def pulses(i):
    return np.array([4, 8, 12, 16]) / (i - 1)


@pytest.mark.parametrize("i", VECTORS)
def test_the_equation_solved_here_gives_the_vectors(i):
    np.testing.assert_allclose(write_errors(60.0, i, pulses(i)), VECTORS[i], rtol=5e-3)


@pytest.mark.parametrize("i", VECTORS)
@pytest.mark.parametrize(("formula", "bands"), [("refined", REFINED), ("butler", BUTLER)])
def test_formulas_against_the_vectors(i, formula, bands):
    ratio = write.write_error_rate(60.0, i, pulses(i), formula) / VECTORS[i]
    low, high = bands[i]
    assert np.all((ratio > low * 0.995) & (ratio < high * 1.005)), ratio


@pytest.mark.parametrize("stability", [40.0, 113.4, 200.0])
@pytest.mark.parametrize("i", [1.5, 1.75, 2.0, 3.0, 5.0, 10.0])
def test_formulas_against_the_equation_over_their_range(stability, i):
    x = np.array([1, 2, 4, 8, 14, 20])
    exact = write_errors(stability, i, x / (i - 1), cells=240)
    refined = write.write_error_rate(stability, i, x / (i - 1)) / exact
    butler = write.write_error_rate(stability, i, x / (i - 1), "butler") / exact
    assert np.all((refined > (0.88 if i >= 2 else 0.49)) & (refined < 1.12)), refined
    assert np.all((butler > 0.66) & (butler < (1.10 if i >= 3 else 2.5 if i >= 2 else 27))), butler


def test_pulses_at_the_ends():
    for formula in ("refined", "butler"):
        rates = write.write_error_rate(60.0, 2.0, [0.0, 1.0, 10.0, 100.0, 1e4], formula)
        assert rates[0] == pytest.approx(1, abs=1e-12)
        assert np.all(np.diff(rates) < 0)
        assert 0 < rates[3] < 1e-80
        assert rates[4] == 0


def test_the_unit_of_time():
    assert float(write.switching_time_s(0.01, 0.3)) == pytest.approx(1.89e-9, rel=3e-3)
    assert float(write.switching_time_s(0.02, 0.3)) == pytest.approx(0.947e-9, rel=3e-3)


def test_writing_a_0_is_the_harder_way():
    p01, p10 = write.write_error_rates(60.0, 2.0, 10e-9, 0.01, 0.3, asymmetry=1.15)
    pulse = 10e-9 / write.switching_time_s(0.01, 0.3)
    assert p01 == float(write.write_error_rate(60.0, 2.0, pulse))
    assert p10 == float(write.write_error_rate(60.0, 2.3, pulse))
    assert p01 > p10
    same = write.write_error_rates(60.0, 2.0, 10e-9, 0.01, 0.3, asymmetry=1.0)
    assert same[0] == same[1]


def test_the_shipped_pulse_gives_what_its_source_says():
    p01, p10 = write.write_error_rates(113.4, 2.0, 18e-9, 0.01, 0.3, 1.15)
    assert 1e-7 < p01 < 1e-6
    assert p10 < 1e-8


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_write_verify_write_of_equal_cells(retries):
    assert float(write.retried(0.03, 0.0, retries)) == pytest.approx(0.03 ** (1 + retries))
    by_class = write.write_errors_by_class([0.03, 1e-5], 0.0, retries)
    assert by_class.shape == (spread.CLASSES, 2)
    np.testing.assert_allclose(by_class[:, 0], 0.03 ** (1 + retries), rtol=1e-9)
    np.testing.assert_allclose(by_class[:, 1], 1e-5 ** (1 + retries), rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_write_verify_write_of_a_log_normal_spread(sigma, retries):
    """E[p^n] = p^n exp(sigma^2 (n^2 - n) / 2) as long as no cell comes near 1."""
    n = 1 + retries
    wanted = 1e-12**n * math.exp(sigma**2 * (n * n - n) / 2)
    assert float(write.retried(1e-12, sigma, retries)) == pytest.approx(wanted, rel=1e-6)
    by_class = write.write_errors_by_class([1e-12, 1e-13], sigma, retries)
    total = spread.class_probabilities() @ by_class
    np.testing.assert_allclose(total, [wanted, wanted / 10**n], rtol=1e-6)


def test_weak_cells_reach_certainty_and_no_more():
    by_class = write.write_errors_by_class([0.3, 1.0], 3.0)
    assert by_class.max() == pytest.approx(1, abs=1e-9)
    assert by_class.max() <= 1 + 1e-9
    # Means over cells: at least as low as without the cap.
    assert np.all(spread.class_probabilities() @ by_class < [0.3, 1.0])


def test_back_hopping():
    rates = write.back_hopping_rate([0.5, 0.6, 5.0, 1e6], 0.6, 0.05, 1e-6)
    np.testing.assert_allclose(rates, [1e-6 * math.exp(-2), 1e-6, 1, 1])
    with pytest.raises(ValueError, match="scale = 0: above 0 expected"):
        write.back_hopping_rate(0.5, 0.6, 0.0, 1e-6)


@pytest.mark.parametrize("formula", ["refined", "butler"])
def test_what_no_formula_is_good_for(formula):
    with pytest.raises(ValueError, match=r"overdrive = 1\.49: from 1\.5 to 10 expected; outside"):
        write.write_error_rate(60.0, [2.0, 1.49], 5.0, formula)
    with pytest.raises(ValueError, match="overdrive = 11: "):
        write.write_error_rate(60.0, 11.0, 5.0, formula)
    with pytest.raises(ValueError, match="stability = 30: from 40 to 200 expected; outside"):
        write.write_error_rate(30.0, 2.0, 5.0, formula)
    with pytest.raises(ValueError, match="pulse = -1: from 0 expected"):
        write.write_error_rate(60.0, 2.0, -1.0, formula)


def test_other_mistakes():
    with pytest.raises(ValueError, match="formula = 'best': 'refined' or 'butler' expected"):
        write.write_error_rate(60.0, 2.0, 5.0, "best")
    with pytest.raises(ValueError, match=r"damping = 2: from 0 to 1 expected"):
        write.switching_time_s(2.0, 0.3)
    with pytest.raises(ValueError, match=r"rates = 1\.5: from 0 to 1 expected; it is a prob"):
        write.write_errors_by_class([0.1, 1.5])
    for retries in (-1, 1.0, True):
        with pytest.raises(ValueError, match=r"retries = .*: a whole number from 0 up expected"):
            write.retried(0.1, 0.0, retries)
