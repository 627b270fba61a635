"""Bits that a sense amplifier reads wrongly: fresh at every read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pimjax.memory.device.sensing import sense_error_rate
from pimjax.memory.effects import CellEffect, Stage, Surroundings
from pimjax.memory.faults.parameters import chips_own, parameter, plain_numbers, require_number


@dataclass(frozen=True)
class SensingErrors:
    """Errors of one read of every word: Q(z) with z = TMR / (s (2 + TMR)).

    The stored bits stay as they are; another `read`, other errors. For the digital readout, where
    each cell is compared with a reference on its own. On bitlines several cells sum: there spread
    and noise enter the partial sum (`adc.noise_sigma_lsb`, `mram.conductance_sigma`,
    `mram.read_noise_sigma`).

    *Source:* a threshold equally far, in deviations, from both normal distributions. *Assumption:*
    equal relative spread of both states, and the chip's values.
    """

    stage: ClassVar[Stage] = Stage.SENSE
    source: ClassVar[str] = "normal resistances, threshold at equal z; values assumed"

    tmr: float | None = parameter("R_AP / R_P - 1; the chip's if not given", "1", None)
    resistance_sigma: float | None = parameter("relative spread of a cell's resistance", "1", None)
    read: int = parameter("which read it is: another number, fresh errors", "", 0)

    def __post_init__(self) -> None:
        plain_numbers(self)
        if isinstance(self.read, bool) or not isinstance(self.read, int) or self.read < 0:
            raise ValueError(f"SensingErrors.read = {self.read!r}: an integer from 0 expected")
        if self.tmr is not None:
            require_number("SensingErrors.tmr", self.tmr, 1e-6, 100)
        if self.resistance_sigma is not None:
            require_number("SensingErrors.resistance_sigma", self.resistance_sigma, 0, 10)

    def effects(self, around: Surroundings) -> list[CellEffect]:
        """The same probability for every cell. Raises ValueError for the bitline readout."""
        if around.readout != "digital":
            raise ValueError(
                "SensingErrors: array.readout = 'bitline' reads sums of cells, not bits; use "
                "array.readout = 'digital', or mram.conductance_sigma, mram.read_noise_sigma and "
                "adc.noise_sigma_lsb for sums"
            )
        device = around.device
        rate = sense_error_rate(
            chips_own(self.tmr, device.tmr),
            chips_own(self.resistance_sigma, device.resistance_sigma),
        )
        shape = (len(around.layers), around.planes + 1, 1, 2)
        return [CellEffect(self.stage, "sensing", np.full(shape, float(rate)), epoch=self.read)]
