"""Faults as a list, on the host: cost in proportion to the faults, whatever the size of a network.

For low rates and readouts without word codes. The cells are those of `die.physical`, address by
address; what a hit cell holds is computed from its address, so no table of all cells is made.

Axis letters: i cell of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pimjax.array.stored import from_words, to_words
from pimjax.die.addresses import AddressMap
from pimjax.die.cells import Floor, macros_of
from pimjax.die.die import Die
from pimjax.die.steps import Step
from pimjax.memory.cells import stream_key
from pimjax.memory.clusters import cluster_sites
from pimjax.memory.effects import Stage
from pimjax.memory.hits import list_hits
from pimjax.memory.levels import Levels
from pimjax.network.graph import Image
from pimjax.network.program import Program
from pimjax.numerics.threefry import Words, below

_ONES = np.uint32(0xFFFFFFFF)


class Listed(NamedTuple):
    """Cells of weights: layer and weight in it, plane, macro number, site, time of the hit."""

    layer: np.ndarray
    weight: np.ndarray
    plane: np.ndarray
    macro: np.ndarray
    site: np.ndarray
    time: np.ndarray

    def pick(self, chosen: np.ndarray) -> Listed:
        """Those that are chosen by a mask, or by positions."""
        return Listed(*(array[chosen] for array in self))


class Finder:
    """What stands where on the macros of a program on a die: from sites to weights."""

    def __init__(self, program: Program, floor: Floor, die: Die) -> None:
        """Lists the macros of all layers of the program."""
        self.floor, self.macros = floor, macros_of(floor)
        self._map, self._repair = AddressMap(program), die.repair

    def find(self, slot: np.ndarray, site: np.ndarray, time: np.ndarray) -> Listed:
        """The cells among (slot, site) that hold bits of weights, with what they hold."""
        macro = self.macros[slot]
        wordline, bitline, level = self.floor.shape.geometry.place(site)
        in_use = np.ones(len(slot), bool)
        if self._repair is not None:
            wordline, bitline, in_use = self._repair.regular(macro, wordline, bitline)
        held = self._map.contents(macro, wordline, bitline, level)
        return Listed(*held, macro, site, time).pick(in_use & (held.layer >= 0))


def listed_hits(finder: Finder, key: Words, first: int, latest: int) -> Listed:
    """The cells of weights hit before time `latest` in slabs from `first` on, each hit apart."""
    macros = finder.macros.astype(np.uint32)
    hits = list_hits(key, macros, finder.floor.shape.geometry.sites, first)
    early = np.flatnonzero(hits.time < np.uint64(latest))
    return finder.find(*(array[early] for array in hits))


def faulty_image(
    program: Program, finder: Finder, die: Die, steps: Sequence[Step]
) -> tuple[Image, list[np.ndarray]]:
    """(the image after all steps, how many cells of each layer each step changed)."""
    image = dict(program.image)
    spec = program.plan.spec
    changed = []
    for step in steps:
        if step.form.stage == Stage.WRITE:  # whatever an earlier write left is written over
            image = dict(program.image)
        cells = _affected(step, finder, die)
        counts = np.zeros(len(finder.floor.layers), np.int64)
        for layer in np.unique(cells.layer).tolist():
            name = finder.floor.layers[layer]
            own = cells.pick(cells.layer == layer)
            params = image[name]
            codes = np.array(params["weights"])
            common = params.get("weights_common")
            both = np.zeros(codes.shape, np.uint16) if common is None else np.array(common)
            flat, both_flat = codes.reshape(-1), both.reshape(-1)
            words = to_words(flat[own.weight], both_flat[own.weight], spec)
            bit = (words >> own.plane.astype(words.dtype)) & 1
            new = _new_bits(step, own, bit, finder)
            differ = np.flatnonzero(new != bit)
            own, counts[layer] = own.pick(differ), len(differ)
            weight, index = np.unique(own.weight, return_inverse=True)
            flips = np.zeros(len(weight), words.dtype)
            np.bitwise_or.at(flips, index, words.dtype.type(1) << own.plane.astype(words.dtype))
            after = to_words(flat[weight], both_flat[weight], spec) ^ flips
            decoded, shared = from_words(after, spec)
            flat[weight] = decoded.astype(codes.dtype)
            image[name] = {**params, "weights": codes}
            if shared is not None:
                both_flat[weight] = shared.astype(both.dtype)
                if both.any() or common is not None:
                    image[name]["weights_common"] = both
        changed.append(counts)
    return image, changed


def _affected(step: Step, finder: Finder, die: Die) -> Listed:
    """The cells that a step may change, each once (of several hits the first)."""
    form = step.form
    if form.kind == "place":
        macro, site = step.arrays[0].T
        slot = np.searchsorted(finder.macros, macro).clip(max=len(finder.macros) - 1)
        here = np.flatnonzero(finder.macros[slot] == macro)
        return finder.find(slot[here], site[here], here.astype(np.uint64))
    if form.kind == "cluster":
        key = stream_key(die.key, form.stream)
        macros = finder.macros.astype(np.uint32)
        geometry = finder.floor.shape.geometry
        drawn = cluster_sites(
            key, macros, geometry, form.first, step.arrays, form.mean_size, form.radius_cells
        )
        slot, number = np.nonzero(drawn[1])
        found = finder.find(slot, drawn[0][slot, number], np.zeros(len(slot), np.uint64))
    else:
        key = stream_key(die.key, form.stream, step.arrays.epoch)
        before = step.arrays.levels.before
        words = (before.a.astype(np.uint64) << np.uint64(32)) | before.b
        found = listed_hits(finder, key, form.first, int(words.max(initial=0)))
    return found.pick(first_hits(found))


def first_hits(found: Listed) -> np.ndarray:
    """Positions of the first hit on every cell of a list."""
    order = np.lexsort((found.time, found.site, found.macro))
    macro, site = found.macro[order], found.site[order]
    new = np.ones(len(order), bool)
    new[1:] = (macro[1:] != macro[:-1]) | (site[1:] != site[:-1])
    return np.sort(order[new])


def _new_bits(step: Step, own: Listed, bit: np.ndarray, finder: Finder) -> np.ndarray:
    form, shape = step.form, finder.floor.shape
    if form.kind == "place":
        becomes = step.arrays[1]
        return bit ^ 1 if becomes is None else becomes[own.time.astype(np.int64)]
    value = bit ^ 1 if form.becomes is None else np.full_like(bit, form.becomes)
    if form.kind == "cluster":
        return value
    bank = 0 if form.banks == 1 else own.macro // shape.geometry.macros_per_bank
    kind = own.layer * (shape.planes + 1) + own.plane
    index = (kind * form.banks + bank) * 2 + bit
    return np.where(_before(own.time, step.arrays.levels, index), value, bit)


def _before(time: np.ndarray, table: Levels, index: Any) -> np.ndarray:
    limit = Words(*(word[index] for word in table.before))
    high = (time >> np.uint64(32)).astype(np.uint32)
    low = (time & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return below(Words(high, low), limit) | ((limit.a & limit.b) == _ONES)
