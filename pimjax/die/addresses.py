"""From stored bits to physical addresses and back.

Stored bit `plane` of a weight is a bit of its word as `pimjax.array.stored` numbers them: of two's
complement, offset binary and binary codes their own bit; of a differential pair of W-bit weights
bits 0 .. W-2 are the positive side's, bits W-1 .. 2W-3 the negative side's.

Axis letters: p shelf, of all layers, in order of its macro and wordline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from math import prod
from operator import index
from typing import Any, NamedTuple

import numpy as np

from pimjax.array.stored import plane_table, planes, stored_bits
from pimjax.chip.schema import Chip
from pimjax.network.place import words_of
from pimjax.network.placed import LayerMapping, map_program
from pimjax.network.program import Program

FREE, PARITY = -1, -2
"""Instead of a layer's number: a site that holds nothing, or the parity of a word."""


class Address(NamedTuple):
    """One storage element: `macro` within the bank, `level` within a multi-level cell."""

    bank: int
    macro: int
    wordline: int
    bitline: int
    level: int = 0
    chip: int = 0


class Stored(NamedTuple):
    """A bit of a weight: index into the layer's weights array, and the stored bit's number."""

    layer: str
    weight: tuple[int, ...]
    plane: int


class Parity(NamedTuple):
    """A parity bit: of which word of its wordline, and which of its parity cells."""

    word: int
    position: int


class Sites(NamedTuple):
    """Addresses as arrays of one shape; `macro` is the global number."""

    macro: Any
    wordline: Any
    bitline: Any
    level: Any


class Contents(NamedTuple):
    """What sites hold, as arrays: number of the array layer or FREE or PARITY, weight, plane.

    `weight` is flat in C order. Of a parity bit, `weight` is the word of its wordline, `plane` the
    number of its parity cell; of a free site both are 0.
    """

    layer: Any
    weight: Any
    plane: Any


