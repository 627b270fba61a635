"""Words of an error correcting code in the cells: parity written, words decoded when read.

Axis letters: m macro taken, c site in it, r wordline, v word on it, n cell of a word, k data cells.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from pimjax.die.cells import Cells, Shape
from pimjax.memory.ecc import Code, Outcome, decode, deliver, encode, outcomes
from pimjax.memory.ecc.outcome import Policy


def with_parity(bits: jax.Array, code: Code, cells: Cells, shape: Shape) -> jax.Array:
    """The bits (m, c) with every word's parity cells written for its data cells."""
    words = _words(bits, code, cells, shape)
    data = words[..., : code.k]
    return _replaced(bits, jnp.concatenate([data, encode(code, data)], axis=-1), cells, shape)


def read_words(
    bits: jax.Array, sent: jax.Array, code: Code, policy: Policy, cells: Cells, shape: Shape
) -> tuple[jax.Array, jax.Array]:
    """(the bits as the decoder hands them on, words of each layer by outcome (l, 4) int32).

    `sent` are the bits as they were programmed: the emulator knows the truth, the decoder not.
    """
    words, truth = (_words(b, code, cells, shape) for b in (bits, sent))
    data, flag = decode(code, words)
    outcome = outcomes(truth[..., : code.k], data, flag).astype(jnp.int32)
    counts = _by_layer(outcome, code, cells, shape)
    data = deliver(data, flag, policy)
    read = jnp.concatenate([data, words[..., code.k :]], axis=-1)
    return _replaced(bits, read, cells, shape), counts


def scrubbed(bits: jax.Array, read: jax.Array, code: Code, cells: Cells, shape: Shape) -> jax.Array:
    """The bits after words that were `read` are corrected and written back.

    Words that cannot be corrected are left alone.
    """
    data, flag = decode(code, _words(read, code, cells, shape))
    written = jnp.concatenate([data, encode(code, data)], axis=-1)
    kept = (flag == Outcome.DETECTED)[..., None]
    words = jnp.where(kept, _words(bits, code, cells, shape), written.astype(bits.dtype))
    return _replaced(bits, words, cells, shape)


def _by_layer(outcome: jax.Array, code: Code, cells: Cells, shape: Shape) -> jax.Array:
    """Words that hold weights, by layer and outcome; others are not counted."""
    first_parity = _words(cells.kind, code, cells, shape)[..., code.k]
    layer, plane = first_parity // (shape.planes + 1), first_parity % (shape.planes + 1)
    number = jnp.where(plane == shape.planes, layer * len(Outcome) + outcome, -1)
    size = shape.layers * len(Outcome)
    counts = jnp.zeros(size + 1, jnp.int32).at[number.reshape(-1)].add(1)
    return counts[:size].reshape(shape.layers, len(Outcome))


def _words(array: Any, code: Code, cells: Cells, shape: Shape) -> jax.Array:
    """What belongs to each word, (m, r, v, n), of an array by site (m, c)."""
    layout = shape.words
    if cells.order is not None:
        lines = jnp.take_along_axis(array, cells.order, axis=1)
        lines = lines.reshape(array.shape[0], -1, layout.bitlines)
    else:
        geometry = shape.geometry
        lines = array.reshape(array.shape[0], geometry.wordlines, geometry.bitlines)
        lines = lines[:, :, : layout.bitlines]
    used = lines[:, :, : layout.words * code.n]
    return used.reshape(*used.shape[:2], layout.words, code.n)


def _replaced(bits: jax.Array, words: jax.Array, cells: Cells, shape: Shape) -> jax.Array:
    """The bits (m, c) with these words (m, r, v, n) in their cells."""
    layout, geometry = shape.words, shape.geometry
    flat = words.reshape(*words.shape[:2], -1).astype(bits.dtype)
    if cells.order is None:
        lines = bits.reshape(bits.shape[0], geometry.wordlines, geometry.bitlines)
        return lines.at[:, :, : flat.shape[2]].set(flat).reshape(bits.shape)
    order = cells.order.reshape(bits.shape[0], -1, layout.bitlines)[:, :, : flat.shape[2]]
    rows = jnp.arange(bits.shape[0], dtype=jnp.int32)[:, None]
    return bits.at[rows, order.reshape(bits.shape[0], -1)].set(flat.reshape(bits.shape[0], -1))
