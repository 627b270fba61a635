"""`pimjax run`: a model on a chip, on a folder or file of images, bit by bit."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats
from pimjax.commands.images import Images, load_labels, normalised, open_images
from pimjax.demo.report import wilson_interval, write_whole
from pimjax.frontend.compile import compile
from pimjax.frontend.load import load_model
from pimjax.frontend.model import Model
from pimjax.frontend.report import compare
from pimjax.network.describe import describe
from pimjax.network.graph import Graph
from pimjax.network.program import Program
from pimjax.network.run import batches, code_output, require_images
from pimjax.network.save import load_program
from pimjax.network.shapes import results_by_shape
from pimjax.network.text import aligned, shortened_apart

REPORTED_IMAGES = 32
"""Images that the layer-by-layer report looks at."""


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
    out: Path | None = None
    save: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """Output codes and statistics of all images, and how long they took without compilation."""

    codes: np.ndarray
    stats: dict[str, Stats]
    images_per_s: float


def run_command(request: Request) -> None:
    """Runs the request and prints accuracy and saturation; files are written when all is done."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    started = time.perf_counter()
    model, program, entry_graph = _opened(request)
    entry = entry_graph.inputs[0]
    images, rule = normalised(
        open_images(request.images, entry, request.limit), request.normalize, entry
    )
    require_images(images, entry)
    labels = None
    if request.labels is not None:
        labels = load_labels(request.labels, images, request.label_offset)
    if program is None:
        assert model is not None and request.chip is not None
        calibration = _calibration(request, images, model)
        program = compile(
            *(model, request.chip, calibration),
            ranges=request.ranges,  # type: ignore[arg-type]
            adc=request.adc,
            engine=request.engine,
            chips=request.chips,
        )
    if labels is not None:
        _require_classes(program, labels)
    ready = time.perf_counter() - started
    adc = program.plan.spec.adc
    converter = "no ADC" if adc.kind == "none" else f"{adc.bits}-bit ADC"
    console.print(
        f"{request.model.name} on {program.chip.name} ({converter}), {len(images)} images from "
        f"{images.source} taken as {rule}; ready in {ready:.0f} s"
    )
    if request.describe:
        console.print(describe(program).table(120))
    outcome = _run(program, images, request.batch_size, console)
    decisions = _decisions(outcome.codes)
    console.print()
    for line in _accuracy_lines(outcome.codes, labels):
        console.print(line)
    console.print(f"{outcome.images_per_s:.3g} images/s after compilation\n")
    for line in saturation_table(outcome.stats):
        console.print(line)
    if request.report:
        console.print()
        console.print(str(compare(program, images[slice(0, REPORTED_IMAGES)], model)))
    if request.save is not None:
        program.save(request.save)
        console.print(f"wrote {request.save}")
    if request.out is not None:
        record = _record(request, program, rule, outcome, decisions, labels)
        request.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(request.out, (json.dumps(record, indent=1) + "\n").encode())
        console.print(f"wrote {request.out}")


def _opened(request: Request) -> tuple[Model | None, Program | None, Graph]:
    if request.model.suffix.lower() == ".pim":
        program = load_program(request.model)
        return None, program, program.plan.graph
    if request.chip is None:
        raise ValueError(f"{request.model}: a model needs a chip to run on; give --chip")
    model = load_model(request.model)
    return model, None, model.graph


def _calibration(request: Request, images: Images, model: Model) -> np.ndarray | None:
    if model.is_quantized and request.adc == "chip":
        return None
    entry = model.graph.inputs[0]
    source = images
    if request.calibration is not None:
        source = normalised(open_images(request.calibration, entry), request.normalize, entry)[0]
        require_images(source, entry)
    if request.calibration_images < len(source):
        # Evenly spread: files are often sorted by class.
        chosen = np.linspace(0, len(source) - 1, request.calibration_images).astype(int)
        return np.concatenate([source[slice(i, i + 1)] for i in chosen])
    return source[slice(None)]


def _require_classes(program: Program, labels: np.ndarray) -> None:
    output = results_by_shape(program.plan, program.image)[code_output(program.plan.graph)[0]]
    classes = prod(output.output.shape[1:])
    if labels.max() >= classes or labels.min() < 0:
        raise ValueError(
            f"labels: {labels.min()}..{labels.max()}, but the network has {classes} classes, "
            f"0..{classes - 1}; --label-offset shifts them"
        )


