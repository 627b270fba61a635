"""What a program takes of the chip: the mapping of its layers, and whether there is room."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pimjax.array.mapping import LayerMapping, map_layer
from pimjax.chip.schema import Chip
from pimjax.network.program import Program

_BITS_PER_MIB = 1 << 23
_LARGEST_SHOWN = 3


@dataclass(frozen=True)
class Capacity:
    """Macros of one chip: as many as its banks have and its memory can hold."""

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


def map_program(program: Program) -> dict[str, LayerMapping]:
    """The mapping of every array layer, by name in order of execution.

    Raises ValueError where a macro cannot hold one weight.
    """
    array = program.chip.array
    mappings = {}
    for layer in program.plan.graph.layers:
        if layer.op.place == "array":
            shape = program.image[layer.name]["weights"].shape
            groups = getattr(layer.op, "groups", 1)
            mappings[layer.name] = map_layer(
                shape, groups, program.plan.spec, array.wordlines, array.bitlines
            )
    return mappings


def require_capacity(program: Program, chips: int = 1) -> None:
    """Refuses a program that needs more macros than `chips` chips have.

    Raises ValueError with what it needs, what there is, its largest layers and the ways out.
    """
    if isinstance(chips, bool) or not isinstance(chips, int) or chips < 1:
        raise ValueError(f"chips = {chips!r}: an integer from 1 expected")
    capacity, chip = capacity_of(program.chip), program.chip
    macros = {name: mapping.macros for name, mapping in map_program(program).items()}
    needed = sum(macros.values())
    if needed <= chips * capacity.macros:
        return
    size = f"{chip.array.wordlines} x {chip.array.bitlines} cells"
    largest = sorted(macros, key=lambda name: -macros[name])[:_LARGEST_SHOWN]
    shown = ", ".join(f"{name} ({macros[name]})" for name in largest)
    enough = capacity.chips_for(needed)
    have = f"the chip {chip.name} has" if chips == 1 else f"{chips} chips {chip.name} have"
    total = chips * capacity.macros
    why = (
        f"{chip.array.banks} banks of {chip.array.macros_per_bank} macros, "
        f"memory of {chip.mram.capacity_mib:g} MiB for {capacity.in_memory}"
    )
    raise ValueError(
        f"the network needs {needed} macros of {size} ({capacity.mib(needed):.1f} MiB), but "
        f"{have} {total} ({capacity.mib(total):.1f} MiB; a chip: {why}); its largest layers are "
        f"{shown}; use chips = {enough} to spread it over {enough} chips, or fewer weight bits "
        f"(precision.weight_bits = {program.plan.spec.weight_bits})"
    )
