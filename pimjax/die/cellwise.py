"""Faults cell by cell, for a whole program: a few layers at a time, or mapped over dies.

Axis letters: m macro taken, c site in it, i listed cell, w weight, l layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.stored import from_words, stored_words
from pimjax.die.cells import Cells, Floor, Shape, cells_of, floor_of
from pimjax.die.coded import read_words, with_parity
from pimjax.die.die import Die
from pimjax.die.physical import apply_steps, bits_of, words_of_bits
from pimjax.die.steps import Form, Step
from pimjax.memory.ecc import Code, Outcome
from pimjax.network.graph import Image
from pimjax.network.program import Program
from pimjax.numerics.threefry import Words

CELLS_AT_ONCE = 1 << 26
"""Cells that are treated together at most (a layer is never cut): some 20 bytes of memory each."""


def cell_by_cell(
    program: Program, floor: Floor, die: Die, steps: Sequence[Step], code: Code | None, policy: str
) -> tuple[Image, list[int], dict[str, dict[str, int]]]:
    """(the image after all steps, cells changed by each, words of each layer by outcome)."""
    image, totals = dict(program.image), [0] * len(steps)
    counts = np.zeros((len(floor.layers), len(Outcome)), np.int64)
    spec = program.plan.spec
    forms = tuple(step.form for step in steps)
    for names in _portions(floor):
        part = floor_of(program, names)
        cells = cells_of(program, part, die)
        words = np.concatenate(
            [stored_words(program.image[name], spec).reshape(-1) for name in names]
        )
        arrays = [local_arrays(step, cells, part.shape) for step in steps]
        after, changed, outcome = faulty_words(
            jnp.asarray(words), die.key, arrays, cells, forms, part.shape, code, policy
        )
        decoded, common = from_words(np.asarray(after), spec)
        for name, first in zip(names, part.offsets, strict=True):
            stored = program.image[name]["weights"]
            own = slice(first, first + stored.size)
            params = {**image[name], "weights": decoded[own].reshape(stored.shape)}
            params["weights"] = params["weights"].astype(stored.dtype)
            if common is not None and (common[own].any() or "weights_common" in params):
                params["weights_common"] = common[own].reshape(stored.shape).astype(np.uint16)
            image[name] = params
        totals = [total + int(own) for total, own in zip(totals, changed, strict=True)]
        counts += np.asarray(outcome)
    if code is None:
        return image, totals, {}
    words_by_layer = {
        name: {kind.name.lower(): int(counts[i, kind]) for kind in Outcome}
        for i, name in enumerate(floor.layers)
    }
    return image, totals, words_by_layer


@partial(jax.jit, static_argnames=("forms", "shape", "code", "policy"))
def faulty_words(
    words: jax.Array,
    key: Words,
    arrays: Sequence[Any],
    cells: Cells,
    forms: tuple[Form, ...],
    shape: Shape,
    code: Code | None = None,
    policy: Any = "raw",
) -> tuple[jax.Array, list[jax.Array], jax.Array]:
    """(stored words after all steps, cells changed by each, words by layer and outcome).

    Maps over keys and arrays (dies, rates, times): they are data.
    """
    sent = bits_of(words, cells, shape)
    outcome = jnp.zeros((shape.layers, len(Outcome)), jnp.int32)
    if code is not None:
        sent = with_parity(sent, code, cells, shape)
    bits, changed = apply_steps(sent, key, forms, arrays, cells, shape, code)
    if code is not None:
        bits, outcome = read_words(bits, sent, code, policy, cells, shape)
    totals = [jnp.sum(own, dtype=jnp.int32) for own in changed]
    return words_of_bits(bits, cells, words.dtype), totals, outcome


def _portions(floor: Floor) -> Iterator[tuple[str, ...]]:
    """Layers in runs that stand in a limited number of cells."""
    run: list[str] = []
    macros: set[int] = set()
    for name, mapping in zip(floor.layers, floor.mappings, strict=True):
        union = macros | mapping.macro_numbers
        if run and len(union) * floor.shape.geometry.sites > CELLS_AT_ONCE:
            yield tuple(run)
            run, union = [], set(mapping.macro_numbers)
        run.append(name)
        macros = union
    if run:
        yield tuple(run)


def local_arrays(step: Step, cells: Cells, shape: Shape) -> Any:
    """The arrays of a step, listed places as positions among these cells (far off if elsewhere)."""
    if step.form.kind != "place":
        return step.arrays
    position, becomes = step.arrays
    return local_places(position, cells, shape), becomes


def local_places(places: np.ndarray, cells: Cells, shape: Shape) -> np.ndarray:
    """Positions m * sites + c (i,) int32 of places given as (macro number, site) (i, 2)."""
    macro, site = places.T
    slot = np.searchsorted(cells.macro, macro).clip(max=len(cells.macro) - 1)
    here = cells.macro[slot] == macro
    beyond = cells.weight.size
    return np.where(here, slot * shape.geometry.sites + site, beyond).astype(np.int32)
