"""The test map of a die: which cells read the same whatever is written to them.

Axis letters: m macro tested, r wordline, b bitline (physical lines, spare ones included).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.die.cells import Cells, Shape
from pimjax.die.die import Die
from pimjax.die.steps import step_of
from pimjax.die.whole import (
    die_cells,
    die_effects,
    die_shape,
    macros_to_test,
    one_step,
    portions,
)
from pimjax.memory.effects import Stage
from pimjax.memory.faults import Fault


def defect_counts(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(bad cells of every wordline (m, r) int32, and of every bitline (m, b) int32).

    What a tester counts that writes 0 to every cell and reads, then 1: cells that are stuck, alone
    or with their line, cluster or macro. Of multi-level cells every storage element counts. The
    lines are physical ones, whatever a repair made of them, in order of the macro's number (all
    macros of a chip by default). Faults that act on stored bits are left out. Raises ValueError.
    """
    shape = die_shape(die)
    unrepaired = Die(die.chip, die.seed)
    found = [
        jax.device_get(_by_line(bad, shape)) for bad, _ in _bad_cells(unrepaired, faults, macros)
    ]
    by_wordline, by_bitline = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return by_wordline, by_bitline


def defects_in_use(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None = None
) -> np.ndarray:
    """Bad cells among those of each macro that can hold data or parity, (m,) int32.

    As `defect_counts`, but after the die's repair: replaced lines are not in use, spare ones are.
    """
    found = [
        np.asarray(_in_use(bad, cells.weight)) for bad, cells in _bad_cells(die, faults, macros)
    ]
    return np.concatenate(found)


def _bad_cells(
    die: Die, faults: Iterable[Fault], macros: Iterable[int] | None
) -> Iterator[tuple[jax.Array, Cells]]:
    """Which cells (m, c) do not hold both a 0 and a 1, of a few macros at a time."""
    tested, shape = macros_to_test(die, macros), die_shape(die)
    effects = [effect for effect in die_effects(die, faults, tested) if effect.stage == Stage.STUCK]
    steps = [step_of(effect) for effect in effects]
    for own in portions(tested, shape.geometry.sites):
        cells = die_cells(die, own)
        low = jnp.zeros((len(own), shape.geometry.sites), jnp.uint8)
        high = low + jnp.uint8(1)
        for form, arrays in steps:
            low, _ = one_step(low, low, die.key, form, arrays, cells, shape)
            high, _ = one_step(high, high, die.key, form, arrays, cells, shape)
        yield (low != 0) | (high != 1), cells


@jax.jit
def _in_use(bad: jax.Array, weight: jax.Array) -> jax.Array:
    return jnp.sum(bad & (weight >= 0), axis=1, dtype=jnp.int32)


@partial(jax.jit, static_argnames="shape")
def _by_line(bad: jax.Array, shape: Shape) -> tuple[jax.Array, jax.Array]:
    geometry = shape.geometry
    lines = bad.reshape(-1, geometry.wordlines, geometry.bitlines, geometry.levels)
    return (
        jnp.sum(lines, axis=(2, 3), dtype=jnp.int32),
        jnp.sum(lines, axis=(1, 3), dtype=jnp.int32),
    )
