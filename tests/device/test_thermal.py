"""The barrier against temperature; temperatures in time."""

import math

import pytest

from pimjax.memory.device import thermal
from pimjax.memory.device.thermal import TemperatureProfile


@pytest.mark.parametrize(("celsius", "ratio"), [(85, 0.73), (125, 0.59), (150, 0.51)])
def test_ratios_from_room_temperature(celsius, ratio):
    assert float(thermal.stability_ratio(celsius + 273.15)) == pytest.approx(ratio, abs=0.01)


def test_the_formula_step_by_step():
    hot, cold, curie = 400.0, 300.0, 1100.0
    barrier = [(1 - (t / curie) ** 1.5) ** 2.18 for t in (hot, cold)]
    wanted = (barrier[0] / hot) / (barrier[1] / cold)
    assert float(thermal.stability_ratio(hot, cold, curie)) == pytest.approx(wanted, rel=1e-13)
    there_and_back = thermal.stability_ratio(hot, cold) * thermal.stability_ratio(cold, hot)
    assert float(there_and_back) == pytest.approx(1, rel=1e-13)
    assert float(thermal.stability_ratio(300.0, 300.0)) == 1
    falling = thermal.stability_ratio([150.0, 300.0, 450.0, 700.0])
    assert all(falling[:-1] > falling[1:])


def test_barrier_in_electronvolts():
    assert float(thermal.barrier_ev(54.1, 423.15)) == pytest.approx(1.97, abs=0.005)


def test_a_profile():
    profile = TemperatureProfile(((533.15, 90), (358.15, 0.0)))
    assert profile.intervals == ((533.15, 90.0), (358.15, 0.0))
    assert profile.time_s == 90
    assert hash(profile) == hash(TemperatureProfile([[533.15, 90.0], [358.15, 0.0]]))
    assert TemperatureProfile(()).time_s == 0


@pytest.mark.parametrize("celsius", [85.0, 149.99, 700.1, 0.0, -40.0, math.nan, math.inf])
def test_temperatures_in_celsius_are_refused(celsius):
    sentence = "from 150 to 700 expected; in kelvin; 85 C is 358.15 K"
    with pytest.raises(ValueError, match=f"temperature_k = .*{sentence}"):
        thermal.stability_ratio(celsius)
    with pytest.raises(ValueError, match=rf"intervals\[1\] temperature_k = .*{sentence}"):
        TemperatureProfile(((300.0, 1.0), (celsius, 1.0)))


def test_other_mistakes():
    with pytest.raises(ValueError, match=r"intervals\[0\] time_s = -1: from 0 expected; time does"):
        TemperatureProfile(((300.0, -1.0),))
    with pytest.raises(TypeError, match=r"intervals\[0\] = 300\.0: \(temperature_k, time_s\)"):
        TemperatureProfile((300.0, 1.0))
    with pytest.raises(TypeError, match=r"intervals = '300': pairs"):
        TemperatureProfile("300")
    with pytest.raises(TypeError, match=r"intervals\[0\] time_s = 'year': a number expected"):
        TemperatureProfile(((300.0, "year"),))
    with pytest.raises(ValueError, match="curie_k = 600: from 701 to 2000 expected"):
        thermal.stability_ratio(300.0, 300.0, 600.0)
