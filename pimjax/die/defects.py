"""The test map of a die: which cells read the same whatever is written to them.

Axis letters: m macro tested, r wordline, b bitline (physical lines, spare ones included).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.die.cells import Cells, Shape
from pimjax.die.die import Die
from pimjax.die.physical import apply_steps
from pimjax.die.steps import Form, step_of
from pimjax.die.whole import die_cells, die_effects, die_shape, macros_to_test, portions
from pimjax.memory.effects import Stage
from pimjax.memory.faults import Fault
from pimjax.numerics.threefry import Words


def defect_counts(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(bad cells of every wordline (m, r) int32, and of every bitline (m, b) int32).

    What a tester counts that writes 0 to every cell and reads, then 1: cells that are stuck, alone
    or with their line, cluster or macro. Of multi-level cells every storage element counts. The
    lines are physical ones, whatever a repair made of them, in order of the macro's number (all
    macros of a chip by default). Faults that act on stored bits are left out. Raises ValueError.
    """
    tested, forms, arrays = _stuck_steps(die, faults, macros)
    shape = die_shape(die)
    found = []
    for own in portions(tested, shape.geometry.sites):
        cells = die_cells(Die(die.chip, die.seed), own)
        counts = _stuck(die.key, arrays, cells, forms, shape)
        found.append(tuple(np.asarray(part) for part in counts))
    by_wordline, by_bitline = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return by_wordline, by_bitline


def defects_in_use(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None = None
) -> np.ndarray:
    """Bad cells among those of each macro that can hold data or parity, (m,) int32.

    As `defect_counts`, but after the die's repair: replaced lines are not in use, spare ones are.
    """
    tested, forms, arrays = _stuck_steps(die, faults, macros)
    shape = die_shape(die)
    found = [
        np.asarray(_in_use(die.key, arrays, die_cells(die, own), forms, shape))
        for own in portions(tested, shape.geometry.sites)
    ]
    return np.concatenate(found)


@partial(jax.jit, static_argnames=("forms", "shape"))
def _in_use(
    key: Words, arrays: Sequence[Any], cells: Cells, forms: tuple[Form, ...], shape: Shape
) -> jax.Array:
    bad = _bad(key, arrays, cells, forms, shape) & (cells.weight >= 0)
    return jnp.sum(bad, axis=1, dtype=jnp.int32)


def _stuck_steps(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None
) -> tuple[np.ndarray, tuple[Form, ...], list[Any]]:
    tested = macros_to_test(die, macros)
    effects = [effect for effect in die_effects(die, faults, tested) if effect.stage == Stage.STUCK]
    steps = [step_of(effect) for effect in effects]
    return tested, tuple(step.form for step in steps), [step.arrays for step in steps]


def _bad(
    key: Words, arrays: Sequence[Any], cells: Cells, forms: tuple[Form, ...], shape: Shape
) -> jax.Array:
    """Which cells (m, c) do not hold both a 0 and a 1."""
    zeros = jnp.zeros((len(cells.macro), shape.geometry.sites), jnp.uint8)
    low, _ = apply_steps(zeros, key, forms, arrays, cells, shape)
    high, _ = apply_steps(zeros + jnp.uint8(1), key, forms, arrays, cells, shape)
    return (low != 0) | (high != 1)


@partial(jax.jit, static_argnames=("forms", "shape"))
def _stuck(
    key: Words, arrays: Sequence[Any], cells: Cells, forms: tuple[Form, ...], shape: Shape
) -> tuple[jax.Array, jax.Array]:
    geometry = shape.geometry
    bad = _bad(key, arrays, cells, forms, shape)
    lines = bad.reshape(-1, geometry.wordlines, geometry.bitlines, geometry.levels)
    return (
        jnp.sum(lines, axis=(2, 3), dtype=jnp.int32),
        jnp.sum(lines, axis=(1, 3), dtype=jnp.int32),
    )
