"""Stored bits that change: every cell on its own, at a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pimjax.memory.effects import CellEffect, Stage, Surroundings, chosen_cells
from pimjax.memory.faults.parameters import (
    names,
    numbers,
    parameter,
    plain_numbers,
    require_probability,
)


@dataclass(frozen=True)
class BitFlip:
    """Flips of stored bits at a rate, the same for 0 and 1 or apart.

    Several of them are several causes for the same cells: p and q make 1 - (1 - p)(1 - q), and no
    cell flips twice. What flips at a rate flips at any higher one.

    *Source:* the definition of a raw bit error rate (RBER); no mechanism is claimed.
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "definition of a raw bit error rate (RBER)"

    rate: float | None = parameter("probability that a stored bit flips", "1", None)
    p01: float | None = parameter("instead of rate: probability that a 0 becomes 1", "1", None)
    p10: float | None = parameter("instead of rate: probability that a 1 becomes 0", "1", None)
    layers: tuple[str, ...] | None = parameter("layers hit; all if not given", "", None)
    planes: tuple[int, ...] | None = parameter("bits of the weights hit, 0 the lowest", "", None)
    banks: tuple[int, ...] | None = parameter("banks hit", "", None)

    def __post_init__(self) -> None:
        plain_numbers(self)
        apart = self.p01 is not None or self.p10 is not None
        if (self.rate is None) != apart:
            raise ValueError("BitFlip: give rate, or p01 and p10 for 0s and 1s apart")
        for name in ("rate", "p01", "p10"):
            value = getattr(self, name)
            if value is not None:
                require_probability(f"BitFlip.{name}", value)
        object.__setattr__(self, "layers", names("BitFlip.layers", self.layers))
        object.__setattr__(self, "planes", numbers("BitFlip.planes", self.planes))
        object.__setattr__(self, "banks", numbers("BitFlip.banks", self.banks))

    def effects(self, around: Surroundings) -> list[CellEffect]:
        """The flips as probabilities by layer, plane, bank and stored bit."""
        by_state = (self.rate, self.rate) if self.rate is not None else (self.p01, self.p10)
        chosen = chosen_cells("BitFlip", around, self.layers, self.planes, self.banks)
        probabilities = chosen[..., None] * np.array([p or 0.0 for p in by_state])
        return [CellEffect(self.stage, "bit flip", probabilities)]
