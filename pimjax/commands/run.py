"""`pimjax run`: a model on a chip, on a folder or file of images, bit by bit."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pimjax.array.engines import select
from pimjax.chip.schema import Chip
from pimjax.commands.images import Images, load_labels, open_images
from pimjax.commands.on_die import Choice, choose, put, require_die
from pimjax.commands.outcome import Outcome, accuracy_lines, collect, saturation_table
from pimjax.commands.pixels import pixel_rule
from pimjax.files import write_whole
from pimjax.frontend.adc import clip_limit
from pimjax.frontend.compile import compile
from pimjax.frontend.load import load_model
from pimjax.frontend.model import Model
from pimjax.frontend.report import compare
from pimjax.network.describe import describe
from pimjax.network.program import Program
from pimjax.network.run import Batch, batches, code_output, only_input
from pimjax.network.save import load_program
from pimjax.network.shapes import results_by_shape

REPORTED_IMAGES = 32
"""Images that the layer-by-layer report looks at."""

SAVED = ".pim"


@dataclass(frozen=True)
class Request:
    """What the command was asked for; the meaning of each is in its help."""

    model: Path
    chip: Chip | None
    images: Path
    labels: str | None = None
    label_offset: int = 0
    normalize: str = "auto"
    calibration: Path | None = None
    calibration_images: int = 64
    ranges: str = "mse"
    adc: str = "chip"
    engine: str = "auto"
    chips: int = 1
    batch_size: int = 64
    limit: int | None = None
    describe: bool = False
    report: bool = False
    die: int | None = None
    scenario: str | None = None
    out: Path | None = None
    save: Path | None = None

    @property
    def is_saved(self) -> bool:
        """Whether the model is a program that was compiled before."""
        return self.model.suffix.lower() == SAVED


_COMPILED_IN = ("calibration", "calibration_images", "ranges", "adc", "chips")
"""What was settled when a saved program was compiled."""


def run_command(request: Request) -> None:
    """Runs the request and prints accuracy and saturation; files are written when all is done."""
    # Names of layers and files are text, whatever brackets and colons they hold.
    width = None if sys.stdout.isatty() else 120
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)
    started = time.perf_counter()
    choice = choose(request.die, request.scenario)
    _require_sound(request, choice)
    opened = _saved(request) if request.is_saved else load_model(request.model)
    images, rule = _images(request, request.images, opened, request.limit)
    labels = None
    if request.labels is not None:
        labels = load_labels(request.labels, images, request.label_offset)
    program = _program(request, opened, images)
    require_die(program.chip, choice)
    happened: list[str] = []
    if choice is not None:
        program, happened = put(program, choice)
    if labels is not None:
        _require_classes(program, labels)
    ready = time.perf_counter() - started
    adc = program.plan.spec.adc
    converter = "no ADC" if adc.kind == "none" else f"{adc.bits}-bit ADC"
    console.print(
        f"{request.model.name} on {program.chip.name} ({converter}), {len(images)} images from "
        f"{images.source}, pixels {rule}; ready in {ready:.0f} s"
    )
    for line in happened:
        console.print(line)
    if request.describe:
        console.print(describe(program).table(120))
    outcome, images_per_s = _run(program, images, labels, request.batch_size, console)
    console.print()
    for line in accuracy_lines(outcome):
        console.print(line)
    console.print(f"{images_per_s:.3g} images/s after compilation\n")
    for line in saturation_table(outcome.counts):
        console.print(line)
    if request.report:
        model = opened if isinstance(opened, Model) else None
        console.print()
        console.print(str(compare(program, images[slice(0, REPORTED_IMAGES)], model)))
    _write(request, program, rule, outcome, labels)
    for path in filter(None, (request.save, request.out)):
        console.print(f"wrote {path}")


def _require_sound(request: Request, choice: Choice | None) -> None:
    """Refuses before the work what would be refused, or cannot be written, after it."""
    for path in filter(None, (request.out, request.save)):
        _require_writable(path)
    if request.save is not None and request.save.suffix.lower() != SAVED:
        raise ValueError(f"--save {request.save}: a file ending in {SAVED} expected")
    if request.is_saved:
        for field in fields(Request):
            if field.name in _COMPILED_IN and getattr(request, field.name) != field.default:
                name = field.name.replace("_", "-")
                raise ValueError(
                    f"--{name}: {request.model} was compiled already, and this with it; "
                    f"leave --{name} out, or compile the model again"
                )
        return
    if request.adc != "chip":
        clip_limit(request.adc)
    if request.chip is not None:
        require_die(request.chip, choice)
        select(request.engine, request.chip.bitline(), request.chip.has_column_errors)


def _require_writable(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path}: a folder; the path of a file to write expected")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: cannot be written, as {there} is no folder to write to")


def _saved(request: Request) -> Program:
    program = load_program(request.model)
    if request.chip not in (None, program.chip):
        raise ValueError(
            f"--chip: {request.model} was compiled for {program.chip.name!r}, and not as it is "
            f"given here; leave --chip out, or compile the model again"
        )
    if request.engine == "auto":
        return program
    select(request.engine, program.plan.spec)
    return replace(program, plan=replace(program.plan, engine=request.engine))


def _images(
    request: Request, path: Path, opened: Model | Program, limit: int | None = None
) -> tuple[Images, str]:
    """Images as the network takes them, and in words how pixels became numbers."""
    graph = opened.graph if isinstance(opened, Model) else opened.plan.graph
    try:
        entry = only_input(graph)
    except ValueError as error:
        raise ValueError(f"{request.model}: {error}") from None
    images = open_images(path, entry, limit)
    words, rule = pixel_rule(request.normalize, images.stored, entry, request.is_saved)
    return replace(images, rule=rule), words


def _program(request: Request, opened: Model | Program, images: Images) -> Program:
    if isinstance(opened, Program):
        return opened
    if request.chip is None:
        raise ValueError(f"{request.model}: a model needs a chip to run on; give --chip")
    return compile(
        *(opened, request.chip, _calibration(request, images, opened)),
        ranges=request.ranges,  # type: ignore[arg-type]
        adc=request.adc,
        engine=request.engine,
        chips=request.chips,
    )


def _calibration(request: Request, images: Images, model: Model) -> np.ndarray | None:
    if model.is_quantized and request.adc == "chip":
        return None
    source = images
    if request.calibration is not None:
        source = _images(request, request.calibration, model)[0]
    # Evenly spread: files are often sorted by class.
    count = min(request.calibration_images, len(source))
    chosen = np.linspace(0, len(source) - 1, count).astype(int)
    stored = np.concatenate([source.read(slice(i, i + 1)) for i in chosen])
    if not stored.any():
        raise ValueError(
            f"{source.source}: all {count} calibration images are zero; give typical images of "
            f"the task with --calibration"
        )
    return source.rule(stored)


def _require_classes(program: Program, labels: np.ndarray) -> None:
    output = results_by_shape(program.plan, program.image)[code_output(program.plan.graph)[0]]
    classes = prod(output.output.shape[1:])
    if labels.max() >= classes or labels.min() < 0:
        raise ValueError(
            f"labels: {labels.min()}..{labels.max()}, but the network has {classes} classes, "
            f"0..{classes - 1}; --label-offset shifts them"
        )


def _run(
    program: Program,
    images: Images,
    labels: np.ndarray | None,
    batch_size: int,
    console: Console,
) -> tuple[Outcome, float]:
    """The outcome, and images a second without compilation."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    ends: list[tuple[int, float]] = []
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("compiling and running", total=len(images))

        def watched() -> Iterator[Batch]:
            for batch in batches(program, images, batch_size):
                ends.append((len(batch.codes), time.perf_counter()))
                progress.update(task, advance=len(batch.codes), description="running")
                yield batch

        outcome = collect(watched(), labels, program.layers)
        if len(ends) == 1:  # once more, now that it is compiled
            ends.insert(0, (0, time.perf_counter()))
            deque(batches(program, images, batch_size), maxlen=0)
            ends[1] = (len(images), time.perf_counter())
    seconds = ends[-1][1] - ends[0][1]
    return outcome, sum(count for count, _ in ends[1:]) / max(seconds, 1e-9)


