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


@dataclass(frozen=True)
class _Broken:
    """Lines that are broken, each on its own; an undriven cell does not conduct and reads 0."""

    stage: ClassVar[Stage] = Stage.STUCK
    line: ClassVar[str]

    rate: float = parameter("probability that one of them is broken", "1")
    value: int = parameter("what its cells read", "bit", 0)

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_probability(f"{type(self).__name__}.rate", self.rate)
        require_bit(f"{type(self).__name__}.value", self.value)

    def effects(self, around: Surroundings) -> list[LineEffect]:
        """The probability of a line."""
        name = f"broken {self.line}"
        return [LineEffect(self.stage, name, self.line, self.rate, self.value)]


@dataclass(frozen=True)
class BrokenWordlines(_Broken):
    """Wordlines of a macro that cannot be driven: their cells do not conduct.

    *Assumption:* rates of broken lines are not published; each line on its own.
    """

    line: ClassVar[str] = "wordline"
    source: ClassVar[str] = "line defects; independence and rate are assumptions"


@dataclass(frozen=True)
class BrokenBitlines(_Broken):
    """Bitlines of a macro that are open: no current of their cells arrives.

    *Assumption:* rates of broken lines are not published; each line on its own.
    """

    line: ClassVar[str] = "bitline"
    source: ClassVar[str] = "line defects; independence and rate are assumptions"


@dataclass(frozen=True)
class DeadMacros(_Broken):
    """Macros that do not work at all.

    *Assumption:* rates of dead macros are not published; each macro on its own.
    """

    line: ClassVar[str] = "macro"
    source: ClassVar[str] = "macro defects; independence and rate are assumptions"
