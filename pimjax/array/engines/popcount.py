"""Packed words: 32 wordlines at a time by AND and population count, one fused loop per row group.

The loops over input slices and columns are unrolled, so that a partial sum, its ADC code and its
place in the shift-and-add live in registers; only accumulators are written. A digit of several
bits is a sum of bit planes before the ADC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.accumulator import add_group
from pimjax.array.adc import Transfer, codes_by_arithmetic, transfer
from pimjax.array.bounds import bound_by_shape
from pimjax.array.encoding import (
    Conversion,
    cell_codes,
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
    side_bits,
)
from pimjax.array.engines.base import Counted, Engine, finish, needs_wide_groups, per_row
from pimjax.array.geometry import Geometry
from pimjax.array.rows import cut_row_groups, join_taps, pad_axis, tap_views, weight_rows
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit
from pimjax.numerics.packing import WORD, pack_planes, words_for


def packs_once_per_image(spec: Bitline, geometry: Geometry) -> bool:
    """Whether words of 32 channels never straddle a tap or a row group.

    Then pixels are packed once and patches are gathered as words; otherwise the codes of each
    patch are gathered first.
    """
    one_tap = geometry.kernel == (1, 1)
    in_order = one_tap or spec.row_order == "kernel_channel"
    whole_words = geometry.channels_per_group % WORD == 0
    whole_groups = spec.active_wordlines % WORD == 0 or geometry.k <= spec.active_wordlines
    return in_order and whole_words and whole_groups


def prepare(w: jax.Array, spec: Bitline, geometry: Geometry) -> tuple[jax.Array, ...]:
    """Packed planes of each side's cells: (t, plane, word, g, n/g) uint32."""
    rows = weight_rows(w, geometry, spec.row_order)
    return tuple(
        _pack_row_groups(side, side_bits(spec), spec.active_wordlines)
        for side in cell_codes(rows, spec)
    )


def _pack_row_groups(rows: jax.Array, bits: int, active_wordlines: int) -> jax.Array:
    groups = cut_row_groups(rows, active_wordlines)
    groups = pad_axis(groups, 1, words_for(groups.shape[1]) * WORD)
    return jnp.moveaxis(pack_planes(groups, bits, axis=1), 0, 1)


def pack_inputs(x: jax.Array, spec: Bitline, geometry: Geometry) -> jax.Array:
    """Packed planes of every patch's row groups: (t, plane, word, p, g) uint32."""
    channels_first = rearrange(x, "b h w (g c) -> c b h w g", g=geometry.groups)
    if packs_once_per_image(spec, geometry):
        planes = pack_planes(channels_first, spec.act_bits, axis=0)
        words = join_taps(tap_views(planes, geometry), "kernel_channel", axis=1)
        words = rearrange(words, "a q b h w g -> q a (b h w) g")
        per_group = words_for(spec.rows_per_group(geometry.k))
        return rearrange(cut_row_groups(words, per_group), "t q a p g -> t a q p g")
    codes = join_taps(tap_views(channels_first, geometry), spec.row_order, axis=0)
    codes = rearrange(codes, "k b h w g -> k (b h w) g")
    return _pack_row_groups(codes, spec.act_bits, spec.active_wordlines)


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
    inputs: jax.Array, sides: tuple[jax.Array, ...], spec: Bitline, table: Transfer | None
) -> GroupSum:
    """Shift-and-add of one row group; counts that cannot be other than 0 stay scalar zeros."""
    total = low = high = jnp.int32(0)
    for conversion in conversions(spec):
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
    batch, (height, width) = x.shape[0], geometry.out
    inputs = pack_inputs(x, spec, geometry)
    table = None
    if spec.adc.kind == "uniform":
        limits = partial_sum_limits(spec, spec.rows_per_group(geometry.k))
        table = transfer(spec.adc, is_paired(spec), *limits)
    fields = CountFields.beside_sums(spec, geometry, table)
    zero = jnp.zeros(
        (batch * height * width, geometry.groups, geometry.outputs_per_group), jnp.int32
    )
    start = Running(zero, zero, zero)

    def one_group(carry: Any, group: tuple[jax.Array, tuple[jax.Array, ...]]) -> tuple[Any, None]:
        if fields is None:
            return carry.after(group_sum(*group, spec, table), spec), None
        # The word of the group before is unpacked only now: see CountFields.
        running, word = carry
        running = running.after(fields.unpack(word), spec)
        return (running, fields.pack(group_sum(*group, spec, table))), None

    groups = (inputs, prepared)
    if fields is None:
        running = jax.lax.scan(one_group, start, groups)[0]
    else:
        running, word = jax.lax.scan(one_group, (start, zero), groups)[0]
        running = running.after(fields.unpack(word), spec)

    def as_pixels(flat: jax.Array) -> jax.Array:
        return flat.reshape(batch, height, width, geometry.out_channels)

    y = finish(as_pixels(running.sum), x, spec, geometry)
    return Counted(y, per_row(as_pixels(running.low)), per_row(as_pixels(running.high)))


class Running(NamedTuple):
    """Running sums and clip counts (p, g, n) over the row groups so far."""

    sum: jax.Array
    low: jax.Array
    high: jax.Array

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
        cls, spec: Bitline, geometry: Geometry, table: Transfer | None
    ) -> CountFields | None:
        """Fields wide enough for the counts, or None: nothing to count, or no room."""
        if table is None or not (table.can_clip_low or table.can_clip_high):
            return None
        width = (len(input_slices(spec)) * len(conversions(spec))).bit_length()
        fields = cls(width * table.can_clip_low, width * table.can_clip_high)
        largest = bound_by_shape(spec, spec.rows_per_group(geometry.k)).group
        return fields if largest.bit_length() + sum(fields) <= 31 else None

    def pack(self, group: GroupSum) -> jax.Array:
        """The word of a row group."""
        counts = (group.low << self.high_bits) + group.high
        return (group.total << sum(self)) + counts

    def unpack(self, word: jax.Array) -> GroupSum:
        """The row group of a word."""
        low = (word >> self.high_bits) & ((1 << self.low_bits) - 1)
        return GroupSum(word >> sum(self), low, word & ((1 << self.high_bits) - 1))


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """Packed patches twice over (gathered, then regrouped), and three accumulators."""
    words = spec.row_groups(geometry.k) * words_for(spec.rows_per_group(geometry.k))
    packed = 4 * spec.act_bits * words * geometry.groups
    gathered = 0 if packs_once_per_image(spec, geometry) else 8 * geometry.k * geometry.groups
    return 2 * packed + gathered + 16 * geometry.out_channels


ENGINE = Engine("popcount", needs_wide_groups, prepare, tile, bytes_per_pixel)