def _write(
    request: Request,
    program: Program,
    rule: str,
    outcome: Outcome,
    labels: np.ndarray | None,
) -> None:
    for path in filter(None, (request.save, request.out)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if request.save is not None:
        program.save(request.save)
    if request.out is not None:
        record = _record(request, program, rule, outcome, labels)
        try:
            write_whole(request.out, (json.dumps(record, indent=1) + "\n").encode())
        except OSError as error:
            raise ValueError(f"{request.out}: cannot be written ({error.strerror})") from None


def _record(
    request: Request,
    program: Program,
    rule: str,
    outcome: Outcome,
    labels: np.ndarray | None,
) -> dict[str, Any]:
    tensor = code_output(program.plan.graph)[1]
    record: dict[str, Any] = {
        "model": str(request.model),
        "program": program.digest,
        "chip": program.chip.to_toml(),
        "die": request.die,
        "scenario": request.scenario,
        "images": str(request.images),
        "pixels": rule,
        "count": len(outcome.decisions),
        "decisions": outcome.decisions.tolist(),
        "output": None if tensor is None else [tensor.scale, tensor.zero_point],
        "layers": {name: counts._asdict() for name, counts in outcome.counts.items()},
    }
    if labels is not None:
        record["labels"] = labels.tolist()
        for k in (1, 5):
            record[f"top{k}"] = outcome.top(k) / len(labels)
    return record
