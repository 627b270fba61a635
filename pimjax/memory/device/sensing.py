"""Errors of reading: one cell at a sense amplifier, many cells on a bitline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import within


def upper_tail(z: ArrayLike) -> np.ndarray:
    """Q(z): the part of a standard normal law above z, with relative accuracy in the tail."""
    half_erfc = np.vectorize(lambda x: math.erfc(x / math.sqrt(2)) / 2, otypes=[np.float64])
    return half_erfc(within("z", z))


def sense_margin(tmr: ArrayLike, resistance_sigma: ArrayLike) -> np.ndarray:
    """z = TMR / (s (2 + TMR)): the threshold's distance from both states, in their sigmas.

    `tmr` = R_AP / R_P - 1; `resistance_sigma` s is relative and the same for both states; the
    threshold is where both are equally far, which is exact for a Gaussian of either state.
    """
    ratio = within("tmr", tmr, 0.0, strict=True)
    sigma = within("resistance_sigma", resistance_sigma, 0.0, strict=True)
    return ratio / (sigma * (2 + ratio))


def sense_error_rate(tmr: ArrayLike, resistance_sigma: ArrayLike) -> np.ndarray:
    """Q(z) of the margin: the probability that one read takes a cell for the other state.

    The same for both states; 0 where `resistance_sigma` is 0.
    """
    sigma = within("resistance_sigma", resistance_sigma, 0.0)
    ideal = sigma == 0
    return np.where(ideal, 0.0, upper_tail(sense_margin(tmr, np.where(ideal, 1.0, sigma))))


def cell_spread(tmr: ArrayLike, sigma: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(sigma_P, sigma_AP): the spread that one driven cell of each state adds to a partial sum.

    In units of one active cell, G_P TMR/(1 + TMR): sigma (1 + TMR)/TMR for a cell in P and
    sigma/TMR in AP. `sigma` is relative to the cell's conductance and the same for both.
    """
    ratio = within("tmr", tmr, 0.0, strict=True)
    relative = within("sigma", sigma, 0.0)
    return relative * (1 + ratio) / ratio, relative / ratio


def partial_sum_sigma(
    parallel: ArrayLike, antiparallel: ArrayLike, tmr: ArrayLike, sigma: ArrayLike
) -> np.ndarray:
    """sqrt(n_P sigma_P^2 + n_AP sigma_AP^2): the spread of a partial sum, in units of one cell.

    `parallel` and `antiparallel` count driven cells; cells vary independently. Frozen spread
    (`mram.conductance_sigma`) and fresh noise (`mram.read_noise_sigma`) are two calls: their
    squares add, but the first is the same at every read.
    """
    n_p, n_ap = within("parallel", parallel, 0.0), within("antiparallel", antiparallel, 0.0)
    sigma_p, sigma_ap = cell_spread(tmr, sigma)
    return np.sqrt(n_p * sigma_p**2 + n_ap * sigma_ap**2)


def level_error_rate(sigma: ArrayLike, step: ArrayLike = 1.0) -> np.ndarray:
    """2 Q(step / (2 sigma)): how often a converter between its ends misses the code of a level."""
    spread = within("sigma", sigma, 0.0)
    width = within("step", step, 0.0, strict=True)
    ideal = spread == 0
    return np.where(ideal, 0.0, 2 * upper_tail(width / (2 * np.where(ideal, 1.0, spread))))
