"""How much memory does a large layer take at most, and how much a whole VGG-16 at batch 8?

Every number is the peak resident memory of a fresh process. Beside it stands the peak of one that
does the same up to the computation: it imports everything, starts JAX and makes the inputs.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import pimjax as pj
from benchmarks.child import run_child
from benchmarks.command import Benchmark, command
from benchmarks.report import Row
from benchmarks.workloads import CHIP, Layer, vgg16

LAYER, VGG16 = "memory-layer", "memory-vgg16"
TITLES = {LAYER: "3x3 64->64 at 224x224", VGG16: "the whole network, batch 8"}
ENGINES = ("auto", "popcount")
NOTHING = "nothing"
"""Stands for an engine in the process without the computation."""


def rows(names: Sequence[str], quick: bool) -> list[Row]:
    """One per network and engine; `quick` measures VGG-16 with one engine only."""
    found = []
    for name in names:
        start_mb = _peak_mb(name, NOTHING)
        for engine in ENGINES[:1] if quick and name == VGG16 else ENGINES:
            peak_mb = _peak_mb(name, engine)
            row = Row(name, TITLES[name], "random", engine, peak_mb=peak_mb, start_mb=start_mb)
            found.append(row)
    return found


def _peak_mb(name: str, engine: str) -> float:
    print(name, engine, file=sys.stderr, flush=True)
    return float(run_child("benchmarks.memory", "--child", name, engine))


def run_layer(engine: str) -> None:
    """One large layer."""
    x, w = Layer(1, 224, 64, 64).codes()
    if engine != NOTHING:
        jax.block_until_ready(pj.conv2d(x, w, CHIP, engine=engine))


def run_vgg16(engine: str) -> None:
    """VGG-16 at batch 8, convolutions and dense layers, on random codes."""
    rng = np.random.default_rng(0)
    layers = vgg16(8)
    x = rng.integers(0, 256, (8, 224, 224, 3), np.uint8)
    kernels = [rng.integers(-128, 128, (3, 3, layer.c, layer.n), np.int8) for layer in layers]
    sizes = ((7 * 7 * 512, 4096), (4096, 4096), (4096, 1000))
    matrices = [rng.integers(-128, 128, size, np.int8) for size in sizes]
    if engine == NOTHING:
        return
    for layer, w in zip(layers, kernels, strict=True):
        if x.shape[1] > layer.size:
            x = max_pool(x)
        x = activations(pj.conv2d(x, w, CHIP, engine=engine)[0])
    x = max_pool(x).reshape(8, -1)
    for w in matrices:
        x = activations(pj.matmul(x, w, CHIP, engine=engine)[0])
    jax.block_until_ready(x)


def activations(y: jax.Array) -> jax.Array:
    """ReLU, and the power of two that makes the largest accumulator an 8-bit code."""
    return _shifted(y, jnp.int32(max(0, int(y.max()).bit_length() - 8)))


@jax.jit
def _shifted(y: jax.Array, places: jax.Array) -> jax.Array:
    return (jnp.maximum(y, 0) >> places).astype(jnp.uint8)


@jax.jit
def max_pool(x: jax.Array) -> jax.Array:
    """The largest code of each 2x2 window."""
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, jnp.uint8(0), jax.lax.max, window, window, "VALID")


def peak_resident_mb() -> float:
    """Peak resident memory of this process so far, in 10^6 bytes.

    Linux hands `ru_maxrss` of the parent down to the child, so that its own record is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def child(name: str, engine: str) -> None:
    """Runs one measurement in this process and prints its peak memory as JSON."""
    jax.block_until_ready(jnp.zeros(1))
    {LAYER: run_layer, VGG16: run_vgg16}[name](engine)
    print(json.dumps(peak_resident_mb()))


BENCHMARK = Benchmark(tuple(TITLES), rows)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        command(__doc__, BENCHMARK)
