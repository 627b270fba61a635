"""How many macros a chip has, and the refusal of a program that needs more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pimjax.chip.schema import Chip

_BITS_PER_MIB = 1 << 23
_LARGEST_SHOWN = 3


class NoRoomError(ValueError):
    """A program needs more macros than there are; the message has the numbers."""


@dataclass(frozen=True)
class Capacity:
    """Macros of one chip: as many as its banks have and its memory can hold.

    Where the memory holds fewer than the banks, the chip has the first ones, bank after bank.
    """

    in_banks: int
    in_memory: int
    cells_per_macro: int
    cell_bits: int

    @property
    def macros(self) -> int:
        """Macros that can be used."""
        return min(self.in_banks, self.in_memory)

    def mib(self, macros: int) -> float:
        """Memory of so many macros in MiB."""
        return macros * self.cells_per_macro * self.cell_bits / _BITS_PER_MIB

    def chips_for(self, macros: int) -> int:
        """Chips that so many macros need, at least 1; a macro belongs to one chip."""
        return max(1, -(-macros // self.macros))

    def numbers(self, chips: int = 1) -> np.ndarray:
        """Global numbers of the macros of so many chips, in order, int64."""
        first = np.arange(chips)[:, None] * self.in_banks
        return (first + np.arange(self.macros)).ravel()


def capacity_of(chip: Chip) -> Capacity:
    """The macros of a chip. Raises ValueError where its memory holds not even one."""
    cells = chip.array.wordlines * chip.array.bitlines
    bits = Fraction(chip.mram.capacity_mib) * _BITS_PER_MIB
    in_memory = int(bits // (cells * chip.precision.cell_bits))
    if in_memory == 0:
        raise ValueError(
            f"mram.capacity_mib = {chip.mram.capacity_mib}: less than one macro of "
            f"{chip.array.wordlines} x {chip.array.bitlines} cells "
            f"({cells * chip.precision.cell_bits / _BITS_PER_MIB:.4g} MiB)"
        )
    in_banks = chip.array.banks * chip.array.macros_per_bank
    return Capacity(in_banks, in_memory, cells, chip.precision.cell_bits)


def shortage(chip: Chip, chips: int, needed: int, by_layer: Mapping[str, int]) -> str:
    """Why `needed` macros do not fit on `chips` chips: the numbers, and the ways out.

    `by_layer` has the macros of every array layer, of which the largest are named.
    """
    capacity = capacity_of(chip)
    size = f"{chip.array.wordlines} x {chip.array.bitlines} cells"
    largest = sorted(by_layer, key=lambda name: -by_layer[name])[:_LARGEST_SHOWN]
    shown = ", ".join(f"{name} ({by_layer[name]})" for name in largest)
    enough = capacity.chips_for(needed)
    have = f"the chip {chip.name} has" if chips == 1 else f"{chips} chips {chip.name} have"
    total = chips * capacity.macros
    why = (
        f"{chip.array.banks} banks of {chip.array.macros_per_bank} macros, "
        f"memory of {chip.mram.capacity_mib:g} MiB for {capacity.in_memory}"
    )
    return (
        f"the network needs {needed} macros of {size} ({capacity.mib(needed):.1f} MiB), but "
        f"{have} {total} ({capacity.mib(total):.1f} MiB; a chip: {why}); its largest layers are "
        f"{shown}; use chips = {enough} to spread it over {enough} chips, or fewer weight bits "
        f"(precision.weight_bits = {chip.precision.weight_bits})"
    )