@dataclass(frozen=True, eq=False)
class AddressMap:
    """The address of every stored bit of a program, and the bit at every address."""

    program: Program

    @cached_property
    def mappings(self) -> dict[str, LayerMapping]:
        """The placed strips of every array layer, by name in order of execution."""
        return map_program(self.program)

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of the array layers in order of execution: what `Contents.layer` counts."""
        return tuple(self.mappings)

    def sites(self, layer: str, weight: Any, plane: Any) -> Sites:
        """Where bits of weights are: integer arrays of one shape, `weight` flat in C order.

        Raises ValueError for a layer, weight or plane that is not there.
        """
        weight, plane = np.broadcast_arrays(np.asarray(weight), np.asarray(plane))
        strips = self.mappings[self._known(layer)].strips
        _require_below(f"weight of layer {layer!r}", weight, strips[0].mapping.weights)
        _require_below("plane", plane, stored_bits(self._spec))
        where = planes(self._spec)
        column, level = where.column[plane], where.level[plane]
        macro, wordline, bitline = (np.zeros(weight.shape, np.int64) for _ in range(3))
        for placed in strips:
            mapping = placed.mapping
            own = (column >= mapping.first_column) & (
                column < mapping.first_column + mapping.columns
            )
            shelf, row, data = mapping.locate(weight[own].astype(np.int64), column[own])
            macro[own] = placed.macros[shelf]
            wordline[own] = placed.wordlines[shelf] + row
            bitline[own] = self._words.physical_bitline(data)
        return Sites(macro, wordline, bitline, level)

    def contents(self, macro: Any, wordline: Any, bitline: Any, level: Any = 0) -> Contents:
        """What is at addresses: integer arrays of one shape, `macro` the global number.

        Numbers below 0 or beyond the chip are free. A parity cell is one of a word that holds data.
        """
        arrays = np.broadcast_arrays(*map(np.asarray, (macro, wordline, bitline, level)))
        macro, wordline, bitline, level = (array.astype(np.int64) for array in arrays)
        data, is_data = self._words.data_bitline(bitline)
        word, position, is_parity = self._words.parity(bitline)
        inside = (bitline >= 0) & (level >= 0) & (level < self._spec.cell_bits)
        first = np.where(is_data, data, word * self._words.k)
        layer, weight, column = self._cell(macro, wordline, first)
        # A word's data cells fill up from its first, so that this one tells whether it is used.
        used = inside & (layer != FREE)
        bit = plane_table(self._spec)[column, np.clip(level, 0, self._spec.cell_bits - 1)]
        holds, parity = used & is_data & (bit >= 0), used & is_parity
        return Contents(
            np.where(holds, layer, np.where(parity, PARITY, FREE)),
            np.where(holds, weight, np.where(parity, word, 0)),
            np.where(holds, bit, np.where(parity, position, 0)),
        )

    def _cell(self, macro: Any, wordline: Any, data_bitline: Any) -> tuple[Any, Any, Any]:
        """(number of the layer or FREE, weight, column) of cells at data bitlines."""
        layer = np.full(macro.shape, FREE)
        weight, column = np.zeros(macro.shape, np.int64), np.zeros(macro.shape, np.int64)
        shelves, wordlines = self._shelves, self.program.chip.array.wordlines
        if not len(shelves.key):
            return layer, weight, column
        key = macro * wordlines + wordline
        at = np.searchsorted(shelves.key, key, side="right") - 1
        row = key - shelves.key[at]
        found = (at >= 0) & (wordline >= 0) & (wordline < wordlines)
        for number, placed in enumerate(self._strips):
            own = found & (shelves.strip[at] == number)
            if own.any():
                cell = shelves.shelf[at[own]], row[own], data_bitline[own]
                weight[own], column[own], used = placed.mapping.content(*cell)
                layer[own] = np.where(used, self.layers.index(placed.strip.layer), FREE)
        return layer, weight, column

    @property
    def _spec(self) -> Any:
        return self.program.plan.spec

    @cached_property
    def _words(self) -> Any:
        return words_of(self.program.chip)

    @cached_property
    def _strips(self) -> list[Any]:
        return [placed for mapping in self.mappings.values() for placed in mapping.strips]

    @cached_property
    def _shelves(self) -> _Shelves:
        wordlines = self.program.chip.array.wordlines
        none = [np.zeros(0, np.int64)]
        key = [s.macros.astype(np.int64) * wordlines + s.wordlines for s in self._strips]
        strip = [np.full(len(one), number) for number, one in enumerate(key)]
        shelf = [np.arange(len(one)) for one in key]
        joined = [np.concatenate(none + parts) for parts in (key, strip, shelf)]
        order = np.argsort(joined[0])
        return _Shelves(*(array[order] for array in joined))

    def _known(self, layer: str) -> str:
        return known_layer(layer, self.layers)


class _Shelves(NamedTuple):
    """All shelves of a program, (p,) each: first global wordline, number of its strip, its own."""

    key: np.ndarray
    strip: np.ndarray
    shelf: np.ndarray


def address_of(program: Program, layer: str, weight: int | Sequence[int], plane: int) -> Address:
    """The address of stored bit `plane` of a weight: its index tuple, or its flat number.

    Raises ValueError for a layer, weight or plane that is not there.
    """
    known = known_layer(layer, tuple(map_program(program)))
    flat = flat_weight(layer, program.image[known]["weights"].shape, weight)
    sites = AddressMap(program).sites(layer, flat, plane)
    return address_at(program.chip, *(int(item) for item in sites))


def content_of(program: Program, address: Address) -> Stored | Parity | None:
    """The bit at an address: of a weight, of a word's parity, or None where the site is free.

    Raises ValueError for an address that the chip does not have.
    """
    number = macro_number(program.chip, address)
    found = AddressMap(program).contents(number, address.wordline, address.bitline, address.level)
    layer, weight, plane = (int(item) for item in found)
    if layer == PARITY:
        return Parity(weight, plane)
    if layer == FREE:
        return None
    name = tuple(map_program(program))[layer]
    shape = program.image[name]["weights"].shape
    return Stored(name, tuple(int(i) for i in np.unravel_index(weight, shape)), plane)


def address_at(chip: Chip, macro: int, wordline: int, bitline: int, level: int = 0) -> Address:
    """The address with the global macro number split into chip, bank and macro of the bank."""
    bank, within = divmod(macro, chip.array.macros_per_bank)
    on_chip, bank = divmod(bank, chip.array.banks)
    return Address(bank, within, wordline, bitline, level, on_chip)


def macro_number(chip: Chip, address: Address) -> int:
    """The global macro number of an address; ValueError where the chip has no such address."""
    array = chip.array
    limits = {
        "bank": array.banks,
        "macro": array.macros_per_bank,
        "wordline": array.wordlines,
        "bitline": array.bitlines,
        "level": chip.precision.cell_bits,
    }
    for name, limit in limits.items():
        _require_below(f"address.{name}", np.asarray(getattr(address, name)), limit)
    if index(address.chip) < 0:
        raise ValueError(f"address.chip = {address.chip}: chips are counted from 0")
    return (address.chip * array.banks + address.bank) * array.macros_per_bank + address.macro


def known_layer(layer: str, layers: Sequence[str]) -> str:
    """`layer`, if it is one of the array layers `layers`; ValueError otherwise."""
    if layer in layers:
        return layer
    near = get_close_matches(str(layer), layers, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(layers) or 'none'}"
    raise ValueError(f"no layer {layer!r} on the array; {hint}")


def flat_weight(layer: str, shape: tuple[int, ...], weight: int | Sequence[int]) -> int:
    """The flat number, in C order, of a weight of that layer; ValueError where it is not there."""
    if np.ndim(weight) == 0:
        flat = index(weight)  # type: ignore[arg-type]
        if 0 <= flat < prod(shape):
            return flat
    else:
        items = tuple(map(index, weight))  # type: ignore[arg-type]
        if len(items) == len(shape) and all(0 <= i < n for i, n in zip(items, shape, strict=True)):
            return int(np.ravel_multi_index(items, shape))
    raise ValueError(
        f"weight {weight!r} of layer {layer!r}: its weights have the shape {shape}; an index into "
        f"it or a number 0..{prod(shape) - 1} expected"
    )


def _require_below(name: str, values: np.ndarray, limit: int) -> None:
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name}: integers expected, {values.dtype} given")
    outside = (values < 0) | (values >= limit)
    if outside.any():
        raise ValueError(f"{name} = {values[outside].flat[0]}: allowed 0..{limit - 1}")
