"""A program as it stands on a die after what its cells went through.

Low rates without word codes go by lists (`sparse`), everything else cell by cell (`physical`), a
few layers at a time. Both find the same cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, overload

import jax.numpy as jnp
import numpy as np

from pimjax.die.accesses import reads_of
from pimjax.die.cells import floor_of, macros_of
from pimjax.die.cellwise import cell_by_cell
from pimjax.die.columns import column_params
from pimjax.die.counted import resolved
from pimjax.die.die import Die
from pimjax.die.sparse import Finder, faulty_image
from pimjax.die.steps import step_of
from pimjax.memory.ecc import POLICIES, find_code
from pimjax.memory.effects import CellEffect, Effect, Surroundings, WeakCellEffect, in_order
from pimjax.memory.faults import FAULTS, Fault
from pimjax.network.fitting import require_program_fits, weights_decide
from pimjax.network.program import Program


class UncorrectableError(ValueError):
    """Words with detected errors that could not be corrected, under the policy "trap"."""


@dataclass(frozen=True)
class Injection:
    """What was done to the cells of a program.

    `changed`: how many cells each step changed, in order, under the name of its mechanism: cells of
    weights, and all cells of words with a code. `words`: of a chip with such a code, how many words
    of each layer had which outcome.
    """

    changed: tuple[tuple[str, int], ...]
    words: dict[str, dict[str, int]]


@overload
def inject(
    program: Program,
    faults: Iterable[Fault] | Fault,
    die: Die,
    *,
    report: Literal[False] = ...,
    uncorrectable: str = ...,
) -> Program: ...
@overload
def inject(
    program: Program,
    faults: Iterable[Fault] | Fault,
    die: Die,
    *,
    report: Literal[True],
    uncorrectable: str = ...,
) -> tuple[Program, Injection]: ...


def inject(
    program: Program,
    faults: Iterable[Fault] | Fault,
    die: Die,
    *,
    report: bool = False,
    uncorrectable: str = "raw",
) -> Program | tuple[Program, Injection]:
    """The program as its die holds it after `faults`; `program` itself stays as it is.

    The faults act in the order of SEMANTICS section 7, write errors first, stuck cells before
    sensing errors, whatever the order of the list; within a stage in the order given. A chip with a
    word code decodes its words last; `uncorrectable` says what becomes of words whose errors were
    detected and not corrected: "raw" (as read), "zero", or "trap" (UncorrectableError). With
    `report` also an `Injection`: counts by mechanism, and of words by outcome.

    What is injected into is what was programmed: give all that happens to a chip in one call (the
    same flips, injected into their own result, would be undone).

    The same die, fault and address give the same result whatever else is on the chip. Raises
    ValueError for a die of another chip, layers, planes or addresses that are not there.
    """
    _require_types(program, die)
    faults = (faults,) if isinstance(faults, FAULTS) else faults
    die.require_own(program)
    if uncorrectable not in POLICIES:
        raise ValueError(f"uncorrectable = {uncorrectable!r}: {', '.join(POLICIES)} expected")
    floor = floor_of(program)
    around = surroundings(program)
    effects = in_order(effects_of(faults, around))
    finder = Finder(program, floor, die)
    steps = [step_of(effect) for effect in resolved(effects, program, finder, die)]
    code = None if program.chip.mram.ecc == "none" else find_code(program.chip.mram.ecc)
    if code is None and all(step.form.sparse for step in steps):
        image, changed = faulty_image(program, finder, die, steps)
        words: dict[str, dict[str, int]] = {}
        totals = [int(counts.sum()) for counts in changed]
    else:
        image, totals, words = cell_by_cell(program, floor, die, steps, code, uncorrectable)
    if uncorrectable == "trap":
        _require_no_detected(words)
    for name, columns in column_params(program, die).items():
        image[name] = {**image[name], **columns}
    faulty = replace(program, image={n: _on_device(p) for n, p in image.items()})
    if weights_decide(faulty):
        require_program_fits(faulty)
    if not report:
        return faulty
    names = [step.form.stream or "listed cells" for step in steps]
    return faulty, Injection(tuple(zip(names, totals, strict=True)), words)


def _require_types(program: Any, die: Any) -> None:
    if not isinstance(program, Program):
        raise TypeError(
            f"program: {type(program).__name__} given; pass what pj.compile or pj.load_program "
            f"returns"
        )
    if not isinstance(die, Die):
        raise TypeError(f"die: {type(die).__name__} given; pass a pj.Die(chip, seed)")


def surroundings(program: Program) -> Surroundings:
    """What faults may know of a program and its chip."""
    chip, floor = program.chip, floor_of(program)
    macros = macros_of(floor)
    in_banks = chip.array.banks * chip.array.macros_per_bank
    chips = int(macros[-1]) // in_banks + 1 if len(macros) else 1
    return Surroundings(
        layers=floor.layers,
        planes=floor.shape.planes,
        banks=chip.array.banks * chips,
        count_reads=partial(reads_of, program, floor.layers),
        device=chip.mram,
        timing=chip.timing,
        readout=chip.array.readout,
    )


def effects_of(faults: Iterable[Fault], around: Surroundings) -> list[Effect]:
    """The effects of faults; several of one kind that acts anew each time are numbered."""
    effects: list[Effect] = []
    seen: dict[str, int] = {}
    if not isinstance(faults, Iterable):
        raise TypeError(f"faults: {faults!r} given; a list of pj.faults expected")
    for fault in faults:
        if type(fault) not in FAULTS:
            known = ", ".join(kind.__name__ for kind in FAULTS)
            raise TypeError(f"faults: {fault!r} is no fault; pj.faults has {known}")
        for effect in fault.effects(around):
            if isinstance(effect, CellEffect | WeakCellEffect) and effect.repeats:
                epoch = seen.get(effect.stream, 0)
                seen[effect.stream] = epoch + 1
                effect = replace(effect, epoch=effect.epoch + epoch)
            effects.append(effect)
    return effects


def _on_device(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: jnp.asarray(a) if isinstance(a, np.ndarray) and a.itemsize < 8 else a
        for name, a in params.items()
    }


def _require_no_detected(words: dict[str, dict[str, int]]) -> None:
    detected = {name: counts["detected"] for name, counts in words.items() if counts["detected"]}
    if detected:
        shown = ", ".join(f"{name} ({count})" for name, count in list(detected.items())[:5])
        raise UncorrectableError(
            f"{sum(detected.values())} words with errors that were detected and not corrected, in "
            f"layers {shown}; use uncorrectable = 'raw' or 'zero' to go on with them"
        )
