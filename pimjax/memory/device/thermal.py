"""The barrier between the two states of a cell, against temperature; temperatures in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import kelvin, within

BOLTZMANN_EV = 8.617333262e-5
"""The Boltzmann constant, eV per kelvin (CODATA 2018)."""

ROOM_K = 298.15
CURIE_K = 1000.0
"""*Assumption:* the Curie temperature of the free layer; `mram.curie_temperature_k` of a chip."""

_BARRIER_EXPONENT = 2.18
_BLOCH_EXPONENT = 1.5


def stability_ratio(
    temperature_k: ArrayLike, reference_k: ArrayLike = ROOM_K, curie_k: ArrayLike = CURIE_K
) -> np.ndarray:
    """Thermal stability at a temperature divided by that at the reference temperature.

        Delta(T) = E_b(T) / (k T),  E_b ~ Ms^2.18,  Ms ~ 1 - (T / Tc)^1.5

    Kelvin, 150..700; the Curie temperature 701..2000. About 0.73, 0.59 and 0.51 at 85, 125 and
    150 C from 25 C. *Assumption:* Bloch's law with one exponent of the barrier; measured films
    differ.
    """
    temperature = kelvin("temperature_k", temperature_k)
    reference = kelvin("reference_k", reference_k)
    curie = within("curie_k", curie_k, 701.0, 2000.0)
    magnetisation = (1 - (temperature / curie) ** _BLOCH_EXPONENT) / (
        1 - (reference / curie) ** _BLOCH_EXPONENT
    )
    return magnetisation**_BARRIER_EXPONENT * reference / temperature


def barrier_ev(stability: ArrayLike, temperature_k: ArrayLike) -> np.ndarray:
    """The barrier in eV of a thermal stability (barrier / kT) at a temperature in kelvin."""
    stable = within("stability", stability, 0.0)
    return stable * BOLTZMANN_EV * kelvin("temperature_k", temperature_k)


@dataclass(frozen=True)
class TemperatureProfile:
    """Temperatures in time: ((temperature_k, time_s), ...), one after the other.

    Solder reflow and ten years of use: `TemperatureProfile(((533.15, 90.0), (358.15, 3.156e8)))`.
    Raises ValueError for temperatures outside 150..700 K and negative times.
    """

    intervals: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        given: Any = self.intervals
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise TypeError(f"intervals = {given!r}: pairs (temperature_k, time_s) expected")
        checked = []
        for index, pair in enumerate(given):
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise TypeError(f"intervals[{index}] = {pair!r}: (temperature_k, time_s) expected")
            temperature = kelvin(f"intervals[{index}] temperature_k", pair[0])
            time = within(f"intervals[{index}] time_s", pair[1], 0.0, why="time does not run back")
            checked.append((float(temperature), float(time)))
        object.__setattr__(self, "intervals", tuple(checked))

    @property
    def time_s(self) -> float:
        """Seconds in all."""
        return sum(time for _, time in self.intervals)
