"""The cells of a chip's macros."""

from __future__ import annotations

from pimjax.chip.schema import Chip
from pimjax.memory.geometry import MacroGeometry


def geometry_of(chip: Chip) -> MacroGeometry:
    """The geometry of the chip's macros."""
    array = chip.array
    return MacroGeometry(
        array.wordlines + array.spare_wordlines,
        array.bitlines + array.spare_bitlines,
        chip.precision.cell_bits,
        array.macros_per_bank,
    )
