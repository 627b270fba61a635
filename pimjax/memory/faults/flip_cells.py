"""Flips at listed addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pimjax.memory.effects import PlaceEffect, Stage, Surroundings
from pimjax.memory.faults.parameters import parameter, plain_numbers


@dataclass(frozen=True)
class FlipCells:
    """The stored bits at these physical addresses flip; free cells among them change nothing.

    An address is (bank, macro, wordline, bitline) or (bank, macro, wordline, bitline, level); an
    address given twice flips once.

    *Source:* for measured error maps; no mechanism is claimed.
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "a measured error map"

    addresses: tuple[tuple[int, ...], ...] = parameter("physical addresses of the cells", "")

    def __post_init__(self) -> None:
        plain_numbers(self)
        addresses = tuple(_address(item) for item in self.addresses)
        object.__setattr__(self, "addresses", tuple(dict.fromkeys(addresses)))

    def effects(self, around: Surroundings) -> list[PlaceEffect]:
        """The sites, banks and macros as the addresses have them: (bank, macro, ...)."""
        sites = np.array(self.addresses, np.int64).reshape(-1, 5)
        return [PlaceEffect(self.stage, sites)]


def _address(item: Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(item)
    if len(numbers) not in (4, 5) or not all(hasattr(n, "__index__") for n in numbers):
        raise ValueError(
            f"FlipCells.addresses: {item!r} given; (bank, macro, wordline, bitline) or "
            f"(bank, macro, wordline, bitline, level) expected"
        )
    return tuple(int(n) for n in (*numbers, 0)[:5])
