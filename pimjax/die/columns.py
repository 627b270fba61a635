"""The errors of a die's bitlines and converters, as the arrays of a program's layers.

A column is a physical bitline of a macro: layers that share it share its errors. What they do to a
partial sum is said in docs/columns.md.

Axis letters: t row group, j conversion, n output channel.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from pimjax.array.columns import (
    GAIN_ONE,
    LARGEST_GAIN,
    ROOTS,
    as_columns,
    require_columns_in_range,
)
from pimjax.array.encoding import conversions, is_paired, partial_sum_limits
from pimjax.array.mapping import StripMapping
from pimjax.array.spec import Bitline
from pimjax.array.stored import planes, stored_words
from pimjax.chip.schema import Chip
from pimjax.die.cells import physical_lines
from pimjax.die.die import Die
from pimjax.memory.cells import cell_draws, stream_key
from pimjax.memory.device.sensing import cell_spread
from pimjax.network.graph import Params
from pimjax.network.place import words_of
from pimjax.network.placed import LayerMapping, map_program
from pimjax.network.program import Program
from pimjax.numerics.normal import ONE, deviates
from pimjax.numerics.threefry import Words, derived

_CELL = 256


def column_params(program: Program, die: Die) -> dict[str, Params]:
    """Arrays that give every layer the columns of this die, by layer; none for an ideal chip.

    `adc.gain_sigma`, `adc.offset_sigma_lsb` and `adc.inl_lsb` are drawn once per bitline.
    `mram.conductance_sigma`: the mean deviation of a column's conducting cells is an error of its
    gain, frozen; what is left of it depends on which cells are driven and is taken as noise of
    variance sigma^2 a conducting cell, together with `mram.read_noise_sigma` (so that the total is
    right for few active cells and up to 1.4 times too wide where all of them are) and
    `adc.noise_sigma_lsb`. Errors of the gain end at 50 %. Raises ValueError for errors beyond what
    is emulated (docs/columns.md).
    """
    chip, spec = program.chip, program.plan.spec
    if not chip.has_column_errors:
        return {}
    arrays: dict[str, Params] = {}
    ops = {layer.name: layer.op for layer in program.plan.graph.layers}
    for name, mapping in map_program(program).items():
        adc = getattr(ops[name], "adc", None) or spec.adc
        macro, bitline = _columns(mapping, spec, die)
        step = float(adc.step)
        gain, offset, bow = (
            _normal(die, stream, macro, bitline) for stream in ("adc gain", "adc offset", "adc bow")
        )
        found = {
            "column_gain": chip.adc.gain_sigma * gain,
            "column_offset": chip.adc.offset_sigma_lsb * step * offset,
            "column_bow": chip.adc.inl_lsb * step * bow,
        }
        if chip.mram.conductance_sigma:
            sigma = cell_spread(chip.mram.tmr, chip.mram.conductance_sigma)[0]
            cells = np.maximum(1, _conducting(program, name, mapping))
            mean = _normal(die, "conductance", macro, bitline) * float(sigma) / np.sqrt(cells)
            found["column_gain"] = found["column_gain"] + mean
        scales = {"column_gain": GAIN_ONE, "column_offset": _CELL, "column_bow": _CELL}
        params = {
            key: jnp.asarray(_rounded(error * scales[key]))
            for key, error in found.items()
            if error.any()
        }
        if "column_gain" in params:
            params["column_gain"] = jnp.clip(params["column_gain"], -LARGEST_GAIN, LARGEST_GAIN)
        arrays[name] = params | _noise(chip, spec, mapping, step, die)
        columns = as_columns(arrays[name])
        if columns is not None:
            require_columns_in_range(columns)
    return arrays


def _columns(mapping: LayerMapping, spec: Bitline, die: Die) -> tuple[np.ndarray, np.ndarray]:
    """(macro, physical bitline) of every column (t, j, n); of a pair that of its first column."""
    strips = [placed.mapping for placed in mapping.strips]
    base: StripMapping = strips[0]
    groups, count = base.row_groups, len(conversions(spec))
    outputs = base.groups * base.outputs
    row = np.arange(groups) * base.active_wordlines
    if base.row_order == "channel_kernel":
        row = row % base.taps * base.channels + row // base.taps
    weight = row[:, None] * outputs + np.arange(outputs)
    column = np.arange(count) * (2 if is_paired(spec) else 1)
    macro = np.zeros((groups, count, outputs), np.int64)
    bitline, wordline = np.zeros_like(macro), np.zeros_like(macro)
    words = words_of(die.chip)
    for placed in mapping.strips:
        own = placed.mapping
        inside = (column >= own.first_column) & (column < own.first_column + own.columns)
        for j in np.flatnonzero(inside).tolist():
            shelf, r, data = own.locate(weight, column[j])
            macro[:, j], bitline[:, j] = placed.macros[shelf], words.physical_bitline(data)
            wordline[:, j] = placed.wordlines[shelf] + r
    return macro, physical_lines(die, macro, wordline, bitline)[1]


def _normal(die: Die, stream: str, macro: np.ndarray, bitline: np.ndarray) -> np.ndarray:
    """A normal deviate for every column, float64, from its address alone."""
    where = macro.astype(np.uint32), bitline.astype(np.uint32)
    draws = cell_draws(stream_key(die.key, stream), *where)
    first = deviates(Words(jnp.asarray(draws.a), jnp.asarray(draws.b)))[0]
    return np.asarray(first).astype(np.float64) / ONE


def _conducting(program: Program, name: str, mapping: LayerMapping) -> np.ndarray:
    """Stored ones of every column, (t, j, n)."""
    spec = program.plan.spec
    words = stored_words(program.image[name], spec).astype(np.int64)
    base = mapping.strips[0].mapping
    by_row = words.reshape(base.taps, base.channels, -1)
    if base.row_order == "channel_kernel":
        by_row = by_row.transpose(1, 0, 2)
    rows = by_row.reshape(base.k, -1)
    missing = base.row_groups * base.active_wordlines - base.k
    padded = np.pad(rows, ((0, missing), (0, 0))).reshape(
        base.row_groups, base.active_wordlines, -1
    )
    where, pair = planes(spec).column, 2 if is_paired(spec) else 1
    counts = np.zeros((base.row_groups, len(conversions(spec)), padded.shape[-1]))
    for plane, column in enumerate(where.tolist()):
        counts[:, column // pair] += (padded >> plane & 1).sum(axis=1)
    return counts


def _noise(
    chip: Chip, spec: Bitline, mapping: LayerMapping, step: float, die: Die
) -> dict[str, Any]:
    """Noise of every conversion: constant, or growing with the active cells."""
    constant = (chip.adc.noise_sigma_lsb * step) ** 2
    conducting, blocking = 0.0, 0.0
    for sigma in (chip.mram.conductance_sigma, chip.mram.read_noise_sigma):
        p, ap = cell_spread(chip.mram.tmr, sigma)
        conducting, blocking = conducting + float(p) ** 2, blocking + float(ap) ** 2
    if constant == conducting == 0:
        return {}
    first = mapping.strips[0].strip
    own = derived(stream_key(die.key, "conversion noise"), first.macros[0], first.wordlines[0])
    key = {"noise_key": jnp.asarray(np.concatenate([own.a, own.b]))}
    if conducting == 0:
        return key | {"noise_sigma": jnp.int32(round(_CELL * constant**0.5))}
    base = mapping.strips[0].mapping
    largest = partial_sum_limits(spec, min(base.k, base.active_wordlines))[1]
    largest *= 2 if is_paired(spec) else 1
    unit = (constant + max(conducting, blocking) * largest) / (ROOTS - 1)
    variance = np.rint(np.array([constant, blocking, conducting - blocking]) / unit)
    root = _rounded(_CELL * np.sqrt(unit * np.arange(ROOTS)))
    return key | {
        "noise_variance": jnp.asarray(variance.astype(np.int32)),
        "noise_root": jnp.asarray(root),
    }


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int32)
