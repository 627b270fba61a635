"""`pimjax demo --imagenet`: top-5 of the chip beside float's, a check, and a file."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pimjax.chip.load import load_chip
from pimjax.demo.imagenet.classes import class_name
from pimjax.demo.imagenet.network import efficientnet_lite0
from pimjax.demo.imagenet.pictures import calibration_pictures, pictures
from pimjax.files import write_whole
from pimjax.frontend.compile import compile
from pimjax.network.run import run

SHOWN = 5


@dataclass(frozen=True)
class Setting:
    """A chip, as `load_chip` takes it, under the name it has in the table."""

    label: str
    chip: str
    overrides: Mapping[str, Any]


SETTINGS = (
    Setting("no ADC", "mram-pim-digital", {}),
    Setting("lossless ADC", "mram-pim-lossless", {}),
    Setting("6-bit ADC", "mram-pim-8b", {}),
    Setting("5-bit ADC", "mram-pim-8b", {"adc.bits": 5}),
)


@dataclass(frozen=True)
class Row:
    """What one setting gave: logits (n, 1000), clipped share of all conversions, worst layer."""

    label: str
    logits: np.ndarray
    clipped: float = 0.0
    worst: str = ""
    seconds: float = 0.0


def run_imagenet(out: Path) -> bool:
    """Runs the photographs through the settings and prints them; whether the check held.

    The check: with the lossless ADC, run conversion by conversion, every logit of every photograph
    equals that without an ADC. Raises MissingExtraError without the extra `imagenet`.
    """
    started = time.perf_counter()
    names, images = pictures()
    model = efficientnet_lite0()
    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    console.print(
        f"EfficientNet-Lite0, 49 convolutions, 8-bit weights and activations, 128 rows; "
        f"{len(names)} photographs of scikit-image at 224x224; ranges from other cuts of them\n"
    )
    rows = [Row("float32", np.asarray(model(images)[0]))]
    calibration = calibration_pictures()
    for setting in SETTINGS:
        with console.status(f"{setting.label}: compiling and running"):
            chip = load_chip(setting.chip, dict(setting.overrides))
            rows.append(_run(setting.label, compile(model, chip, calibration), images))
    for index, name in enumerate(names):
        console.print(name)
        for row in rows:
            console.print(f"  {row.label:<14}{_top(row.logits[index])}")
    console.print()
    console.print(f"{'setting':<16}{'same first':>10}{'of its 5':>10}{'clipped %':>11}  most in")
    for row in rows[1:]:
        console.print(_summary(row, rows[0]))
    exact, lossless = rows[1], rows[2]
    same = bool((exact.logits == lossless.logits).all())
    console.print()
    if same:
        console.print(
            f"checked: the lossless ADC, run conversion by conversion, equals no ADC in all "
            f"{lossless.logits.size} logits"
        )
    else:
        console.print("WRONG: logits differ between no ADC and the lossless ADC")
    path = out / "imagenet.csv"
    write_whole(path, _table(names, rows).encode())
    console.print(f"wrote {path}; {time.perf_counter() - started:.0f} s in all")
    return same


def _run(label: str, program: Any, images: np.ndarray) -> Row:
    started = time.perf_counter()
    logits, traced = run(program, images, trace=True)
    stats = {name: layer.stats for name, layer in traced.items() if layer.stats is not None}
    clipped = {name: one.clipped_low + one.clipped_high for name, one in stats.items()}
    conversions = {name: one.conversions for name, one in stats.items()}
    shares = {name: clipped[name] / max(conversions[name], 1) for name in stats}
    worst = max(shares, key=lambda name: shares[name])
    total = sum(clipped.values()) / max(sum(conversions.values()), 1)
    named = f"{worst} ({100 * shares[worst]:.2g} %)" if total else ""
    return Row(label, logits, total, named, time.perf_counter() - started)


def first_classes(logits: np.ndarray) -> list[int]:
    """The classes of the largest logits, largest first."""
    return [int(index) for index in np.argsort(-logits, kind="stable")[:SHOWN]]


def shares(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (1000,), float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()


def _top(logits: np.ndarray) -> str:
    share = shares(logits)
    return ", ".join(f"{class_name(i)} {share[i]:.2f}" for i in first_classes(logits))


def _summary(row: Row, reference: Row) -> str:
    pairs = [
        (first_classes(a), first_classes(b))
        for a, b in zip(row.logits, reference.logits, strict=True)
    ]
    first = sum(a[0] == b[0] for a, b in pairs)
    common = sum(len(set(a) & set(b)) for a, b in pairs) / len(pairs)
    cells = f"{first:>7}/{len(pairs)} {common:>9.1f}{100 * row.clipped:>11.3g}"
    return f"{row.label:<16}{cells}  {row.worst}".rstrip()


def _table(names: tuple[str, ...], rows: list[Row]) -> str:
    """One line for each setting, photograph and rank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["setting", "photograph", "rank", "class", "name", "share", "logit"])
    for row in rows:
        for name, logits in zip(names, row.logits, strict=True):
            share = shares(logits)
            for rank, index in enumerate(first_classes(logits), 1):
                cells = [row.label, name, rank, index, class_name(index)]
                writer.writerow([*cells, f"{share[index]:.4f}", f"{logits[index]:.4f}"])
    return text.getvalue()