def _run(program: Program, images: Images, batch_size: int, console: Console) -> Outcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    codes: list[np.ndarray] = []
    stats: dict[str, Stats] = {}
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling and running", total=len(images))
        first = done = 0
        compiled = time.perf_counter()
        for batch in batches(program, images, batch_size):
            codes.append(batch.codes)
            stats = {n: stats[n] + s if n in stats else s for n, s in batch.stats.items()}
            done += len(batch.codes)
            if not first:
                first, compiled = done, time.perf_counter()
            progress.update(task, completed=done, description="running")
        if done == first:  # one batch: once more, now that it is compiled
            compiled, first = time.perf_counter(), 0
            deque(batches(program, images, batch_size), maxlen=0)
    seconds = time.perf_counter() - compiled
    return Outcome(np.concatenate(codes), stats, (done - first) / max(seconds, 1e-9))


def _decisions(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(len(codes), -1).argmax(axis=1)


def _accuracy_lines(codes: np.ndarray, labels: np.ndarray | None) -> list[str]:
    scores = codes.reshape(len(codes), -1)
    classes = scores.shape[1]
    if labels is None:
        counts = np.bincount(scores.argmax(axis=1), minlength=classes)
        common = np.argsort(-counts, kind="stable")[:5]
        shown = ", ".join(f"{c} ({counts[c]})" for c in common if counts[c])
        return [f"no labels given; most frequent decisions: {shown}"]
    lines = []
    for k in (1, 5):
        if k == 1 or classes >= 20:
            right = int(top_k(scores, labels, k).sum())
            low, high = wilson_interval(right, len(labels))
            lines.append(
                f"top-{k} {100 * right / len(labels):.2f} %  "
                f"(95 % interval {100 * low:.2f} .. {100 * high:.2f}, {right} of {len(labels)})"
            )
    return lines


def top_k(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether each label is among the k largest scores; of equal ones the lower class is first."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    classes = np.arange(scores.shape[1])[None]
    ahead = (scores > own) | ((scores == own) & (classes < labels[:, None]))
    return ahead.sum(axis=1) < k


def saturation_table(stats: dict[str, Stats]) -> list[str]:
    """Conversions and clipped ones by layer, in lines of text; a total at the end."""
    if not any(stat.conversions for stat in stats.values()):
        return ["no conversions: this chip has no ADC"]
    names = shortened_apart([*stats], 48)
    total = [sum(getattr(stat, field) for stat in stats.values()) for field in _COUNTS]
    rows = [[getattr(stat, field) for field in _COUNTS] for stat in stats.values()]
    columns = {"layer": ["layer", *names, "all"]}
    for index, title in enumerate(("conversions", "clipped low", "clipped high")):
        columns[title] = [title, *(f"{row[index]:,}" for row in (*rows, total))]
    shares = [100 * (row[1] + row[2]) / max(1, row[0]) for row in (*rows, total)]
    columns["clipped %"] = ["clipped %", *(f"{share:.4g}" for share in shares)]
    return aligned(columns, ("layer",))


_COUNTS = ("conversions", "clipped_low", "clipped_high")


def _record(
    request: Request,
    program: Program,
    rule: str,
    outcome: Outcome,
    decisions: np.ndarray,
    labels: np.ndarray | None,
) -> dict[str, Any]:
    tensor = code_output(program.plan.graph)[1]
    record: dict[str, Any] = {
        "model": str(request.model),
        "program": program.digest,
        "chip": program.chip.to_toml(),
        "images": str(request.images),
        "pixels": rule,
        "count": len(decisions),
        "decisions": decisions.tolist(),
        "output": None if tensor is None else [tensor.scale, tensor.zero_point],
        "layers": {
            name: {field: getattr(stat, field) for field in _COUNTS}
            for name, stat in outcome.stats.items()
        },
    }
    if labels is not None:
        scores = outcome.codes.reshape(len(labels), -1)
        record["labels"] = labels.tolist()
        record["top1"] = float(top_k(scores, labels, 1).mean())
        record["top5"] = float(top_k(scores, labels, 5).mean())
    return record
