"""The meaning, in plain JAX: every conversion is formed, looked up and added, one by one.

Slow and obvious. Partial sums come from an integer dot product of input digits and cell digits,
codes from the threshold table, sums of codes are carried in 64 bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.accumulator import add_wide
from pimjax.array.adc import Transfer, codes_by_table, transfer
from pimjax.array.columns import columns_obstacle, fine_transfer
from pimjax.array.effective import Errors, GroupErrors
from pimjax.array.encoding import (
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
)
from pimjax.array.engines.base import Counted, Engine, counted
from pimjax.array.geometry import Geometry
from pimjax.array.rows import cut_row_groups, patches, side_rows
from pimjax.array.spec import Bitline
from pimjax.numerics import wide
from pimjax.numerics.digits import take_digit


def prepare(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> tuple[jax.Array, ...]:
    """The non-negative cell codes of each side, (t, r, g, n/g) int32."""
    sides = side_rows(w, spec, geometry, common)
    return tuple(cut_row_groups(side, spec.active_wordlines) for side in sides)


def converted_sums(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    spec: Bitline,
    geometry: Geometry,
    errors: GroupErrors | None,
) -> tuple[jax.Array, list[int]]:
    """What the ADC is given, (j s, p, g, n), and the exact weight of each code.

    The partial sums S[s, j] of a row group, or V of non-ideal columns. inputs (r, p, g):
    activation codes of the row group; sides: cell codes (r, g, n).
    """
    slices, converted = input_slices(spec), conversions(spec)
    driven = [take_digit(inputs, input_slice) for input_slice in slices]
    found = []
    for j, conversion in enumerate(converted):
        columns = [take_digit(sides[conversion.side], conversion.digit)]
        if conversion.paired:
            columns.append(take_digit(sides[1], conversion.digit))
        by_column = [[_sums(rows, cells) for rows in driven] for cells in columns]
        sums = by_column[0]
        if conversion.paired:
            sums = [p - n for p, n in zip(*by_column, strict=True)]
        if errors is not None:
            active = [sum(both[1:], start=both[0]) for both in zip(*by_column, strict=True)]
            totals = [jnp.sum(rows, axis=0, dtype=jnp.int32) for rows in driven]
            sums = errors.effective(j, sums, active, totals, spec, geometry)
        found += sums
    return jnp.stack(found), [s.weight * c.weight for c in converted for s in slices]


def _sums(driven: jax.Array, cells: jax.Array) -> jax.Array:
    return jnp.einsum("rpg,rgn->pgn", driven, cells, preferred_element_type=jnp.int32)


def exact_group_sum(codes: jax.Array, weights: list[int]) -> wide.Wide:
    """sum_i weights[i] codes[i] in 64 bits; every weight is a power of two or its negative."""
    places = jnp.asarray(np.array([abs(w).bit_length() - 1 for w in weights], np.int32))
    negative = jnp.asarray(np.array([w < 0 for w in weights]))
    zero = jnp.zeros(codes.shape[1:], jnp.int32)

    def add_one(total: wide.Wide, item: tuple[jax.Array, ...]) -> tuple[wide.Wide, None]:
        code, place, minus = item
        term = wide.shift_left(wide.from_int32(code), place)
        return wide.add(total, wide.where(minus, wide.negate(term), term)), None

    total, _ = jax.lax.scan(add_one, wide.from_int32(zero), (codes, places, negative))
    return total


def tile(
    x: jax.Array,
    prepared: tuple[jax.Array, ...],
    spec: Bitline,
    geometry: Geometry,
    errors: Errors | None = None,
) -> Counted:
    """Accumulators and clip counts of one tile of padded codes x (b, h, w, c)."""
    codes = patches(x, geometry, spec.row_order)
    batch, height, width = codes.shape[1:4]
    inputs = cut_row_groups(codes, spec.active_wordlines)
    inputs = inputs.reshape(*inputs.shape[:2], batch * height * width, geometry.groups)
    if errors is None:
        table = _table(spec, spec.rows_per_group(geometry.k))
        groups: tuple[Any, ...] = (inputs, prepared, None)
    else:
        table = fine_transfer(spec)[1]
        groups = (inputs, prepared, errors.by_row_group(inputs.shape[0]))

    def one_group(
        carry: tuple[jax.Array, jax.Array, jax.Array], group: tuple[Any, ...]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        running, low, high = carry
        of_group = None if errors is None else errors.at(group[2])
        sums, weights = converted_sums(group[0], group[1], spec, geometry, of_group)
        if table is None:
            adc_codes = sums
        else:
            adc_codes = codes_by_table(sums, table)
            low = low + jnp.sum(sums < table.clips_below, axis=0, dtype=jnp.int32)
            high = high + jnp.sum(sums >= table.clips_from, axis=0, dtype=jnp.int32)
        running = add_wide(running, exact_group_sum(adc_codes, weights), spec)
        return (running, low, high), None

    zero = jnp.zeros((inputs.shape[2], geometry.groups, geometry.outputs_per_group), jnp.int32)
    counts = jnp.int32(0) if table is None else zero
    (running, low, high), _ = jax.lax.scan(one_group, (zero, counts, counts), groups)

    return counted(running, low, high, x, spec, geometry)


def _table(spec: Bitline, rows: int) -> Transfer | None:
    if spec.adc.kind == "none":
        return None
    return transfer(spec.adc, is_paired(spec), *partial_sum_limits(spec, rows))


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """Patches, and all partial sums of one row group three times over."""
    count = len(input_slices(spec)) * len(conversions(spec))
    return 4 * geometry.k * geometry.groups + 12 * count * geometry.out_channels


ENGINE = Engine("reference", lambda spec: None, prepare, tile, bytes_per_pixel, columns_obstacle)
