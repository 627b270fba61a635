"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
from rich.console import Console

from benchmarks.goals import verdicts
from benchmarks.report import Row, machine, table, write

WIDTH = 160
"""Characters to a line where the output is no terminal."""


@dataclass(frozen=True)
class Benchmark:
    """The names of its workloads, and the rows of some of them: rows(names, quick)."""

    names: tuple[str, ...]
    rows: Callable[[Sequence[str], bool], list[Row]]


def command(description: str | None, *benchmarks: Benchmark) -> None:
    """Runs benchmarks as the options say, prints one table and the goals, writes JSON."""
    known = [name for benchmark in benchmarks for name in benchmark.names]
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions, without the slowest ways"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=known,
        metavar="NAME",
        help=f"one workload; may be repeated: {', '.join(known)}",
    )
    options = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    begun, about = time.perf_counter(), machine()

    rows: list[Row] = []
    for benchmark in benchmarks:
        names = [name for name in benchmark.names if name in (options.only or known)]
        rows += benchmark.rows(names, options.quick)

    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    caption = f"{about['processor']}, {about['cores']} cores, load {about['load']:.1f} at the start"
    console.print(table(rows, f"{caption}; jax {about['jax']}, numpy {about['numpy']}"))
    path = write(about, rows)
    for line in [*verdicts(rows), f"{time.perf_counter() - begun:.0f} s; numbers in {path}"]:
        console.print(line, highlight=False, soft_wrap=True)
