"""Cells that do not switch when they are programmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pimjax.memory.device.write import write_error_rates, write_errors_by_class
from pimjax.memory.effects import (
    CellEffect,
    Stage,
    Surroundings,
    WeakCellEffect,
    spread_over_cells,
)
from pimjax.memory.faults.parameters import chips_own, parameter, plain_numbers, require_number

BEFORE = ("inverse", "zeros", "ones", "random")


@dataclass(frozen=True)
class WriteErrors:
    """Write errors of one programming: a cell that should switch and does not keeps its bit.

    The rate follows from overdrive, pulse and thermal stability (`formula`); values not given are
    the chip's. With `sigma` cells differ, log-normally about the mean, and it is the same cells
    that are hard to write every time. Every retry of write-verify-write is another try:
    p^(1 + retries). Listed twice, it is written twice: the second write goes over all that the
    first one left, its errors are drawn afresh, and hard cells stay hard.

    *Source:* Butler et al., IEEE Trans. Magn. 48 (2012) 4684 (arXiv 1202.2621), and a refined form
    fitted to Fokker-Planck results; log-normal spread: arXiv 2209.13828. *Assumption:* the chip's
    device values.
    """

    stage: ClassVar[Stage] = Stage.WRITE
    source: ClassVar[str] = "Butler et al. 2012 (arXiv 1202.2621); spread: arXiv 2209.13828"

    overdrive: float | None = parameter(
        "write current by critical current, P to AP; the chip's if not given", "1", None
    )
    pulse_ns: float | None = parameter("length of the write pulse; the chip's", "ns", None)
    thermal_stability: float | None = parameter("barrier by kT; the chip's", "1", None)
    sigma: float | None = parameter("log-normal sigma of the rate over cells", "1", None)
    retries: int = parameter("further tries after a failed verify", "tries", 0)
    before: str = parameter(
        "what cells held: inverse (all switch), zeros, ones, random", "", "inverse"
    )
    formula: Literal["refined", "butler"] = parameter("refined or butler", "", "refined")

    def __post_init__(self) -> None:
        plain_numbers(self)
        if self.before not in BEFORE:
            raise ValueError(f"WriteErrors.before = {self.before!r}: {', '.join(BEFORE)} expected")
        if self.sigma is not None:
            require_number("WriteErrors.sigma", self.sigma, 0, 5)
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise ValueError(f"WriteErrors.retries = {self.retries!r}: an integer from 0 expected")

    def effects(self, around: Surroundings) -> list[CellEffect | WeakCellEffect]:
        """Flips of what is being written, by class of cell."""
        try:
            return self._effects(around)
        except ValueError as error:
            raise ValueError(f"WriteErrors: {error}") from None

    def _effects(self, around: Surroundings) -> list[CellEffect | WeakCellEffect]:
        device = around.device
        rates = write_error_rates(
            chips_own(self.thermal_stability, device.thermal_stability),
            chips_own(self.overdrive, device.write_overdrive),
            1e-9 * chips_own(self.pulse_ns, device.write_pulse_ns),
            device.damping,
            device.anisotropy_field_t,
            device.write_asymmetry,
            self.formula,
        )
        sigma = chips_own(self.sigma, device.write_sigma)
        # Which of the two writes has to switch the cell, and so can fail.
        switching = {"inverse": (1.0, 1.0), "zeros": (0.0, 1.0), "ones": (1.0, 0.0)}
        share = np.array(switching.get(self.before, (0.5, 0.5)))
        by_class = write_errors_by_class(rates, sigma, self.retries) * share
        effect = spread_over_cells(self.stage, "write", "hard to write", by_class, sigma, around)
        return [effect]
