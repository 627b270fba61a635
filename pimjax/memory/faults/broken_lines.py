"""Wordlines, bitlines and macros that do not work as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pimjax.memory.effects import LineEffect, Stage, Surroundings
from pimjax.memory.faults.parameters import (
    parameter,
    plain_numbers,
    require_bit,
    require_probability,
)

_RATE = "probability that a {} is broken"
_VALUE = "what its cells read"


@dataclass(frozen=True)
class _Broken:
    """Lines that are broken, each on its own; an undriven cell does not conduct and reads 0."""

    stage: ClassVar[Stage] = Stage.STUCK
    line: ClassVar[str]

    def __post_init__(self) -> None:
        plain_numbers(self)
        name = type(self).__name__
        require_probability(f"{name}.rate", self.rate)  # type: ignore[attr-defined]
        require_bit(f"{name}.value", self.value)  # type: ignore[attr-defined]

    def effects(self, around: Surroundings) -> list[LineEffect]:
        """The probability of a line."""
        rate, value = self.rate, self.value  # type: ignore[attr-defined]
        return [LineEffect(self.stage, f"broken {self.line}", self.line, rate, value)]


@dataclass(frozen=True)
class BrokenWordlines(_Broken):
    """Wordlines of a macro that cannot be driven: their cells do not conduct.

    *Assumption:* rates of broken lines are not published; each line on its own.
    """

    line: ClassVar[str] = "wordline"
    source: ClassVar[str] = "line defects; independence and rate are assumptions"

    rate: float = parameter(_RATE.format("wordline"), "1")
    value: int = parameter(_VALUE, "bit", 0)


@dataclass(frozen=True)
class BrokenBitlines(_Broken):
    """Bitlines of a macro that are open: no current of their cells arrives.

    *Assumption:* rates of broken lines are not published; each line on its own.
    """

    line: ClassVar[str] = "bitline"
    source: ClassVar[str] = "line defects; independence and rate are assumptions"

    rate: float = parameter(_RATE.format("bitline"), "1")
    value: int = parameter(_VALUE, "bit", 0)


@dataclass(frozen=True)
class DeadMacros(_Broken):
    """Macros that do not work at all.

    *Assumption:* rates of dead macros are not published; each macro on its own.
    """

    line: ClassVar[str] = "macro"
    source: ClassVar[str] = "macro defects; independence and rate are assumptions"

    rate: float = parameter(_RATE.format("macro"), "1")
    value: int = parameter(_VALUE, "bit", 0)
