"""Spare lines that stand in for bad ones, and macros that are given up: what a test map decides.

Axis letters: m macro, r wordline, b bitline (regular ones).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pimjax.die.defects import defect_counts, defects_in_use
from pimjax.die.die import Die
from pimjax.die.survey import survey
from pimjax.die.whole import macros_to_test
from pimjax.memory.faults import Fault


@dataclass(frozen=True, eq=False)
class Repair:
    """Which physical line does the work of each regular one.

    `wordlines` (m, r) and `bitlines` (m, b) int32 by global macro number: physical line numbers,
    spare ones following the regular ones. `bad` (m,) bool: macros that spare lines did not save.
    """

    wordlines: np.ndarray
    bitlines: np.ndarray
    bad: np.ndarray

    def lines(
        self, macro: np.ndarray, wordline: np.ndarray, bitline: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The physical lines of regular ones, elementwise. Raises ValueError for other macros."""
        largest = int(macro.max(initial=0))
        if largest >= len(self.bad):
            raise ValueError(
                f"the repair knows macros 0..{len(self.bad) - 1}, but the program stands in macro "
                f"{largest}; test and repair those too: repaired(die, faults, macros)"
            )
        return self.wordlines[macro, wordline], self.bitlines[macro, bitline]

    def regular(
        self, macro: np.ndarray, wordline: np.ndarray, bitline: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(wordline, bitline, whether they are in use) of physical lines, elementwise."""
        row, used_row = _inverse(self.wordlines, macro, wordline)
        column, used_column = _inverse(self.bitlines, macro, bitline)
        return row, column, used_row & used_column


def _inverse(
    lines: np.ndarray, macro: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which regular line a physical one stands in for, and whether it does for any."""
    match = lines[macro] == line[:, None]
    return match.argmax(axis=1), match.any(axis=1)


def repaired(
    die: Die,
    faults: Iterable[Fault],
    macros: Iterable[int] | None = None,
    *,
    allowed: int = 0,
) -> Die:
    """The same die with its spare lines put to use, as a tester would after `faults`.

    Per macro: the wordlines and bitlines with the most bad cells give way, each to the spare line
    with the fewest; a spare that is no better stays unused. A line with more than half its cells
    bad is broken, and its cells are not held against the lines across it. A macro with more than
    `allowed` bad cells still in use is given up: `repair.bad`, not in `usable_macros`. Only what a
    tester finds counts (stuck cells, lines, clusters, macros); macros not tested are not repaired.

    *Assumption:* this order of repair; an optimal assignment of spares is a harder problem.
    """
    plain = Die(die.chip, die.seed)
    tested = macros_to_test(plain, macros)
    by_wordline, by_bitline = defect_counts(plain, faults, tested)
    array = die.chip.array
    size = int(tested.max()) + 1
    wordlines = np.tile(np.arange(array.wordlines, dtype=np.int32), (size, 1))
    bitlines = np.tile(np.arange(array.bitlines, dtype=np.int32), (size, 1))
    for macro, rows, columns in zip(tested.tolist(), by_wordline, by_bitline, strict=True):
        if rows.any():
            own = _assigned(rows.astype(int), columns.astype(int), array.wordlines, array.bitlines)
            wordlines[macro], bitlines[macro] = own
    bad = np.zeros(size, bool)
    mended = Die(die.chip, die.seed, Repair(wordlines, bitlines, bad))
    bad[tested] = defects_in_use(mended, faults, tested) > allowed
    return mended


def usable_macros(die: Die) -> list[int]:
    """Global numbers of the macros of a repaired die that were not given up, ascending."""
    if die.repair is None:
        raise ValueError("the die was not repaired; use pimjax.die.repair.repaired first")
    return np.flatnonzero(~die.repair.bad).tolist()


def ranked_macros(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None = None
) -> list[int]:
    """Macros by their share of bits in error after `faults`, best first; equal ones by number.

    For the policies "best" and "layers-first" of `pimjax.network.place`. *Source:* US10733039 tests
    memory segments by their aggregate bit error rate and maps priority layers to the good ones.
    """
    found = survey(die, faults, macros)
    order = np.lexsort((found.macros, found.errors))
    return found.macros[order].tolist()


def _assigned(
    rows: np.ndarray, columns: np.ndarray, wordlines: int, bitlines: int
) -> tuple[np.ndarray, np.ndarray]:
    """(physical line of every wordline, of every bitline) of one macro.

    `rows` and `columns` are the bad cells of its physical lines, spare ones last.
    """
    broken_rows, broken_columns = rows * 2 > len(columns), columns * 2 > len(rows)
    # A broken line puts one bad cell on every line across it: not their own fault.
    own_rows = np.where(broken_rows, rows, np.maximum(rows - broken_columns.sum(), 0))
    own_columns = np.where(broken_columns, columns, np.maximum(columns - broken_rows.sum(), 0))
    return _replaced(own_rows, wordlines), _replaced(own_columns, bitlines)


def _replaced(counts: np.ndarray, regular: int) -> np.ndarray:
    """Which physical line each regular one is: the worst give way to the best spare ones."""
    worst = np.argsort(-counts[:regular], kind="stable")
    spares = regular + np.argsort(counts[regular:], kind="stable")
    line = np.arange(regular, dtype=np.int32)
    for bad, spare in zip(worst.tolist(), spares.tolist(), strict=False):
        if counts[spare] < counts[bad]:
            line[bad] = spare
    return line
