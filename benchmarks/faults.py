"""How long does it take to draw faults: into large images, on many dies, cell by cell, with a code?

`python -m benchmarks.faults`: one line a workload, medians of warm calls, and what the first call
took on top. Weights are random; the draws do not depend on them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pimjax as pj
from benchmarks.command import Benchmark, command
from benchmarks.report import Row
from benchmarks.timing import measure
from pimjax.die.sweep import Sweep, die_keys
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Dense, Output
from pimjax.network.program import Plan, Program
from pimjax.numerics.threefry import Words

VGG16 = ((25088, 4096), (4096, 4096), (4096, 1000), *((4608, 512),) * 5, (2304, 512), (1152, 512))
RESNET20 = (*((144, 16),) * 7, (288, 32), *((288, 32),) * 5, *((576, 64),) * 6, (64, 10))
DIES = 1000
CODED = {"array.readout": "digital", "mram.ecc": "secded-72-64"}


def network(sizes: Sequence[tuple[int, int]], **overrides: Any) -> Program:
    """A program of matrices of these sizes: as many weights and macros as the network has."""
    chip = pj.load_chip("mram-pim-8b", overrides)
    rng = np.random.default_rng(0)
    rule = Output("none", 0, -(1 << 31), (1 << 31) - 1)
    inputs, layers, image = [], [], {}
    for i, size in enumerate(sizes):
        inputs.append(Input(f"x{i}", size[:1]))
        layers.append(Layer(f"l{i}", Dense(rule), (f"x{i}",)))
        weights = rng.integers(-128, 128, size, np.int8)
        image[f"l{i}"] = {"weights": jnp.asarray(weights), "bias": jnp.zeros(size[1], jnp.int32)}
    graph = Graph(tuple(inputs), tuple(layers), ("l0",))
    return Program(Plan(chip.bitline(), graph), image, chip)


def one_die(program: Program, *faults: Any) -> Callable[[], Any]:
    """A call that injects faults into a program, on the next die each time."""
    seeds = iter(range(1 << 20))
    return lambda: pj.inject(program, faults, pj.Die(program.chip, next(seeds))).image


def many_dies(program: Program, rate: float, at_once: int = 100) -> Callable[[], Any]:
    """A call that draws a rate of flips on `DIES` dies and keeps one word of each."""
    sweep = Sweep(program, [[pj.faults.BitFlip(rate)]])
    by_die = jax.jit(jax.vmap(sweep.words, in_axes=(Words(0, 0), None)))

    def run() -> list[jax.Array]:
        firsts = range(0, DIES, at_once)
        return [by_die(die_keys(range(i, i + at_once)), sweep.levels[0])[:, 0] for i in firsts]

    return run


def workloads() -> dict[str, tuple[str, Callable[[], Callable[[], Any]]]]:
    """Title and maker of every workload, by name."""
    flip, retention = pj.faults.BitFlip, pj.faults.Retention(3e8, 423.15)
    roomy = {"array.banks": 200, "mram.capacity_mib": 200.0}
    return {
        "vgg16-1e-6": (
            "VGG-16's 138 M weights, 8 bits: flips at 1e-6, one die",
            lambda: one_die(network(VGG16, **roomy), flip(1e-6)),
        ),
        "resnet20-dies": (
            f"ResNet-20's 0.27 M weights: flips at 1e-4, {DIES} dies",
            lambda: many_dies(network(RESNET20), 1e-4),
        ),
        "resnet20-cells": (
            "ResNet-20: flips at 0.1, cell by cell, one die",
            lambda: one_die(network(RESNET20), flip(0.1)),
        ),
        "resnet20-retention": (
            "ResNet-20: retention with a spread over cells, one die",
            lambda: one_die(network(RESNET20), retention),
        ),
        "resnet20-secded": (
            "ResNet-20: flips at 1e-4 through SECDED (72, 64), one die",
            lambda: one_die(network(RESNET20, **CODED), flip(1e-4)),
        ),
    }


def rows(names: Sequence[str], quick: bool) -> list[Row]:
    """One per workload."""
    found = []
    for name in names:
        print(name, file=sys.stderr, flush=True)
        title, make = workloads()[name]
        timing, _ = measure(make(), 3 if quick else 9, 30.0)
        found.append(Row(name, title, "random", "faults", timing=timing))
    return found


BENCHMARK = Benchmark(tuple(workloads()), rows)

if __name__ == "__main__":
    command(__doc__, BENCHMARK)
