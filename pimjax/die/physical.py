"""Faults cell by cell, on every cell of the macros that a program stands in.

The general way: every form of fault, words of a code with their parity cells, any rate. Traceable;
keys and levels are data, so that it maps over dies and rates.

Axis letters: m macro taken, c site in it, i hit, w weight, j plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.die.cells import Cells, Shape
from pimjax.die.coded import scrubbed
from pimjax.die.steps import Drawn, Form
from pimjax.memory.cells import cell_draws, stream_key, weakness_class
from pimjax.memory.clusters import cluster_sites
from pimjax.memory.device.spread import CLASSES
from pimjax.memory.ecc import Code
from pimjax.memory.effects import Stage
from pimjax.memory.hits import come_before, draw_hits
from pimjax.memory.levels import Levels, in_rest
from pimjax.numerics.threefry import Words


def bits_of(words: jax.Array, cells: Cells, shape: Shape) -> jax.Array:
    """What the cells hold, (m, c) uint8, of stored words (w,); 0 in cells that hold no weight."""
    held = words[jnp.maximum(cells.weight, 0)]
    plane = (cells.kind % (shape.planes + 1)).astype(words.dtype)
    return jnp.where(cells.weight >= 0, (held >> plane) & 1, 0).astype(jnp.uint8)


def words_of_bits(bits: jax.Array, cells: Cells, dtype: Any) -> jax.Array:
    """Stored words (w,) of what the cells hold."""
    flat = bits.reshape(-1)
    total = jnp.zeros(cells.address.shape[1], dtype)
    for plane in range(cells.address.shape[0]):
        bit = flat[cells.address[plane]].astype(dtype)
        total = total | (bit << jnp.asarray(plane, dtype))
    return total


def apply_steps(
    bits: jax.Array,
    key: Words,
    forms: Sequence[Form],
    arrays: Sequence[Any],
    cells: Cells,
    shape: Shape,
    code: Code | None = None,
) -> tuple[jax.Array, list[jax.Array]]:
    """(the bits after all steps in order, how many cells each step changed (m,) int32).

    Of cells that hold weights or parity only. `code` is that of the words, for scrubs. Traceable.
    """
    sent, changed = bits, []
    stuck = [(f, data) for f, data in zip(forms, arrays, strict=True) if f.stage == Stage.STUCK]
    for form, data in zip(forms, arrays, strict=True):
        bits, count = apply_step(bits, sent, key, form, data, stuck, cells, shape, code)
        # Without the barrier XLA draws anew for every use of a bit.
        bits = jax.lax.optimization_barrier(bits)
        changed.append(count)
    return bits, changed


def apply_step(
    bits: jax.Array,
    sent: jax.Array,
    key: Words,
    form: Form,
    data: Any,
    stuck: Sequence[tuple[Form, Any]],
    cells: Cells,
    shape: Shape,
    code: Code | None = None,
) -> tuple[jax.Array, jax.Array]:
    """(the bits (m, c) after one step, how many of the cells that hold something changed (m,)).

    `sent` are the bits to be written; `stuck` the steps of stuck cells, which a scrub reads.
    """
    if form.kind == "scrub":
        assert code is not None
        read = bits
        for defect, arrays in stuck:
            read = _applied(read, key, defect, arrays, cells, shape)
        after = scrubbed(bits, read, code, cells, shape)
    else:
        # Whatever an earlier write left is written over.
        start = sent if form.stage == Stage.WRITE else bits
        after = _applied(start, key, form, data, cells, shape)
    # Cells that hold nothing have bits too; whatever happens to them is not counted.
    holds = (cells.weight >= 0) | (cells.kind % (shape.planes + 1) == shape.planes)
    before = sent if form.stage == Stage.WRITE else bits
    return after, jnp.sum((after != before) & holds, axis=1, dtype=jnp.int32)


def _applied(
    bits: jax.Array, key: Words, form: Form, data: Any, cells: Cells, shape: Shape
) -> jax.Array:
    hit, value = _APPLY[form.kind](bits, key, form, data, cells, shape)
    return jnp.where(hit, value, bits)


def _flipped(bits: jax.Array, form: Form) -> jax.Array:
    return bits ^ 1 if form.becomes is None else jnp.full_like(bits, form.becomes)


def _cell_step(
    bits: jax.Array, key: Words, form: Form, drawn: Drawn, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    key, table = stream_key(key, form.stream, jnp.asarray(drawn.epoch)), drawn.levels
    sites = shape.geometry.sites

    def index(kind: Any, bit: jax.Array) -> jax.Array:
        bank = jnp.where(form.banks == 1, 0, cells.bank)[:, None]
        return (kind * form.banks + bank) * 2 + bit.astype(jnp.int32)

    hit = jnp.zeros(bits.shape, bool)
    if form.rest:
        where = _sites(cells, sites)
        limit = Words(*(word[index(cells.kind, bits)] for word in table.rest))
        hit = in_rest(cell_draws(key, *where), limit)
    hits = draw_hits(key, cells.macro, sites, form.first)
    kind = jnp.take_along_axis(cells.kind, hits.site, axis=1)
    bit = jnp.take_along_axis(bits, hits.site, axis=1)
    limits = Levels(Words(*(w[index(kind, bit)] for w in table.before)), table.rest)
    early = come_before(hits, limits)
    rows = jnp.broadcast_to(jnp.arange(bits.shape[0], dtype=jnp.int32)[:, None], early.shape)
    return hit.at[rows, hits.site].max(early), _flipped(bits, form)


def _weak_step(
    bits: jax.Array, key: Words, form: Form, drawn: Drawn, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    """p (l, v, u): the class comes from a draw of the address alone, the event from another."""
    where = _sites(cells, shape.geometry.sites)
    frozen = cell_draws(stream_key(key, form.weakness), *where)
    event = cell_draws(stream_key(key, form.stream, jnp.asarray(drawn.epoch)), *where)
    layer = cells.kind // (shape.planes + 1)
    index = (layer * CLASSES + weakness_class(frozen.a)) * 2 + bits.astype(jnp.int32)
    limit = Words(*(word.reshape(-1)[index] for word in drawn.levels))
    return in_rest(event, limit), _flipped(bits, form)


def _line_step(
    bits: jax.Array, key: Words, form: Form, limit: Words, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    geometry = shape.geometry
    count = {"wordline": geometry.wordlines, "bitline": geometry.bitlines, "macro": 1}[form.line]
    numbers = np.arange(count, dtype=np.uint32)[None]
    draws = cell_draws(stream_key(key, form.stream), jnp.asarray(cells.macro)[:, None], numbers)
    broken = in_rest(draws, limit)
    lines = (-1, geometry.wordlines, geometry.bitlines, geometry.levels)
    if form.line == "bitline":
        spread = broken[:, None, :, None]
    else:
        spread = broken[:, :, None, None]
    hit = jnp.broadcast_to(spread, (bits.shape[0], *lines[1:])).reshape(bits.shape)
    return hit, _flipped(bits, form)


def _cluster_step(
    bits: jax.Array, key: Words, form: Form, limit: Levels, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    key = stream_key(key, form.stream)
    geometry = shape.geometry
    macro, sizes = jnp.asarray(cells.macro), (form.mean_size, form.radius_cells)
    site, real = cluster_sites(key, macro, geometry, form.first, limit, *sizes)
    rows = jnp.broadcast_to(jnp.arange(bits.shape[0], dtype=jnp.int32)[:, None], site.shape)
    hit = jnp.zeros(bits.shape, bool).at[rows, site].max(real)
    return hit, _flipped(bits, form)


def _place_step(
    bits: jax.Array, key: Words, form: Form, data: Any, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    """`data`: position m * sites + c of every place (i,), and the value each takes or None."""
    position, becomes = data
    hit = jnp.zeros(bits.size, bool).at[position].set(True, mode="drop").reshape(bits.shape)
    if becomes is None:
        return hit, bits ^ 1
    value = jnp.zeros(bits.size, jnp.uint8).at[position].set(becomes, mode="drop")
    return hit, value.reshape(bits.shape)


def _sites(cells: Cells, sites: int) -> tuple[Any, Any]:
    return jnp.asarray(cells.macro)[:, None], jnp.arange(sites, dtype=jnp.uint32)[None]


_APPLY: dict[str, Any] = {
    "cell": _cell_step,
    "weak": _weak_step,
    "line": _line_step,
    "cluster": _cluster_step,
    "place": _place_step,
}
