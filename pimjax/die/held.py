"""A program's own cells under faults: errors expected, beside those that were drawn.

Axis letters: l layer, j plane (the last one is parity), k bank, u stored bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pimjax.array.stored import stored_words
from pimjax.die.addresses import AddressMap
from pimjax.die.cells import Floor, floor_of
from pimjax.die.die import Die
from pimjax.die.expected import expected_counts
from pimjax.die.inject import Injection, effects_of, inject, surroundings
from pimjax.die.outcomes import Words, expected_words
from pimjax.die.steps import Listed
from pimjax.memory.ecc import Code, Outcome, find_code
from pimjax.memory.effects import CellEffect, CountEffect, PlaceEffect, in_order
from pimjax.memory.faults import Fault
from pimjax.network.program import Program


@dataclass(frozen=True, eq=False)
class Held:
    """What became of a program's cells: `cells` of weights, or of words with a code.

    `mechanisms`: (name, stage, expected, drawn) cells changed. `errors`: (expected, drawn) stored
    bits of weights that are wrong, of a chip with a word code after it. `words`: its outcomes.
    """

    program: Program
    cells: int
    mechanisms: tuple[tuple[str, str, float, int], ...]
    errors: tuple[float, int]
    words: Words | None


def held_cells(
    program: Program, faults: Iterable[Fault], die: Die, uncorrectable: str = "raw"
) -> Held:
    """What `pj.inject` does to a program, with the numbers of cells it is expected to change.

    Parity cells count as ones and zeros in equal parts, free cells of words as zeros. Raises
    ValueError as `pj.inject` does.
    """
    chosen = tuple(faults)
    faulty, report = inject(program, chosen, die, report=True, uncorrectable=uncorrectable)
    floor, name = floor_of(program), program.chip.mram.ecc
    code = None if name == "none" else find_code(name)
    around = surroundings(program)
    effects = in_order(effects_of(chosen, around))
    # Listed and counted cells are known: what was drawn is what is expected.
    known = [
        Listed(effect.stage, "", np.zeros((drawn, 2), np.int64))
        if isinstance(effect, PlaceEffect | CountEffect)
        else effect
        for effect, (_, drawn) in zip(effects, report.changed, strict=True)
    ]
    banked = any(isinstance(e, CellEffect) and e.probabilities.shape[2] > 1 for e in effects)
    cells = _cells(program, floor, around.banks if banked else 1, report, code)
    expected = expected_counts(known, cells, floor.shape.geometry, code)
    mechanisms = tuple(
        (title, effect.stage.name.lower(), count, drawn)
        for effect, count, (title, drawn) in zip(
            effects, expected.changed, report.changed, strict=True
        )
    )
    wrong = sum(_wrong(program, faulty, layer) for layer in floor.layers)
    total, words = int(cells.sum()), None
    errors = expected.errors, wrong
    if code is not None:
        counts = {
            kind.name.lower(): sum(own[kind.name.lower()] for own in report.words.values())
            for kind in Outcome
        }
        count = sum(counts.values())
        likely, wrong_data = expected_words(code, count, expected.errors / max(1, total))
        own = floor.weights * floor.shape.planes
        words = Words(counts, wrong, likely, wrong_data * own / max(1, count * code.k), own)
        errors = words.expected_wrong_bits, wrong
    return Held(faulty, total, mechanisms, errors, words)


def _cells(
    program: Program, floor: Floor, banks: int, report: Injection, code: Code | None
) -> np.ndarray:
    """How many cells hold what, (l, j, k, u) float64; all in one bank where `banks` is 1."""
    planes = floor.shape.planes
    cells = np.zeros((floor.shape.layers, planes + 1, banks, 2))
    addresses = AddressMap(program) if banks > 1 else None
    for number, layer in enumerate(floor.layers):
        words = stored_words(program.image[layer], program.plan.spec).reshape(-1)
        flat = np.arange(words.size)
        share = np.ones((1, 1))
        for plane in range(planes):
            bit = ((words >> words.dtype.type(plane)) & 1).astype(np.int64)
            bank = np.zeros(words.size, np.int64)
            if addresses is not None:
                sites = addresses.sites(layer, flat, np.full(words.size, plane))
                bank = sites.macro // program.chip.array.macros_per_bank
            held = np.bincount(bank * 2 + bit, minlength=2 * banks).reshape(banks, 2)
            cells[number, plane] = held
            share = held.sum(axis=1, keepdims=True) / words.size
        if code is not None:
            # Beside the weights: parity, half of it ones, and what is left free of words, zeros.
            count = sum(report.words[layer].values())
            parity, free = count * code.parity_bits, count * code.k - words.size * planes
            cells[number, planes] = share * np.array([parity / 2 + free, parity / 2])
    return cells


def _wrong(program: Program, faulty: Program, layer: str) -> int:
    before, after = (stored_words(p.image[layer], p.plan.spec) for p in (program, faulty))
    return int(np.bitwise_count(before ^ after).sum())
