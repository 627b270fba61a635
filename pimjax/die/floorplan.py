"""Several programs beside each other on one chip.

Axis letters: m macro of the chip, in order of its number; h bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from pimjax.chip.schema import Chip
from pimjax.network.capacity import Capacity, NoRoomError, capacity_of
from pimjax.network.place import place, placement_of
from pimjax.network.placed import map_program
from pimjax.network.program import Program

FREE, ABSENT = -1, -2
"""Instead of a program's number: a macro that nothing stands in, and one that the memory lacks."""


@dataclass(frozen=True, eq=False)
class Floorplan:
    """A chip and the programs on it, by name; each has macros of its own.

    Nothing is changed in place: `add`, `remove` and `replace` give a new floorplan. The others'
    places stay as they are.
    """

    chip: Chip
    placed: tuple[tuple[str, Program], ...] = ()

    @property
    def programs(self) -> MappingProxyType[str, Program]:
        """The programs as placed here, by name in the order of their coming."""
        return MappingProxyType(dict(self.placed))

    def add(
        self,
        name: str,
        program: Program,
        policy: str = "layer",
        *,
        macro_order: Sequence[int] | None = None,
        priority: Sequence[str] = (),
    ) -> Floorplan:
        """The floorplan with `program` on free macros, by a policy of `pimjax.network.place`.

        Raises ValueError for a name that is taken or empty, a program of another chip and, as
        NoRoomError with the numbers, one that does not fit.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"name = {name!r}: text of at least one letter expected")
        if name in self.programs:
            raise ValueError(
                f"{name!r} is already on the chip; choose another name, or use replace({name!r}, "
                f"...)"
            )
        placed = self._place(name, program, policy, macro_order, priority)
        return Floorplan(self.chip, (*self.placed, (name, placed)))

    def remove(self, name: str) -> Floorplan:
        """The floorplan without that program; its macros are free. Raises ValueError."""
        self._require(name)
        return Floorplan(self.chip, tuple(item for item in self.placed if item[0] != name))

    def replace(
        self,
        name: str,
        program: Program,
        policy: str | None = None,
        *,
        macro_order: Sequence[int] | None = None,
        priority: Sequence[str] = (),
    ) -> Floorplan:
        """The floorplan with `program` instead of the one of that name, whose macros are free then.

        `policy` is that of the old one by default. Raises ValueError like `add` and `remove`.
        """
        self._require(name)
        if policy is None:
            policy = placement_of(self.programs[name]).policy
        new = self.remove(name)._place(name, program, policy, macro_order, priority)
        return Floorplan(
            self.chip, tuple((key, new if key == name else old) for key, old in self.placed)
        )

    @cached_property
    def capacity(self) -> Capacity:
        """Macros of the chip."""
        return capacity_of(self.chip)

    @cached_property
    def owner(self) -> np.ndarray:
        """Number of the program in each macro, in the order of `programs`, or FREE or ABSENT, (m,).

        ABSENT are macros of the banks beyond what `mram.capacity_mib` holds.
        """
        owner = np.full(self.capacity.in_banks, ABSENT)
        owner[: self.capacity.macros] = FREE
        for number, (_, program) in enumerate(self.placed):
            owner[list(placement_of(program).macros)] = number
        return owner

    @cached_property
    def used_cells(self) -> np.ndarray:
        """Cells of each macro that hold weights, (m,) int64."""
        cells = np.zeros(self.capacity.in_banks, np.int64)
        for _, program in self.placed:
            for mapping in map_program(program).values():
                for strip in mapping.strips:
                    shape = strip.mapping
                    held = shape.shelf_weights * shape.columns * shape.shelf_rows
                    np.add.at(cells, strip.macros, held)
        return cells

    @property
    def macro_fill(self) -> np.ndarray:
        """Share of each macro's cells that hold weights, (m,) float64."""
        return self.used_cells / self.capacity.cells_per_macro

    @property
    def bank_fill(self) -> np.ndarray:
        """Share of each bank's macros that are taken, (h,) float64; absent macros do not count."""
        banks = self.owner.reshape(self.chip.array.banks, -1)
        present = (banks != ABSENT).sum(axis=1)
        return (banks >= 0).sum(axis=1) / np.maximum(1, present)

    @property
    def free_macros(self) -> np.ndarray:
        """Numbers of the macros that nothing stands in."""
        return np.flatnonzero(self.owner == FREE)

    @property
    def free_mib(self) -> float:
        """Memory of the free macros in MiB."""
        return self.capacity.mib(len(self.free_macros))

    def macros_of(self, name: str) -> tuple[int, ...]:
        """Numbers of the macros of a program. Raises ValueError."""
        self._require(name)
        return placement_of(self.programs[name]).macros

    def __str__(self) -> str:
        from pimjax.die.chip_map import chip_map

        return chip_map(self)

    def _place(self, name: str, program: Program, policy: str, *options: Any) -> Program:
        macro_order, priority = options
        if program.chip != self.chip:
            differs = "" if program.chip.name != self.chip.name else " with other settings"
            raise ValueError(
                f"{name!r} was compiled for the chip {program.chip.name!r}{differs}, this one is "
                f"{self.chip.name!r}; compile it for this chip"
            )
        try:
            return place(
                program,
                policy,
                macro_order=macro_order,
                free=self.free_macros,
                priority=priority,
                chips=1,
            )
        except NoRoomError as error:
            taken = sorted(self.programs, key=lambda key: -len(self.macros_of(key)))
            shown = ", ".join(f"{key} ({len(self.macros_of(key))})" for key in taken[:3])
            beside = f"; on the chip are {shown}" if shown else "; the chip is empty"
            raise NoRoomError(f"no room for {name!r}: {error}{beside}") from None

    def _require(self, name: str) -> None:
        if name in self.programs:
            return
        near = get_close_matches(str(name), self.programs, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ", ".join(self.programs) or "it is empty"
        raise ValueError(f"{name!r} is not on the chip; {hint}")
