"""What the benchmarks found: the rows, as one table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich import box
from rich.table import Table

import pimjax as pj
from benchmarks.timing import Timing
from benchmarks.workloads import KINDS

NUMPY, ONE_THREAD, FLOAT32 = "NumPy", "NumPy, 1 thread", "float32 XLA"
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One way to compute one workload on one kind of codes: its time, or its memory.

    `start_mb` is the peak of the same process without the computation.
    """

    workload: str
    title: str
    codes: str
    engine: str
    images: int = 0
    binary_macs: int = 0
    timing: Timing | None = None
    peak_mb: float | None = None
    start_mb: float | None = None
    note: str = ""


def seconds(rows: list[Row], workload: str, engine: str) -> float | None:
    """Median seconds of an engine on a workload with the codes that NumPy and float32 run on."""
    same = (workload, KINDS[0], engine)
    timed = [r.timing for r in rows if (r.workload, r.codes, r.engine) == same and r.timing]
    return timed[0].median_s if timed else None


def numpy_seconds(rows: list[Row], workload: str) -> float | None:
    """Of the faster NumPy: its threads may lose more than they gain where other programs run."""
    both = [seconds(rows, workload, engine) for engine in (NUMPY, ONE_THREAD)]
    return min((median for median in both if median), default=None)


def table(rows: list[Row], caption: str) -> Table:
    """All rows, a section per workload."""
    result = Table(caption=caption, box=box.SIMPLE)
    for heading in ("workload", "codes", "engine"):
        result.add_column(heading, no_wrap=heading != "workload")
    for heading in (
        "compile\ns",
        "median ms\n(min..max)",
        "images/s",
        "binary\nGMAC/s",
        "NumPy time\n/ time",
        "time /\nfloat32 time",
        "peak MB\n(at start)",
    ):
        result.add_column(heading, justify="right", no_wrap=True)
    for (workload, title), section in groupby(rows, lambda row: (row.workload, row.title)):
        result.add_section()
        label = f"{workload}: {title}"
        for row in section:
            result.add_row(label, row.codes, row.engine, *_numbers(row, rows))
            label = ""
    return result


def _numbers(row: Row, rows: list[Row]) -> list[str]:
    if row.peak_mb is not None:
        return [*[""] * 6, f"{row.peak_mb:.0f} ({row.start_mb:.0f})"]
    if row.timing is None:
        return ["", row.note]
    t = row.timing
    numpy, float32 = numpy_seconds(rows, row.workload), seconds(rows, row.workload, FLOAT32)
    return [
        "" if row.engine in (NUMPY, ONE_THREAD) else f"{t.compile_s:.1f}",
        f"{1e3 * t.median_s:.1f} ({1e3 * t.fastest_s:.1f}..{1e3 * t.slowest_s:.1f})",
        f"{row.images / t.median_s:.3g}" if row.images else "",
        f"{row.binary_macs / t.median_s / 1e9:.0f}" if row.binary_macs else "",
        f"{numpy / t.median_s:.2f}" if numpy else "",
        f"{t.median_s / float32:.2f}" if float32 else "",
    ]


def machine() -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    lines = _read("/proc/cpuinfo").splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "time": time.strftime("%Y-%m-%dT%H%M%S"),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "device": str(jax.devices()[0]),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "pimjax": pj.__version__,
    }


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""


def write(about: dict[str, Any], rows: list[Row]) -> Path:
    """A new JSON file in `results`, written whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{about['time']}.json"
    part = path.with_suffix(".part")
    content = {"machine": about, "rows": [asdict(row) for row in rows]}
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(path)
    return path
