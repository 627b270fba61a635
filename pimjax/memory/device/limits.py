"""Ranges of physical quantities, checked where they enter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

YEAR_S = 365.25 * 86400.0
"""A year in seconds."""


def within(
    name: str,
    value: ArrayLike,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    strict: bool = False,
    why: str = "",
) -> np.ndarray:
    """The value as a float64 array, all of it finite and in low..high (`strict`: above low).

    Raises ValueError with the first value that is not, and the reason `why`; TypeError for what is
    no number.
    """
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} = {value!r}: a number expected") from None
    good = (array > low if strict else array >= low) & (array <= high) & np.isfinite(array)
    if np.all(good):
        return array
    wrong = array[~good].flat[0]
    if math.isfinite(high):
        allowed = f"from {low:g} to {high:g}"
    elif math.isfinite(low):
        allowed = f"{'above' if strict else 'from'} {low:g}"
    else:
        allowed = "a finite number"
    reason = f"; {why}" if why else ""
    raise ValueError(f"{name} = {wrong:g}: {allowed} expected{reason}")


def kelvin(name: str, value: ArrayLike) -> np.ndarray:
    """The temperature as a float64 array. Raises ValueError below 150 K and above 700 K."""
    return within(name, value, 150.0, 700.0, why="in kelvin; 85 C is 358.15 K")


def probability(name: str, value: ArrayLike) -> np.ndarray:
    """The probability as a float64 array. Raises ValueError outside 0..1."""
    return within(name, value, 0.0, 1.0, why="it is a probability")
