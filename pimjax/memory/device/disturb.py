"""Bits lost to reading: the read current lowers the barrier of one state while it flows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import within
from pimjax.memory.device.retention import ATTEMPT_S, stability_of_cell
from pimjax.memory.device.spread import class_mean


def disturb_rate(
    stability: ArrayLike,
    current_ratio: ArrayLike,
    read_time_s: ArrayLike,
    reads: ArrayLike = 1.0,
    exponent: int = 2,
    attempt_time_s: ArrayLike = ATTEMPT_S,
) -> np.ndarray:
    """The probability that a cell is lost by a number of reads, in the direction of the current.

        P = 1 - exp(-(t_r / t0) exp(-Delta (1 - I/Ic0)^n)),  1 - (1 - P)^reads

    `stability` at the temperature of reading; `current_ratio` = I/Ic0 in 0..<1 (from 1 on the
    current writes); `exponent` n is 1, the common fit, or 2, a perpendicular macrospin: they
    differ by orders of magnitude. `reads` need not be whole. *Source:* the law of thermally
    activated switching under current; n = 2 is an *assumption*.
    """
    if exponent not in (1, 2):
        raise ValueError(f"exponent = {exponent!r}: 1 or 2 expected")
    stable = within("stability", stability, 0.0)
    ratio = within("current_ratio", current_ratio, 0.0)
    if np.any(ratio >= 1):
        raise ValueError(
            f"current_ratio = {ratio[ratio >= 1].flat[0]:g}: less than 1 expected; such a "
            f"current writes, see pimjax.memory.device.write"
        )
    attempt = within("attempt_time_s", attempt_time_s, 0.0, strict=True)
    attempts = within("reads", reads, 0.0) * (within("read_time_s", read_time_s, 0.0) / attempt)
    # The logarithm of staying is linear in the reads: no power is taken.
    return -np.expm1(-attempts * np.exp(-stable * (1 - ratio) ** exponent))


def disturb_by_class(
    mean: float,
    sigma: float,
    current_ratio: float,
    read_time_s: float,
    reads: float,
    exponent: int = 2,
    attempt_time_s: float = ATTEMPT_S,
    disturbed: int = 1,
) -> np.ndarray:
    """(CLASSES, 2) float64: [p01, p10] after a number of reads, averaged over each weakness class.

    Cells have the stabilities mean (1 + sigma z) at the temperature of reading. One state only is
    in danger, that of the stored bit `disturbed`. *Assumption:* 1, since reading with the current
    of the harder direction, P to AP, disturbs least.
    """
    if disturbed not in (0, 1):
        raise ValueError(f"disturbed = {disturbed!r}: the stored bit 0 or 1 expected")
    lost = class_mean(
        lambda z: disturb_rate(
            stability_of_cell(mean, sigma, z),
            current_ratio,
            read_time_s,
            reads,
            exponent,
            attempt_time_s,
        )
    )
    safe = np.zeros_like(lost)
    return np.stack([safe, lost] if disturbed else [lost, safe], axis=-1)
