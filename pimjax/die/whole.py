"""Every cell of a die's macros, whatever program stands there: what tests of a die work on.

Axis letters: m macro taken, c site in it, r wordline, b bitline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from pimjax.array.words import WordLayout
from pimjax.die.cells import Cells, Shape, physical_lines
from pimjax.die.die import Die
from pimjax.die.geometry import geometry_of
from pimjax.die.inject import effects_of
from pimjax.die.physical import apply_step
from pimjax.die.steps import Form
from pimjax.memory.ecc import Code
from pimjax.memory.effects import Effect, Surroundings, in_order
from pimjax.memory.faults import Fault
from pimjax.network.capacity import capacity_of
from pimjax.network.place import words_of
from pimjax.numerics.threefry import Words

CELLS_AT_ONCE = 1 << 23
"""Cells that are treated together at most."""

DATA, PARITY = 0, 1
"""Planes of a die without a program: cells of data, and parity cells of a word code."""


def macros_to_test(die: Die, macros: Iterable[int] | None = None) -> np.ndarray:
    """The global numbers of the chosen macros, ascending, (m,) int64; of one chip by default.

    Raises ValueError for a macro that the chips do not have, and for none at all.
    """
    capacity = capacity_of(die.chip)
    if macros is None:
        return capacity.numbers().astype(np.int64)
    chosen = np.unique(np.fromiter(macros, np.int64))
    wrong = (chosen < 0) | (chosen % capacity.in_banks >= capacity.macros)
    if not len(chosen):
        raise ValueError("macros: at least one macro expected")
    if wrong.any():
        raise ValueError(
            f"macros: there is no macro {chosen[wrong][0]}; a {die.chip.name!r} has "
            f"0..{capacity.macros - 1}"
        )
    return chosen


def die_effects(
    die: Die, faults: Iterable[Fault], macros: np.ndarray, reads_per_image: float = 1.0
) -> list[Effect]:
    """The effects of faults on cells without a program, in order.

    Raises ValueError for faults of certain layers or planes: a die has none.
    """
    chosen = tuple(faults)
    for fault in chosen:
        for name in ("layers", "planes"):
            if getattr(fault, name, None) is not None:
                raise ValueError(
                    f"{type(fault).__name__}.{name}: a die without a program has no {name}; leave "
                    f"{name} out, or inject the fault into a program"
                )
    array, chip = die.chip.array, die.chip
    chips = int(macros.max(initial=0)) // (array.banks * array.macros_per_bank) + 1
    around = Surroundings(
        layers=("die",),
        planes=1,
        banks=array.banks * chips,
        count_reads=lambda: (float(reads_per_image),),
        device=chip.mram,
        timing=chip.timing,
        readout=array.readout,
    )
    return in_order(effects_of(chosen, around))


def die_shape(die: Die) -> Shape:
    """The static half of the die's cells: one layer, one plane of data."""
    return Shape(geometry_of(die.chip), 1, 1, words_of(die.chip))


def die_cells(die: Die, macros: np.ndarray) -> Cells:
    """All cells of macros (m,), as if every one that can hold data or parity did (weight 0).

    Spare lines hold something where a repair has put them to use; cells behind the last whole word
    never do.
    """
    geometry, words = geometry_of(die.chip), words_of(die.chip)
    array = die.chip.array
    kinds = line_kinds(words, array.bitlines)
    where = (len(macros), geometry.wordlines, geometry.bitlines, geometry.levels)
    weight, kind = np.full(where, -1, np.int32), np.zeros(where, np.int32)
    regular = np.indices((array.wordlines, array.bitlines), np.int32)
    order = None
    if die.repair is None:
        weight[:, : array.wordlines, : array.bitlines] = np.where(kinds < 0, -1, 0)[:, None]
        kind[:, : array.wordlines, : array.bitlines] = np.maximum(kinds, 0)[:, None]
    else:
        slot = np.arange(len(macros))[:, None, None]
        line, column = physical_lines(die, macros[slot], *regular[:, None])
        weight[slot, line, column] = np.where(kinds < 0, -1, 0)[:, None]
        kind[slot, line, column] = np.maximum(kinds, 0)[:, None]
        order = geometry.site(line, column, 0).reshape(len(macros), -1).astype(np.int32)
    by_site = (len(macros), geometry.sites)
    return Cells(
        macros.astype(np.uint32),
        (macros // geometry.macros_per_bank).astype(np.int32),
        weight.reshape(by_site),
        kind.reshape(by_site),
        np.zeros((1, 0), np.int32),
        order,
    )


def line_kinds(words: WordLayout, bitlines: int) -> np.ndarray:
    """DATA, PARITY, or -1 for what stays free, of every regular bitline, (b,) int32."""
    bitline = np.arange(bitlines)
    is_data, is_parity = words.data_bitline(bitline)[1], words.parity(bitline)[2]
    return np.where(is_data, DATA, np.where(is_parity, PARITY, -1)).astype(np.int32)


def portions(macros: np.ndarray, sites: int) -> Iterator[np.ndarray]:
    """The macros in runs of a limited number of cells, at least one macro each."""
    count = max(1, CELLS_AT_ONCE // sites)
    for first in range(0, len(macros), count):
        yield macros[first : first + count]


@partial(jax.jit, static_argnames=("form", "stuck_forms", "shape", "code"))
def one_step(
    bits: jax.Array,
    sent: jax.Array,
    key: Words,
    form: Form,
    data: Any,
    cells: Cells,
    shape: Shape,
    stuck_forms: tuple[Form, ...] = (),
    stuck_data: Sequence[Any] = (),
    code: Code | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`apply_step`, compiled step by step: in one piece XLA draws anew for every use of a bit."""
    stuck = list(zip(stuck_forms, stuck_data, strict=True))
    return apply_step(bits, sent, key, form, data, stuck, cells, shape, code)
