"""The demo as a command: a table as it goes, a check, and the files."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pimjax.demo.network import ARRAY_LAYERS
from pimjax.demo.report import write_results
from pimjax.demo.run import (
    Row,
    compile_all,
    differing_images,
    prepare,
    run_setting,
    settings,
)

_SHORT = {name: name.replace("conv", "c").replace("dense", "d") for name in ARRAY_LAYERS}


def run_demo(images: int, out: Path) -> bool:
    """Runs the demo and prints it; whether the lossless rows agreed image by image."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        baseline = prepare(images)
        console.print(
            f"vgg-digits: 6 convolutions, 2 dense layers, 8-bit weights and activations, "
            f"128 rows; {len(baseline.images)} test digits the network never saw.\n"
            f"accuracy and agreement with float32 in %, clipped conversions in % by layer\n"
        )
        console.print(_line("setting", "acc", "agree", "img/s", _SHORT.values()))
        console.print(_line("float32", f"{100 * baseline.accuracy:.1f}", "", "", ()))
        chosen = settings()
        distinct = len({setting.label.split(",")[0] for setting in chosen})
        task = progress.add_task("compiling", total=distinct)
        compile_all(baseline, lambda done: progress.advance(task, done))
        progress.update(task, visible=False)
        total = len(chosen) * len(baseline.images)
        task = progress.add_task("images", total=total)
        rows: list[Row] = []
        for setting in chosen:
            progress.update(task, description=setting.label)
            rows.append(run_setting(setting, baseline, lambda done: progress.advance(task, done)))
            console.print(_row_line(rows[-1]))
    differing = differing_images(rows[0], rows[1])
    console.print()
    if differing:
        console.print(f"WRONG: {differing} images differ between no ADC and the lossless ADC")
    else:
        console.print(
            f"checked: the lossless ADC, run conversion by conversion, equals no ADC in every "
            f"output code of all {len(baseline.images)} images"
        )
    table, picture = write_results(out, baseline, rows)
    seconds = time.perf_counter() - started
    console.print(f"wrote {table} and {picture}; {seconds:.0f} s in all")
    return differing == 0


def _row_line(row: Row) -> str:
    shares = [100 * row.clipped_shares[name] for name in ARRAY_LAYERS]
    return _line(
        row.setting.label,
        f"{100 * row.accuracy:.1f}",
        f"{100 * row.agreement:.1f}",
        f"{row.images_per_s:.0f}",
        [_percent(share) for share in shares],
    )


def _percent(share: float) -> str:
    if share == 0:
        return "0"
    if share < 0.01:
        return "<.01"
    return f"{share:.2f}" if share < 10 else f"{share:.1f}"


def _line(setting: str, accuracy: str, agreement: str, rate: str, clipped: object) -> str:
    cells = "".join(f"{cell:>5}" for cell in clipped)  # type: ignore[attr-defined]
    return f"{setting:<21}{accuracy:>6}{agreement:>6}{rate:>6} {cells}".rstrip()
