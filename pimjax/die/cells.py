"""The cells of a program's macros, and which bit of which weight each of them holds.

Axis letters: m macro taken, c site in it, w weight of the program (layer after layer, flat),
j plane, q class (layer * (planes + 1) + plane; the last plane stands for parity cells).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pimjax.array.stored import plane_table, stored_bits
from pimjax.array.words import WordLayout
from pimjax.die.die import Die
from pimjax.die.geometry import geometry_of
from pimjax.memory.geometry import MacroGeometry
from pimjax.network.place import words_of
from pimjax.network.placed import LayerMapping, PlacedStrip, map_program
from pimjax.network.program import Program


class Cells(NamedTuple):
    """The arrays of a program's cells.

    macro (m,) uint32: global numbers; bank (m,) int32; weight (m, c) int32: the weight whose bit
    the cell holds, or -1; kind (m, c) int32: its class q; address (j, w) int32: m * sites + c of
    every bit. On a repaired die `order` (m, regular cells) int32 lists the sites that stand in for
    the regular ones, line by line; else None.
    """

    macro: np.ndarray
    bank: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    address: np.ndarray
    order: np.ndarray | None


@dataclass(frozen=True)
class Shape:
    """What is static of `Cells`: macro geometry, planes of a weight, layers, words of a code."""

    geometry: MacroGeometry
    planes: int
    layers: int
    words: WordLayout


@dataclass(frozen=True, eq=False)
class Floor:
    """Some layers of a program with their strips, weights and offsets in the flat order."""

    shape: Shape
    layers: tuple[str, ...]
    mappings: tuple[LayerMapping, ...]
    offsets: tuple[int, ...]
    weights: int


def floor_of(program: Program, layers: Sequence[str] | None = None) -> Floor:
    """The chosen layers (all array layers by default) of a program, in order of execution."""
    mappings = map_program(program)
    names = tuple(name for name in mappings if layers is None or name in layers)
    sizes = [mappings[name].strips[0].mapping.weights for name in names]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int).tolist()
    shape = Shape(
        geometry_of(program.chip),
        stored_bits(program.plan.spec),
        len(mappings),
        words_of(program.chip),
    )
    own = tuple(mappings[name] for name in names)
    return Floor(shape, names, own, tuple(offsets[:-1]), offsets[-1])


def macros_of(floor: Floor) -> np.ndarray:
    """Global numbers of the macros taken, ascending, (m,) int64."""
    numbers = [strip.macros for mapping in floor.mappings for strip in mapping.strips]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *numbers])).astype(np.int64)


def cells_of(program: Program, floor: Floor, die: Die) -> Cells:
    """The cells of every macro that the floor's layers stand in, as they are on the die."""
    geometry, count = floor.shape.geometry, floor.shape.planes
    macros = macros_of(floor)
    every = tuple(map_program(program))
    where = (len(macros), geometry.wordlines, geometry.bitlines, geometry.levels)
    weight, kind = np.full(where, -1, np.int32), np.zeros(where, np.int32)
    plane_of = plane_table(program.plan.spec)
    for name, mapping, offset in zip(floor.layers, floor.mappings, floor.offsets, strict=True):
        first = every.index(name) * (count + 1)
        for strip in mapping.strips:
            _fill(weight, kind, strip, macros, offset, first, plane_of, floor.shape, die)
    flat, kinds = weight.reshape(-1), kind.reshape(-1)
    taken = np.flatnonzero(flat >= 0)
    address = np.zeros((count, floor.weights), np.int32)
    address[kinds[taken] % (count + 1), flat[taken]] = taken
    bank = (macros // geometry.macros_per_bank).astype(np.int32)
    by_site = (len(macros), geometry.sites)
    return Cells(
        macros.astype(np.uint32),
        bank,
        weight.reshape(by_site),
        kind.reshape(by_site),
        address,
        _order(program, macros, die),
    )


def _order(program: Program, macros: np.ndarray, die: Die) -> np.ndarray | None:
    """The sites in the order of the regular lines, where spare ones stand in for some."""
    if die.repair is None:
        return None
    array, geometry = program.chip.array, geometry_of(program.chip)
    shape = (len(macros), array.wordlines, array.bitlines)
    grid = np.indices(shape)
    lines = physical_lines(die, macros[grid[0]], grid[1], grid[2])
    return geometry.site(*lines, 0).reshape(len(macros), -1).astype(np.int32)


def _fill(
    weight: np.ndarray,
    kind: np.ndarray,
    strip: PlacedStrip,
    macros: np.ndarray,
    offset: int,
    first: int,
    plane_of: np.ndarray,
    shape: Shape,
    die: Die,
) -> None:
    """Enters what the shelves of a strip hold."""
    mapping, words, parity_kind = strip.mapping, shape.words, first + shape.planes
    shelf = np.arange(mapping.shelves, dtype=np.int32)
    row = np.arange(int(mapping.shelf_rows.max()), dtype=np.int32)
    data = np.arange(mapping.data_bitlines, dtype=np.int32)
    grid = shelf[:, None, None], row[None, :, None], data[None, None, :]
    number, column, used = mapping.content(*grid)
    slot = np.searchsorted(macros, strip.macros)
    at, r, b = np.nonzero(used)
    wordline = strip.wordlines[at] + r
    bitline = words.physical_bitline(b)
    line, where = physical_lines(die, strip.macros[at], wordline, bitline)
    for level in range(plane_of.shape[1]):
        plane = plane_of[column[at, r, b], level]
        held = plane >= 0
        spot = slot[at][held], line[held], where[held], level
        weight[spot] = offset + number[at, r, b][held]
        kind[spot] = first + plane[held]
    if words.n > words.k:
        in_word = used.reshape(*used.shape[:2], words.words, words.k).any(axis=-1)
        # Free cells of a word in use hold zeros and can fail: they count with the parity cells.
        free = in_word[..., None] & ~used.reshape(*used.shape[:2], words.words, words.k)
        at, r, word, position = np.nonzero(free)
        bitline = word * words.n + position
        line, where = physical_lines(die, strip.macros[at], strip.wordlines[at] + r, bitline)
        kind[slot[at], line, where, 0] = parity_kind
        at, r, word = np.nonzero(in_word)
        for parity in range(words.k, words.n):
            wordline, bitline = strip.wordlines[at] + r, word * words.n + parity
            line, where = physical_lines(die, strip.macros[at], wordline, bitline)
            kind[slot[at], line, where, 0] = parity_kind


def physical_lines(
    die: Die, macro: np.ndarray, wordline: np.ndarray, bitline: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The lines that stand in for regular ones on a repaired die; else they themselves."""
    if die.repair is None:
        return wordline, bitline
    return die.repair.lines(macro, wordline, bitline)
