"""The layers of a program as they stand on the chip: geometry and place of every strip.

Axis letters: p shelf.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from pimjax.array.mapping import StripMapping, columns_per_weight
from pimjax.network.capacity import capacity_of
from pimjax.network.place import cut_program, placement_of
from pimjax.network.placement import Strip
from pimjax.network.program import Program

_LARGEST_MACRO = (1 << 31) - 1


@dataclass(frozen=True)
class PlacedStrip:
    """Which cells a strip has, and where its shelves stand."""

    mapping: StripMapping
    strip: Strip

    @cached_property
    def macros(self) -> np.ndarray:
        """Global macro number of every shelf, (p,) int32."""
        return np.asarray(self.strip.macros, np.int32)

    @cached_property
    def wordlines(self) -> np.ndarray:
        """First wordline of every shelf, (p,) int32."""
        return np.asarray(self.strip.wordlines, np.int32)


@dataclass(frozen=True)
class LayerMapping:
    """A layer on macros of `cells_per_macro` cells."""

    strips: tuple[PlacedStrip, ...]
    cells_per_macro: int

    @property
    def k(self) -> int:
        """Length of a dot product."""
        return self.strips[0].mapping.k

    @property
    def row_groups(self) -> int:
        """Row groups of one convolution group."""
        return self.strips[0].mapping.row_groups

    @property
    def columns_per_weight(self) -> int:
        """Cell columns of one weight."""
        return sum(placed.mapping.columns for placed in self.strips)

    @property
    def columns(self) -> int:
        """Cell columns of all outputs of the layer."""
        mapping = self.strips[0].mapping
        return mapping.groups * mapping.outputs * self.columns_per_weight

    @property
    def cells(self) -> int:
        """Cells that hold weights."""
        return sum(placed.mapping.cells for placed in self.strips)

    @property
    def macro_numbers(self) -> frozenset[int]:
        """Macros that hold at least one of its shelves; other layers may share them."""
        return frozenset(macro for placed in self.strips for macro in placed.strip.macros)

    @property
    def macros(self) -> int:
        """How many macros hold at least one of its shelves."""
        return len(self.macro_numbers)

    @property
    def utilisation(self) -> float:
        """Cells that hold its weights as a share of all cells of these macros."""
        return self.cells / (self.macros * self.cells_per_macro)


def map_program(program: Program) -> dict[str, LayerMapping]:
    """The mapping of every array layer, by name in order of execution.

    Raises ValueError where a macro cannot hold one weight, or the placement is of another program.
    """
    cut = cut_program(program, by_plane=True)
    strips = placement_of(program).strips
    layers = [(name, tuple(group)) for name, group in groupby(strips, lambda item: item.layer)]
    if [name for name, _ in layers] != [*cut]:
        raise ValueError("placement: its layers are not the array layers in order of execution")
    cells = capacity_of(program.chip).cells_per_macro
    mappings = {}
    for name, own in layers:
        first = 0
        for strip in own:
            if strip.first_column != first or strip.columns < 1:
                raise ValueError(
                    f"placement of layer {name!r}: its strips leave column {first} out"
                )
            first += strip.columns
        if first != columns_per_weight(program.plan.spec):
            raise ValueError(f"placement of layer {name!r}: strips of {first} columns in all")
        mappings[name] = LayerMapping(tuple(_placed(cut[name][0], strip) for strip in own), cells)
    return mappings


def require_placement(program: Program) -> None:
    """Refuses a placement that is of another program, or with shelves outside macros or on others.

    Raises ValueError.
    """
    if program.placement is None:
        return
    chip, capacity = program.chip, capacity_of(program.chip)
    placed = [strip for mapping in map_program(program).values() for strip in mapping.strips]
    macros = _joined(strip.strip.macros for strip in placed)
    bottoms = _joined(strip.strip.wordlines for strip in placed)
    heights = np.concatenate([np.zeros(0, np.int64), *(s.mapping.shelf_rows for s in placed)])
    outside = (macros < 0) | (macros > _LARGEST_MACRO)
    outside |= macros % capacity.in_banks >= capacity.macros
    if outside.any():
        raise ValueError(f"placement: there is no macro {macros[outside][0]}")
    outside = (bottoms < 0) | (bottoms + heights > chip.array.wordlines)
    if outside.any():
        raise ValueError(f"placement: a shelf leaves macro {macros[outside][0]}")
    order = np.lexsort((bottoms, macros))
    macros, bottoms, tops = macros[order], bottoms[order], (bottoms + heights)[order]
    shared = (macros[1:] == macros[:-1]) & (bottoms[1:] < tops[:-1])
    if shared.any():
        raise ValueError(f"placement: two shelves share wordlines of macro {macros[1:][shared][0]}")


def _placed(base: StripMapping, strip: Strip) -> PlacedStrip:
    mapping = replace(base, first_column=strip.first_column, columns=strip.columns)
    if strip.columns > mapping.data_bitlines or not (
        mapping.shelves == len(strip.macros) == len(strip.wordlines)
    ):
        raise ValueError(
            f"placement of layer {strip.layer!r}: {len(strip.macros)} macros and "
            f"{len(strip.wordlines)} wordlines do not suit its shelves"
        )
    return PlacedStrip(mapping, strip)


def _joined(parts: Iterable[tuple[int, ...]]) -> np.ndarray:
    numbers = [number for part in parts for number in part]
    if numbers and not -_LARGEST_MACRO <= min(numbers) <= max(numbers) <= _LARGEST_MACRO:
        raise ValueError("placement: numbers beyond 31 bits")
    return np.array(numbers, np.int64)
