"""Packed words: 32 wordlines at a time by AND and population count, one fused loop per row group.

The loops over input slices and columns are unrolled, so that a partial sum, its ADC code and its
place in the shift-and-add live in registers; only accumulators are written. A digit of several
bits is a sum of bit planes before the ADC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.accumulator import add_group
from pimjax.array.adc import Transfer, transfer
from pimjax.array.adc_arithmetic import codes_by_arithmetic
from pimjax.array.bounds import extremes_by_codes, never_saturates
from pimjax.array.encoding import (
    Conversion,
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
)
from pimjax.array.engines.base import Counted, Engine, counted, needs_wide_groups
from pimjax.array.engines.packed_rows import pack_inputs, pack_weights, packs_pixels
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit
from pimjax.numerics.packing import words_for

UNROLLED = 1024
"""Popcounts unrolled into one fused loop at most; at twice as many XLA on a CPU was 40 times
slower (12 x 12 bits, 256 rows)."""


def ones(inputs: jax.Array, cells: jax.Array, input_slice: Digit, cell: Digit) -> jax.Array:
    """Partial sums (p, g, n) int32 of packed inputs (plane, word, p, g), cells (plane, word, g, n).

    sum over bit a of the slice and bit b of the cell of 2^(a+b) * popcount(input & cell)
    """
    total = jnp.int32(0)
    for a in range(input_slice.width):
        for b in range(cell.width):
            count = jnp.int32(0)
            for word in range(inputs.shape[1]):
                driven = inputs[input_slice.low + a, word][:, :, None]
                active = driven & cells[cell.low + b, word][None]
                count = count + jax.lax.population_count(active).astype(jnp.int32)
            total = total + _times_power(count, 1 << (a + b))
    return total


class GroupSum(NamedTuple):
    """Of one row group: its exact sum (p, g, n) int32, and how many conversions clipped."""

    total: jax.Array
    low: jax.Array
    high: jax.Array


def group_sum(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    columns: tuple[Conversion, ...],
    spec: Bitline,
    table: Transfer | None,
) -> GroupSum:
    """Shift-and-add of one row group; counts that cannot be other than 0 stay scalar zeros."""
    total = low = high = jnp.int32(0)
    for conversion in columns:
        column, lowest_weight = jnp.int32(0), 0
        # From the top slice down: doubling is cheaper than shifting each code to its place.
        for input_slice in reversed(input_slices(spec)):
            sums = _sums(inputs, sides, input_slice, conversion)
            codes = sums
            if table is not None:
                codes = codes_by_arithmetic(sums, spec.adc, conversion.paired, table)
                if table.can_clip_low:
                    low = low + (sums < table.clips_below).astype(jnp.int32)
                if table.can_clip_high:
                    high = high + (sums >= table.clips_from).astype(jnp.int32)
            gap = lowest_weight // abs(input_slice.weight)
            column = _times_power(column, gap) if gap else column
            column = column - codes if input_slice.weight < 0 else column + codes
            lowest_weight = abs(input_slice.weight)
        shifted = _times_power(column, abs(conversion.weight))
        total = total - shifted if conversion.weight < 0 else total + shifted
    return GroupSum(total, low, high)


def _times_power(value: jax.Array, power_of_two: int) -> jax.Array:
    return value if power_of_two == 1 else value << (power_of_two.bit_length() - 1)


def _sums(
    inputs: jax.Array, sides: tuple[jax.Array, ...], input_slice: Digit, conversion: Conversion
) -> jax.Array:
    sums = ones(inputs, sides[conversion.side], input_slice, conversion.digit)
    if conversion.paired:
        sums = sums - ones(inputs, sides[1], input_slice, conversion.digit)
    return sums


def tile(
    x: jax.Array, prepared: tuple[jax.Array, ...], spec: Bitline, geometry: Geometry
) -> Counted:
    """Accumulators and clip counts of one tile of padded codes x (b, h, w, c)."""
    # Without the barrier a single row group is packed anew for every output, inside the one loop.
    inputs = jax.lax.optimization_barrier(pack_inputs(x, spec, geometry))
    table = None
    if spec.adc.kind == "uniform":
        limits = partial_sum_limits(spec, spec.rows_per_group(geometry.k))
        table = transfer(spec.adc, is_paired(spec), *limits)
    shape = (inputs.shape[3], geometry.groups, geometry.outputs_per_group)
    running = Running.start(shape, table)
    for columns in loops(spec, geometry):
        part = running_sums(inputs, prepared, columns, spec, geometry, table)
        running = running.after(GroupSum(*part), spec)
    return counted(*running, x, spec, geometry)


def loops(spec: Bitline, geometry: Geometry) -> list[tuple[Conversion, ...]]:
    """The columns of a row group, cut so that no fused loop is unrolled too far.

    A saturating accumulator needs the whole row group at once, unless it never saturates.
    """
    columns = conversions(spec)
    if not never_saturates(spec, geometry.k):
        return [columns]
    words = words_for(spec.rows_per_group(geometry.k))
    planes = max(column.digit.width * (1 + column.paired) for column in columns)
    size = max(1, UNROLLED // (spec.act_bits * words * planes))
    return [columns[start : start + size] for start in range(0, len(columns), size)]


def running_sums(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    columns: tuple[Conversion, ...],
    spec: Bitline,
    geometry: Geometry,
    table: Transfer | None,
) -> Running:
    """Running sums over all row groups of these columns, and their clip counts."""
    shape = (inputs.shape[3], geometry.groups, geometry.outputs_per_group)
    start = Running.start(shape, table)
    fields = CountFields.beside_sums(columns, spec, geometry, table)
    if fields is None:

        def add(
            running: Running, group: tuple[jax.Array, tuple[jax.Array, ...]]
        ) -> tuple[Running, None]:
            return running.after(group_sum(group[0], group[1], columns, spec, table), spec), None

        return jax.lax.scan(add, start, (inputs, sides))[0]

    def add_last(
        carry: tuple[Running, jax.Array], group: tuple[jax.Array, tuple[jax.Array, ...]]
    ) -> tuple[Any, None]:
        # The word of the row group before is unpacked only now: see CountFields.
        running, word = carry
        running = running.after(fields.unpack(word), spec)
        return (running, fields.pack(group_sum(group[0], group[1], columns, spec, table))), None

    carry = (start, jnp.zeros(shape, jnp.int32))
    running, word = jax.lax.scan(add_last, carry, (inputs, sides))[0]
    return running.after(fields.unpack(word), spec)


class Running(NamedTuple):
    """Running sums and clip counts (p, g, n) over the row groups so far."""

    sum: jax.Array
    low: jax.Array
    high: jax.Array

    @classmethod
    def start(cls, shape: tuple[int, ...], table: Transfer | None) -> Running:
        """Zeros; counts of what cannot happen are scalars."""
        zero, none = jnp.zeros(shape, jnp.int32), jnp.int32(0)
        if table is None:
            return cls(zero, none, none)
        return cls(
            zero, zero if table.can_clip_low else none, zero if table.can_clip_high else none
        )

    def after(self, group: GroupSum, spec: Bitline) -> Running:
        """The same with one more row group."""
        total = add_group(self.sum, group.total, spec)
        return Running(total, self.low + group.low, self.high + group.high)


class CountFields(NamedTuple):
    """A row group's sum and clip counts in one 32-bit word: sum | low count | high count.

    XLA on a CPU computes one output per fused loop: sum and counts as two outputs would repeat
    every popcount. One word, unpacked in the next step of the loop, costs a tenth more than the
    sums alone (8 x 8 bits, 128 rows) where two outputs cost four fifths more.
    """

    low_bits: int
    high_bits: int

    @classmethod
    def beside_sums(
        cls,
        columns: tuple[Conversion, ...],
        spec: Bitline,
        geometry: Geometry,
        table: Transfer | None,
    ) -> CountFields | None:
        """Fields wide enough for the counts, or None: nothing to count, or no room."""
        if table is None or not (table.can_clip_low or table.can_clip_high):
            return None
        width = (len(input_slices(spec)) * len(columns)).bit_length()
        fields = cls(width * table.can_clip_low, width * table.can_clip_high)
        # Of these columns alone: a part can be larger than the whole, where the signs differ.
        low, high = extremes_by_codes(spec, spec.rows_per_group(geometry.k), columns)
        largest = max(-low, high)
        return fields if largest.bit_length() + sum(fields) <= 31 else None

    def pack(self, group: GroupSum) -> jax.Array:
        """The word of a row group."""
        counts = (group.low << self.high_bits) + group.high
        return (group.total << sum(self)) + counts

    def unpack(self, word: jax.Array) -> GroupSum:
        """The row group of a word."""
        low = (word >> self.high_bits) & _ones(self.low_bits) if self.low_bits else jnp.int32(0)
        high = word & _ones(self.high_bits) if self.high_bits else jnp.int32(0)
        return GroupSum(word >> sum(self), low, high)


def _ones(bits: int) -> int:
    return (1 << bits) - 1


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """Packed patches twice over (gathered, then regrouped), and three accumulators."""
    words = spec.row_groups(geometry.k) * words_for(spec.rows_per_group(geometry.k))
    packed = 4 * spec.act_bits * words * geometry.groups
    gathered = 0 if packs_pixels(spec, geometry) else 8 * geometry.k * geometry.groups
    return 2 * packed + gathered + 16 * geometry.out_channels


ENGINE = Engine("popcount", needs_wide_groups, pack_weights, tile, bytes_per_pixel)
