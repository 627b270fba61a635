"""`pimjax die`: what a scenario does to a die, expected and drawn, as tables, picture and CSV."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pimjax.chip.schema import Chip
from pimjax.die.chip_map import chip_picture
from pimjax.die.die import Die
from pimjax.die.floorplan import Floorplan
from pimjax.die.held import Held, held_cells
from pimjax.die.outcomes import Words
from pimjax.die.scenario import Scenario
from pimjax.die.survey import Pattern, Survey, survey
from pimjax.die.whole import macros_to_test
from pimjax.files import write_whole
from pimjax.memory.faults import ReadDisturb
from pimjax.network.capacity import capacity_of
from pimjax.network.program import Program
from pimjax.network.save import load_program
from pimjax.network.text import aligned, shortened

_TOGETHER = ("broken wordline", "broken bitline", "broken macro", "clusters")


@dataclass(frozen=True)
class DieRequest:
    """What the command was asked for; the meaning of each is in its help."""

    chip: Chip
    scenario: Scenario
    seed: int
    data: Pattern
    reads: float
    model: Path | None
    out: Path


def die_command(request: DieRequest) -> None:
    """Prints the tables and writes die.png and die.csv, when all is done."""
    width = None if sys.stdout.isatty() else 100
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)
    require_folder(request.out)
    die = Die(request.chip, request.seed)
    program = None if request.model is None else _program(request.model, die)
    if request.scenario.description:
        console.print(f"{request.scenario.name}: {request.scenario.description}")
    found = _surveyed(request, die, console)
    for line in _die_lines(request, found):
        console.print(line)
    if program is not None:
        held = held_cells(program, request.scenario.faults, die, request.scenario.uncorrectable)
        for line in _program_lines(request, held):
            console.print(line)
    _write(request, die, program, found)
    console.print(f"\nwrote {request.out / 'die.png'} and {request.out / 'die.csv'}")


def require_folder(path: Path) -> None:
    """Refuses a path where no folder can be, or be written to. Raises ValueError."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: cannot be written, as {there} is no folder to write to")


def _program(path: Path, die: Die) -> Program:
    program = load_program(path)
    try:
        die.require_own(program)
    except ValueError as error:
        raise ValueError(f"--model {path}: {error}") from None
    return program


def _surveyed(request: DieRequest, die: Die, console: Console) -> Survey:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("macros", total=len(macros_to_test(die)))
        return survey(
            die,
            request.scenario.faults,
            pattern=request.data,
            reads_per_image=request.reads,
            watch=lambda done: progress.update(task, completed=done),
        )


def _die_lines(request: DieRequest, found: Survey) -> list[str]:
    mib = capacity_of(request.chip).mib(len(found.macros))
    lines = [
        f"{request.chip.name}, seed {request.seed}: {len(found.macros)} macros, {mib:.4g} MiB; "
        f"{found.cells:,} cells with {request.data} data"
    ]
    if any(isinstance(fault, ReadDisturb) for fault in request.scenario.faults):
        lines.append(
            f"reads of a cell for an image: {request.reads:g} (without a program; --reads)"
        )
    rows = [(m.name, m.stage, m.expected, m.drawn) for m in found.mechanisms]
    wrong = int(found.errors.sum())
    lines += ["", *_table(rows, [("wrong cells", found.expected_errors, wrong)], found.cells)]
    return lines + _word_lines(request.chip, found.words, [row[0] for row in rows])


def _program_lines(request: DieRequest, held: Held) -> list[str]:
    lines = ["", f"{request.model}: {held.cells:,} cells of its own"]
    summed = [] if held.words is not None else [("wrong bits", *held.errors)]
    lines += ["", *_table(held.mechanisms, summed, held.cells)]
    return lines + _word_lines(request.chip, held.words, [row[0] for row in held.mechanisms])


def _table(
    rows: Sequence[tuple[str, str, float, int]],
    summed: Sequence[tuple[str, float, int]],
    cells: int,
) -> list[str]:
    """Cells changed by mechanism, then sums with their rate."""
    if not rows:
        return ["no faults"]
    columns: list[list[str]] = [["cells changed by"], ["stage"], ["expected"], ["drawn"]]
    body = [(name, stage, _number(likely), f"{drawn:,}") for name, stage, likely, drawn in rows]
    for name, likely, drawn in summed:
        body.append((name, "", _number(likely), f"{drawn:,}"))
        body.append(("raw bit error rate", "", f"{likely / cells:.3g}", f"{drawn / cells:.3g}"))
    for row in body:
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    return aligned(dict(zip("abcd", columns, strict=True)), "ab")


def _word_lines(chip: Chip, words: Words | None, mechanisms: Sequence[str]) -> list[str]:
    if words is None:
        return []
    columns = [[f"words of {chip.mram.ecc}"], ["expected"], ["drawn"]]
    body = [(k, _number(words.expected[k]), f"{words.drawn[k]:,}") for k in words.drawn]
    wrong = words.expected_wrong_bits, words.wrong_bits
    body.append(("wrong bits of data", _number(wrong[0]), f"{wrong[1]:,}"))
    rates = [f"{count / max(1, words.data_bits):.3g}" for count in wrong]
    body.append(("bit error rate", rates[0], rates[1]))
    together = any(name.startswith(_TOGETHER) for name in mechanisms)
    if together:
        body = [(name, "-", drawn) for name, _, drawn in body]
    for row in body:
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    lines = ["", *aligned(dict(zip("abc", columns, strict=True)), "a")]
    if together:
        lines.append("(expected only where cells fail one by one; lines and clusters do not)")
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _write(request: DieRequest, die: Die, program: Program | None, found: Survey) -> None:
    placed = () if program is None or request.model is None else ((request.model.stem, program),)
    plan = Floorplan(request.chip, placed)
    counts = [0] * plan.capacity.in_banks
    for macro, errors in zip(found.macros.tolist(), found.errors.tolist(), strict=True):
        counts[macro] = errors
    name = shortened(request.scenario.name, 40)
    title = f"{shortened(request.chip.name, 30)}, seed {request.seed}: {name}"
    picture = chip_picture(plan, "png", counts, title)
    request.out.mkdir(parents=True, exist_ok=True)
    write_whole(request.out / "die.png", picture)
    write_whole(request.out / "die.csv", _csv(request.chip, found).encode())


def _csv(chip: Chip, found: Survey) -> str:
    """A line a macro: its place, cells changed by mechanism, cells that are wrong at last."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [mechanism.name.replace(" ", "_") for mechanism in found.mechanisms]
    numbered = [
        f"{n}_{names[:i].count(n) + 1}" if n in names[:i] else n for i, n in enumerate(names)
    ]
    table.writerow(["bank", "macro", *numbered, "wrong_cells"])
    for row, number in enumerate(found.macros.tolist()):
        changed = [int(mechanism.changed[row]) for mechanism in found.mechanisms]
        place = divmod(number, chip.array.macros_per_bank)
        table.writerow([*place, *changed, int(found.errors[row])])
    return text.getvalue()
