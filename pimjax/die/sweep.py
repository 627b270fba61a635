"""One program under many settings of the same faults, on many dies, with one compilation.

Keys of dies and levels of rates are data: `Sweep.words` maps over both (vmap, shard_map). What a
die and a setting leave is what `inject` leaves, bit for bit.

Axis letters: w weight (all layers, flat), m macro taken, i hit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.stored import from_words, stored_words
from pimjax.die.cells import Cells, Shape, cells_of, floor_of
from pimjax.die.cellwise import faulty_words, local_arrays
from pimjax.die.counted import resolved
from pimjax.die.die import Die
from pimjax.die.inject import effects_of, surroundings
from pimjax.die.sparse import Finder
from pimjax.die.steps import Form, common_forms, step_of
from pimjax.memory.cells import stream_key
from pimjax.memory.clusters import cluster_sites
from pimjax.memory.ecc import find_code
from pimjax.memory.effects import CountEffect, in_order
from pimjax.memory.faults import Fault
from pimjax.memory.hits import come_before, draw_hits
from pimjax.memory.levels import Levels
from pimjax.network.graph import Image
from pimjax.network.program import Program
from pimjax.numerics.threefry import Words


class Sweep:
    """A program and several settings of faults that differ in numbers alone.

    `levels[i]` are the arrays of setting i, of equal structure and shape: stack them to map over
    settings. Raises ValueError for settings of different faults, and for an exact number of flips
    (`FlipCount` chooses cells anew on every die: use `inject`).
    """

    def __init__(self, program: Program, settings: Sequence[Iterable[Fault]], policy: str = "raw"):
        """Lays out the cells of the program, and turns the settings into integers."""
        around = surroundings(program)
        self.program, self.policy = program, policy
        die = Die(program.chip)
        floor = floor_of(program)
        finder = Finder(program, floor, die)
        every = []
        for faults in settings:
            effects = in_order(effects_of(faults, around))
            if any(isinstance(effect, CountEffect) for effect in effects):
                raise ValueError("FlipCount: chosen anew on every die; use pj.inject die by die")
            every.append([step_of(effect) for effect in resolved(effects, program, finder, die)])
        self.forms = tuple(common_forms(every))
        self.layers, self._offsets = floor.layers, floor.offsets
        self.shape: Shape = floor.shape
        cells = cells_of(program, floor, die)
        self.levels = [[local_arrays(step, cells, self.shape) for step in steps] for steps in every]
        self.cells: Cells = jax.tree.map(jnp.asarray, cells)
        spec = program.plan.spec
        parts = [stored_words(program.image[name], spec).reshape(-1) for name in floor.layers]
        self.stored = jnp.asarray(np.concatenate(parts))

    def words(self, key: Words, levels: Sequence[Any]) -> jax.Array:
        """Stored words (w,) on the die of `key` (its seed's low and high word, (1,) each).

        Traceable; maps over `key` and `levels`.
        """
        ecc = self.program.chip.mram.ecc
        if ecc != "none" or not all(form.sparse for form in self.forms):
            code = None if ecc == "none" else find_code(ecc)
            arguments = self.cells, self.forms, self.shape, code, self.policy
            return faulty_words(self.stored, key, levels, *arguments)[0]
        words = self.stored
        for form, data in zip(self.forms, levels, strict=True):
            words = _listed_step(words, key, form, data, self.cells, self.shape)
        return words

    def image(self, words: jax.Array) -> Image:
        """The program's image with these stored words (w,). Traceable."""
        spec = self.program.plan.spec
        codes, common = from_words(words, spec, jnp)
        image = dict(self.program.image)
        for name, first in zip(self.layers, self._offsets, strict=True):
            stored = image[name]["weights"]
            own = slice(first, first + stored.size)
            shaped = codes[own].reshape(stored.shape).astype(stored.dtype)
            image[name] = {**image[name], "weights": shaped}
            if common is not None:
                both = common[own].reshape(stored.shape).astype(jnp.uint16)
                image[name]["weights_common"] = both
        return image


def die_keys(seeds: Sequence[int]) -> Words:
    """The keys of dies by their seeds, (d, 1) uint32 each: what `Sweep.words` maps over."""
    low = np.array([[seed & 0xFFFFFFFF] for seed in seeds], np.uint32)
    high = np.array([[seed >> 32] for seed in seeds], np.uint32)
    return Words(jnp.asarray(low), jnp.asarray(high))


def _listed_step(
    words: jax.Array, key: Words, form: Form, data: Any, cells: Cells, shape: Shape
) -> jax.Array:
    """The words after a step that is a list of cells; cost in proportion to the list."""
    sites = shape.geometry.sites
    if form.kind == "place":
        position, becomes = data
        flat_weight, flat_kind = cells.weight.reshape(-1), cells.kind.reshape(-1)
        inside = position < flat_weight.size
        position = jnp.where(inside, position, 0)
        weight = jnp.where(inside, flat_weight[position], -1)
        return _changed(words, weight, flat_kind[position], becomes, shape)
    if form.kind == "cluster":
        key = stream_key(key, form.stream)
        geometry, sizes = shape.geometry, (form.mean_size, form.radius_cells)
        site, taken = cluster_sites(key, cells.macro, geometry, form.first, data, *sizes)
    else:
        key, table = stream_key(key, form.stream, jnp.asarray(data.epoch)), data.levels
        hits = draw_hits(key, cells.macro, sites, form.first)
        site, (weight, kind) = hits.site, _held(hits.site, cells)
        bit = _bit(words, weight, kind, shape).astype(jnp.int32)
        bank = cells.bank[:, None] if form.banks > 1 else jnp.int32(0)
        index = (kind * form.banks + bank) * 2 + bit
        limits = Levels(Words(*(word[index] for word in table.before)), table.rest)
        taken = come_before(hits, limits) & (weight >= 0)
    # A cell that is hit several times changes once.
    ordered = jnp.sort(jnp.where(taken, site, sites), axis=1)
    before = jnp.pad(ordered, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    first = (ordered < sites) & (ordered != before)
    weight, kind = _held(jnp.minimum(ordered, sites - 1), cells)
    return _changed(words, jnp.where(first, weight, -1), kind, form.becomes, shape)


def _held(site: jax.Array, cells: Cells) -> tuple[jax.Array, jax.Array]:
    """Weight and class of the cells (m, i)."""
    return (
        jnp.take_along_axis(cells.weight, site, axis=1),
        jnp.take_along_axis(cells.kind, site, axis=1),
    )


def _bit(words: jax.Array, weight: jax.Array, kind: jax.Array, shape: Shape) -> jax.Array:
    plane = (kind % (shape.planes + 1)).astype(words.dtype)
    return (words[jnp.maximum(weight, 0)] >> plane) & 1


def _changed(
    words: jax.Array, weight: jax.Array, kind: jax.Array, becomes: Any, shape: Shape
) -> jax.Array:
    """The words with the bits of different cells flipped, or set; cells with weight -1 excepted."""
    plane = (kind % (shape.planes + 1)).astype(words.dtype)
    bit = _bit(words, weight, kind, shape)
    new = (
        bit ^ 1 if becomes is None else jnp.broadcast_to(jnp.asarray(becomes, bit.dtype), bit.shape)
    )
    # Every bit changes at most once, so that the sum of the changes is exact modulo the word.
    change = (new - bit) << plane
    target = jnp.where(weight >= 0, weight, words.size)
    return words.at[target].add(change, mode="drop")
