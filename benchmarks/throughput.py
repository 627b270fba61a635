"""How fast is a convolution on the array, by engine, beside plain NumPy and float32 XLA?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from subprocess import TimeoutExpired

import jax
import jax.numpy as jnp
import numpy as np

import pimjax as pj
from benchmarks import numpy_reference
from benchmarks.child import run_child
from benchmarks.command import Benchmark, command
from benchmarks.report import FLOAT32, NUMPY, ONE_THREAD, Row
from benchmarks.timing import Timing, measure, total
from benchmarks.workloads import CHIP, KINDS, WORKLOADS, Layer, Workload

SLOW = ("dot", "reference")
"""Engines that run on one kind of codes only; their time hardly depends on it."""

CHECKED_ROWS = 8
"""Output rows of every layer that are compared with the NumPy reference."""

NUMPY_LIMIT_S = 90.0
"""NumPy is stopped then: on all cores beside other programs it can take thirty times as long."""


@dataclass(frozen=True)
class Effort:
    """Warm runs of a layer, the seconds after which no other begins, and what is left out where."""

    repetitions: int
    budget_s: float
    left_out: dict[str, tuple[str, ...]]


FULL = Effort(7, 3.0, {"vgg16": ("reference",)})
QUICK = Effort(3, 1.0, {"a8": ("reference",), "vgg16": (NUMPY, ONE_THREAD, "dot", "reference")})


def rows(names: Sequence[str], quick: bool) -> list[Row]:
    """One per workload, kind of codes and way. Raises AssertionError where results differ."""
    effort = QUICK if quick else FULL
    found: list[Row] = []
    for workload in WORKLOADS:
        if workload.name not in names:
            continue
        for kind in KINDS:
            ways = _ways(kind)
            timings = _timings(workload, kind, ways, effort)
            found += [_row(workload, kind, way, timings.get(way), found) for way in ways]
    return found


def _ways(kind: str) -> list[str]:
    """What is run on a kind of codes: everything on the first, quick engines on the others."""
    engines = ["auto", *pj.engines(CHIP)]
    if kind == KINDS[0]:
        return [NUMPY, ONE_THREAD, FLOAT32, *engines]
    return [engine for engine in engines if engine not in SLOW]


def _timings(workload: Workload, kind: str, ways: list[str], effort: Effort) -> dict[str, Timing]:
    """Timings of those ways that are not left out."""
    ways = [way for way in ways if way not in effort.left_out.get(workload.name, ())]
    found: dict[str, Timing] = {}
    for way, threads in ((NUMPY, ""), (ONE_THREAD, "1")):
        if way in ways:
            _say(workload.name, way)
            with suppress(TimeoutExpired):
                found[way] = _numpy(workload, effort, threads)
    on_xla = [way for way in ways if way not in (NUMPY, ONE_THREAD)]
    parts: dict[str, list[tuple[Timing, int]]] = {way: [] for way in on_xla}
    for layer, times in workload.counted_layers:
        _say(workload.name, kind, layer)
        for way, timing in _layer_timings(layer, kind, on_xla, effort).items():
            parts[way].append((timing, times))
    return found | {way: total(timed) for way, timed in parts.items()}


def _layer_timings(layer: Layer, kind: str, ways: list[str], effort: Effort) -> dict[str, Timing]:
    """Timings of a layer on XLA, all results compared with one another and with NumPy."""
    x, w = layer.codes(kind)
    found: dict[str, Timing] = {}
    results = []
    for way in ways:
        if way == FLOAT32:
            call = partial(float32_conv2d, jnp.asarray(x, jnp.float32), jnp.asarray(w, jnp.float32))
            found[way], _ = measure(call, effort.repetitions, effort.budget_s)
            continue
        call = partial(pj.conv2d, x, w, CHIP, engine=way)
        found[way], (y, stats) = measure(call, effort.repetitions, effort.budget_s)
        results.append((np.asarray(y), stats))
        assert np.array_equal(y, results[0][0]), f"{way}: other accumulators, {layer}"
        assert stats == results[0][1], f"{way}: {stats}, {results[0][1]} before, {layer}"
    compare_with_numpy(layer, x, w, *results[0])
    return found


def compare_with_numpy(
    layer: Layer, x: np.ndarray, w: np.ndarray, y: np.ndarray, stats: pj.Stats
) -> None:
    """Asserts that the first output rows and their clip counts are those of plain NumPy."""
    rows = min(CHECKED_ROWS, layer.size - 1)
    expected, clipped = numpy_reference.conv2d(x[:, : rows + 1], w, count=True)
    assert np.array_equal(y[:, :rows], expected[:, :rows]), f"NumPy: other accumulators, {layer}"
    counts = np.asarray(stats.high_counts)[:, :rows]
    assert np.array_equal(counts, clipped[:, :rows]), f"NumPy: other clip counts, {layer}"


@jax.jit
def float32_conv2d(x: jax.Array, w: jax.Array) -> jax.Array:
    """The same layer as a plain float32 convolution, without an array."""
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=dimensions)


def _numpy(workload: Workload, effort: Effort, threads: str) -> Timing:
    """In a fresh process: the number of threads is read on import. Empty: NumPy's own choice."""
    variables = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    limits = dict.fromkeys(variables, threads) if threads else {}
    arguments = workload.name, str(effort.repetitions), str(effort.budget_s)
    return Timing(
        **run_child("benchmarks.numpy_reference", *arguments, timeout_s=NUMPY_LIMIT_S, **limits)
    )


def _row(workload: Workload, kind: str, way: str, timing: Timing | None, earlier: list[Row]) -> Row:
    note = ""
    if timing is None:
        rates = [r.binary_macs / r.timing.median_s for r in earlier if r.engine == way and r.timing]
        note = f"left out: about {workload.binary_macs / rates[-1]:.0f} s" if rates else "left out"
    size = workload.images, workload.binary_macs
    return Row(workload.name, workload.title, kind, way, *size, timing, note=note)


def _say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


BENCHMARK = Benchmark(tuple(workload.name for workload in WORKLOADS), rows)

if __name__ == "__main__":
    command(__doc__, BENCHMARK)
