"""Seconds that a call takes, warm, and what its first call takes on top."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Timing:
    """Seconds: median, fastest and slowest of `runs` warm runs.

    `compile_s` is the first call less the median: tracing and compiling; 0 for plain Python.
    """

    median_s: float
    fastest_s: float
    slowest_s: float
    runs: int
    compile_s: float = 0.0


def measure(
    call: Callable[[], Any], repetitions: int, budget_s: float, warm_up: bool = True
) -> tuple[Timing, Any]:
    """Timing and last result of `call`; at least one warm run, none begun after `budget_s`."""
    first, result = _seconds(call) if warm_up else (0.0, None)
    runs: list[float] = []
    while not runs or (len(runs) < repetitions and sum(runs) < budget_s):
        del result  # else two results are alive at once
        seconds, result = _seconds(call)
        runs.append(seconds)
    median = statistics.median(runs)
    return Timing(median, min(runs), max(runs), len(runs), max(0.0, first - median)), result


def total(timings: list[tuple[Timing, int]]) -> Timing:
    """Of layers that occur so many times each; a layer compiles only once."""
    return Timing(
        sum(count * t.median_s for t, count in timings),
        sum(count * t.fastest_s for t, count in timings),
        sum(count * t.slowest_s for t, count in timings),
        min(t.runs for t, _ in timings),
        sum(t.compile_s for t, _ in timings),
    )


def _seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - start, result
