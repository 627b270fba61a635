"""Cells that read the same whatever is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pimjax.memory.effects import CellEffect, Stage, Surroundings, chosen_cells
from pimjax.memory.faults.parameters import (
    numbers,
    parameter,
    plain_numbers,
    require_bit,
    require_probability,
)


@dataclass(frozen=True)
class StuckAt:
    """Cells that read `value` whatever is written: an open (0) or a shorted barrier (1).

    Stuck-at wins over every other fault but a sensing error. A cell stuck both ways reads 1.

    *Source:* pinholes, barrier breakdown (low resistance) and opens (high resistance) are known
    defects of MTJs; their rates are not published. *Assumption:* 1e-6, to be swept.
    """

    stage: ClassVar[Stage] = Stage.STUCK
    source: ClassVar[str] = "pinhole, breakdown and open MTJs; the rate is an assumption"

    value: int = parameter("what a stuck cell reads", "bit")
    rate: float = parameter("probability that a cell is stuck at the value", "1", 1e-6)
    banks: tuple[int, ...] | None = parameter("banks hit; all if not given", "", None)

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_bit("StuckAt.value", self.value)
        require_probability("StuckAt.rate", self.rate)
        object.__setattr__(self, "banks", numbers("StuckAt.banks", self.banks))

    def effects(self, around: Surroundings) -> list[CellEffect]:
        """The probabilities by bank; layers and planes make no difference."""
        chosen = chosen_cells("StuckAt", around, None, None, self.banks)
        probabilities = chosen[..., None] * np.full(2, self.rate)
        return [CellEffect(self.stage, f"stuck at {self.value}", probabilities, self.value)]
