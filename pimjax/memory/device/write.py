"""Bits not written: the probability that a current pulse leaves a cell in its old state.

The critical current Ic0 differs by direction. Writing a 0 over a 1 switches P to AP and takes more
current; with one write current both ways its overdrive i = I/Ic0 is the smaller one, and writing a
1 (AP to P) has `asymmetry` times that.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import probability, within
from pimjax.memory.device.spread import class_mean, log_normal_factor, normal_mean

Formula = Literal["refined", "butler"]

GYROMAGNETIC = 1.76085963e11
"""Gyromagnetic ratio of the electron, rad per second and tesla (CODATA 2018)."""

_OVERDRIVES = (1.5, 10.0)
_STABILITIES = (40.0, 200.0)


def switching_time_s(damping: ArrayLike, anisotropy_field_t: ArrayLike) -> np.ndarray:
    """t_D = (1 + alpha^2) / (alpha gamma mu0 Hk): the unit of time of switching, in seconds.

    1.89 ns for a damping of 0.01 and 0.3 T. Damping in 0..1, above 0.
    """
    alpha = within("damping", damping, 0.0, 1.0, strict=True)
    field = within("anisotropy_field_t", anisotropy_field_t, 0.0, strict=True)
    return (1 + alpha**2) / (alpha * GYROMAGNETIC * field)


def write_error_rate(
    stability: ArrayLike,
    overdrive: ArrayLike,
    pulse: ArrayLike,
    formula: Formula = "refined",
) -> np.ndarray:
    """The probability that a pulse does not switch a macrospin with perpendicular anisotropy.

    `stability` at the temperature of writing; `overdrive` i = I/Ic0; `pulse` in units of
    `switching_time_s`. With x = pulse (i - 1):

    - "butler": 1 - exp(-(pi^2/4) Delta (i - 1) / (i exp(2 x) - 1)). Against the Fokker-Planck
      equation 1.07 times high at i = 3, up to 2.4 times at i = 2, up to 26 times at i = 1.5.
      *Source:* Butler et al., arXiv 1202.2621; the formula as it is usually given (*assumption*).
    - "refined": 1 - exp(-Delta ((i - 1)/i) C exp(-lambda pulse)) with
      C = 2^(1 + (i-1)/(i+1)) ((i-1)/i)^(2/(i+1)), lambda = 2 (i - 1) + (2/(i - 1) - 1)/Delta.
      Within 12 % of the Fokker-Planck equation for i >= 2; low by up to half at i = 1.5.

    Those bands hold for x = 1..20 and what is enforced: i in 1.5..10 and stability in 40..200.
    Below i = 1.5 heat takes part in switching, which neither formula has: at i = 1.2 they are
    wrong by factors of up to 10^6.
    """
    delta = within("stability", stability, *_STABILITIES, why="outside, no formula is checked")
    i = within("overdrive", overdrive, *_OVERDRIVES, why="outside, no formula is checked")
    time = within("pulse", pulse, 0.0)
    if formula == "butler":
        # (i e^2x - 1) = i expm1(2x) + (i - 1), both parts positive; e^-2x keeps long pulses finite.
        decay = np.exp(-2 * time * (i - 1))
        return -np.expm1(-(math.pi**2 / 4) * delta * (i - 1) * decay / (i - decay))
    if formula == "refined":
        lead = 2 ** (1 + (i - 1) / (i + 1)) * ((i - 1) / i) ** (2 / (i + 1))
        slope = 2 * (i - 1) + (2 / (i - 1) - 1) / delta
        return -np.expm1(-delta * (i - 1) / i * lead * np.exp(-slope * time))
    raise ValueError(f"formula = {formula!r}: 'refined' or 'butler' expected")


def write_error_rates(
    stability: float,
    overdrive: float,
    pulse_s: float,
    damping: float,
    anisotropy_field_t: float,
    asymmetry: float = 1.15,
    formula: Formula = "refined",
) -> np.ndarray:
    """(2,) float64: [p01, p10] of one write to a cell that holds the other bit.

    p01: a 0 was to be written (P to AP, the harder way, at `overdrive`) and the cell still holds
    1; p10: a 1 was to be written (AP to P, at asymmetry * overdrive) and it still holds 0. Writing
    what a cell already holds does not fail. `pulse_s` in seconds. *Assumption:* the asymmetry.
    """
    ways = within("overdrive", overdrive) * np.array(
        [1.0, float(within("asymmetry", asymmetry, 0.0, strict=True))]
    )
    unit = switching_time_s(damping, anisotropy_field_t)
    pulse = within("pulse_s", pulse_s, 0.0) / unit
    return write_error_rate(stability, ways, pulse, formula)


def back_hopping_rate(
    voltage: ArrayLike, threshold: ArrayLike, scale: ArrayLike, amplitude: ArrayLike
) -> np.ndarray:
    """amplitude exp((voltage - threshold) / scale), at most 1: switched, and switched back.

    Voltages in one unit; independent of the write error: both together fail with
    1 - (1 - a)(1 - b). *Assumption:* the form; its three numbers have no default.
    """
    height = within("amplitude", amplitude, 0.0)
    reach = within("scale", scale, 0.0, strict=True)
    bias = (within("voltage", voltage) - within("threshold", threshold)) / reach
    return np.minimum(height * np.exp(np.minimum(bias, 700.0)), 1.0)


def retried(rate: ArrayLike, sigma: float, retries: int) -> np.ndarray:
    """The array's error rate after write-verify-write: the mean of p^(1 + retries) over cells.

    A cell fails a write with p = rate times a log-normal factor of mean 1 and log-sigma `sigma`,
    at most 1. With sigma = 0 that is rate^(1 + retries).
    """
    tries = 1 + _count(retries)
    mean = probability("rate", rate)
    return normal_mean(lambda z: _cell_rates(mean, sigma, z) ** tries)


def write_errors_by_class(rates: ArrayLike, sigma: float = 0.0, retries: int = 0) -> np.ndarray:
    """(CLASSES, 2) float64: [p01, p10] after programming, averaged over each weakness class.

    `rates` (2,) are the mean [p01, p10] of one write, as `write_error_rates` gives them; cells
    fail with those times a log-normal factor of mean 1, at most 1, at each of 1 + `retries` tries.
    *Source:* the log-normal law, arXiv 2209.13828.
    """
    tries = 1 + _count(retries)
    mean = probability("rates", rates)
    return class_mean(lambda z: _cell_rates(mean, sigma, z) ** tries)


def _cell_rates(mean: np.ndarray, sigma: float, z: np.ndarray) -> np.ndarray:
    """(n, *mean.shape) float64: the rates of cells with the standard normal variates z (n,)."""
    factor = log_normal_factor(z, sigma)
    return np.minimum(np.multiply.outer(factor, mean), 1.0)


def _count(retries: int) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries = {retries!r}: a whole number from 0 up expected")
    return retries
