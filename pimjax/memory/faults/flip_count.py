"""Exactly so many flips, wherever chance puts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pimjax.memory.effects import CountEffect, Stage, Surroundings, chosen_cells
from pimjax.memory.faults.parameters import names, numbers, parameter, plain_numbers


@dataclass(frozen=True)
class FlipCount:
    """Exactly `count` different stored bits flip, every set of so many being equally likely.

    They are the first ones that `BitFlip` would take at a rising rate, so that n flips are among
    any more. For studies that condition on the number of faults.

    *Source:* Leveugle et al., DATE 2009, for the use; no mechanism is claimed.
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "statistical fault injection, Leveugle et al., DATE 2009"

    count: int = parameter("number of stored bits that flip", "bits")
    layers: tuple[str, ...] | None = parameter("layers hit; all if not given", "", None)
    planes: tuple[int, ...] | None = parameter("bits of the weights hit, 0 the lowest", "", None)

    def __post_init__(self) -> None:
        plain_numbers(self)
        if isinstance(self.count, bool) or not hasattr(self.count, "__index__") or self.count < 0:
            raise ValueError(f"FlipCount.count = {self.count!r}: an integer from 0 expected")
        object.__setattr__(self, "layers", names("FlipCount.layers", self.layers))
        object.__setattr__(self, "planes", numbers("FlipCount.planes", self.planes))

    def effects(self, around: Surroundings) -> list[CountEffect]:
        """The count, and the layers and planes it is taken from."""
        chosen = chosen_cells("FlipCount", around, self.layers, self.planes)[..., 0]
        return [CountEffect(self.stage, "bit flip", int(self.count), chosen)]
