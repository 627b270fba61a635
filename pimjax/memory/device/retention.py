"""Bits lost to heat: thermally activated jumps over the barrier, in time.

rate of leaving a state = exp(-Delta_state) / attempt time
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import within
from pimjax.memory.device.spread import class_mean, normal_mean
from pimjax.memory.device.thermal import CURIE_K, ROOM_K, TemperatureProfile, stability_ratio

ATTEMPT_S = 1e-9
"""*Assumption:* the time between attempts over the barrier; `mram.attempt_time_ns` of a chip."""


def two_state(
    stability_p: ArrayLike,
    stability_ap: ArrayLike,
    time_s: ArrayLike,
    attempt_time_s: ArrayLike = ATTEMPT_S,
) -> np.ndarray:
    """(..., 2) float64: [p01, p10] after a time at constant temperature; exact, with jumps back.

    p01 = a/(a + b) (1 - exp(-(a + b) t)) with a = exp(-Delta_AP)/t0 the rate from AP to P and b
    that from P to AP; p10 alike. Relative accuracy at any time and stability from 0 up. Raises
    ValueError for negative stabilities and times.
    """
    p = within("stability_p", stability_p, 0.0)
    ap = within("stability_ap", stability_ap, 0.0)
    attempts = within("time_s", time_s, 0.0) / _attempt(attempt_time_s)
    moved = -np.expm1(-attempts * np.exp(np.logaddexp(-p, -ap)))
    to_one, to_zero = np.exp(-np.logaddexp(0.0, ap - p)), np.exp(-np.logaddexp(0.0, p - ap))
    return np.stack([to_one * moved, to_zero * moved], axis=-1)


def one_way(
    stability: ArrayLike, time_s: ArrayLike, attempt_time_s: ArrayLike = ATTEMPT_S
) -> np.ndarray:
    """The probability of at least one jump, 1 - exp(-(t/t0) exp(-Delta)); none back is counted."""
    stable = within("stability", stability, 0.0)
    attempts = within("time_s", time_s, 0.0) / _attempt(attempt_time_s)
    return -np.expm1(-attempts * np.exp(-stable))


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(..., 2) float64: [p01, p10] of one interval after another; no difference is formed."""
    up = first[..., 0] * (1 - second[..., 1]) + (1 - first[..., 0]) * second[..., 0]
    down = first[..., 1] * (1 - second[..., 0]) + (1 - first[..., 1]) * second[..., 1]
    return np.stack([up, down], axis=-1)


def after_profile(
    stability_p: ArrayLike,
    stability_ap: ArrayLike,
    profile: TemperatureProfile,
    attempt_time_s: ArrayLike = ATTEMPT_S,
    reference_k: ArrayLike = ROOM_K,
    curie_k: ArrayLike = CURIE_K,
) -> np.ndarray:
    """(..., 2) float64: [p01, p10] after a temperature profile; stabilities at `reference_k`."""
    p, ap = np.broadcast_arrays(
        within("stability_p", stability_p, 0.0), within("stability_ap", stability_ap, 0.0)
    )
    lost = np.zeros((*p.shape, 2))
    for temperature, time in profile.intervals:
        ratio = stability_ratio(temperature, reference_k, curie_k)
        lost = compose(lost, two_state(p * ratio, ap * ratio, time, attempt_time_s))
    return lost


def retention_by_class(
    mean_p: float,
    mean_ap: float,
    sigma: float,
    profile: TemperatureProfile,
    attempt_time_s: float = ATTEMPT_S,
    reference_k: float = ROOM_K,
    curie_k: float = CURIE_K,
) -> np.ndarray:
    """(CLASSES, 2) float64: [p01, p10] after the profile, averaged over each weakness class.

    Cells have the stabilities mean (1 + sigma z), one z for both states, at `reference_k`; `sigma`
    is relative to the mean. A cell that would be below 0 has no barrier: 0.
    """
    return class_mean(
        lambda z: after_profile(
            stability_of_cell(mean_p, sigma, z),
            stability_of_cell(mean_ap, sigma, z),
            profile,
            attempt_time_s,
            reference_k,
            curie_k,
        )
    )


def stability_of_cell(mean: ArrayLike, sigma: ArrayLike, z: np.ndarray) -> np.ndarray:
    """mean (1 + sigma z), at least 0: the stability of cells with standard normal variates z."""
    average = within("mean", mean, 0.0)
    spread = within("sigma", sigma, 0.0, 0.3, why="it is relative to the mean")
    return np.maximum(average * (1 + spread * z), 0.0)


def array_rate(
    mean: float, sigma: float, time_s: float, attempt_time_s: float = ATTEMPT_S
) -> float:
    """The part of an array's bits lost one way after a time: one_way over cells mean (1 + sigma z).

    `mean` at the temperature of storage, `sigma` relative. Accurate far below one cell in an array.
    """
    return float(
        normal_mean(lambda z: one_way(stability_of_cell(mean, sigma, z), time_s, attempt_time_s))
    )


def effective_stability(
    mean: float, sigma: float, time_s: float, attempt_time_s: float = ATTEMPT_S
) -> float:
    """mean - s^2/2 with s = sigma mean: one cell of it loses as many bits as the array, nearly.

    Enforced: mean - s^2 > ln(t/t0), else the weakest cells are saturated and the shortcut fails
    (use `array_rate`). *Source:* the idea is Thomas et al. 2015.
    """
    spread = float(within("sigma", sigma, 0.0, 0.3)) * float(within("mean", mean, 0.0))
    attempts = float(within("time_s", time_s, 0.0, strict=True)) / float(_attempt(attempt_time_s))
    if not mean - spread**2 > math.log(attempts):
        raise ValueError(
            f"mean = {mean:g}, sigma = {sigma:g}: mean - (sigma mean)^2 = {mean - spread**2:.4g} "
            f"above ln(time / attempt time) = {math.log(attempts):.4g} expected; use array_rate"
        )
    return mean - spread**2 / 2


def stability_for_retention(
    rate: float, time_s: float, sigma: float = 0.0, attempt_time_s: float = ATTEMPT_S
) -> float:
    """The mean stability, at the temperature of storage, whose array loses `rate` in `time_s`.

    54.1 for 10 years at 1 ppm without spread, 58.4 with sigma = 0.05. Raises ValueError where no
    stability in 0..1000 does that.
    """
    wanted = float(within("rate", rate, 0.0, 1.0, strict=True))
    low, high = 0.0, 1000.0
    if (
        not array_rate(high, sigma, time_s, attempt_time_s)
        < wanted
        < array_rate(low, sigma, time_s, attempt_time_s)
    ):
        raise ValueError(
            f"rate = {rate:g}: no stability in 0..1000 loses that part of the bits in "
            f"time_s = {time_s:g} with sigma = {sigma:g}; ask for another rate or a smaller spread"
        )
    for _ in range(60):
        middle = (low + high) / 2
        if array_rate(middle, sigma, time_s, attempt_time_s) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _attempt(attempt_time_s: ArrayLike) -> np.ndarray:
    return within("attempt_time_s", attempt_time_s, 0.0, strict=True)
