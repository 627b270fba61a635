"""Sums and clip counts of row groups, packed so that one fused loop makes them all."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.accumulator import add_group
from pimjax.array.adc import Transfer
from pimjax.array.bounds import extremes_by_codes, extremes_of_codes
from pimjax.array.encoding import Conversion, input_slices
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Adc, Bitline


class Converter(NamedTuple):
    """The ADC on what it is given (partial sums, or V of non-ideal columns), and its table."""

    adc: Adc
    table: Transfer


class GroupSum(NamedTuple):
    """Of one row group: its exact sum (p, g, n) int32, and how many conversions clipped."""

    total: jax.Array
    low: jax.Array
    high: jax.Array


class Running(NamedTuple):
    """Running sums and clip counts (p, g, n) over the row groups so far."""

    sum: jax.Array
    low: jax.Array
    high: jax.Array

    @classmethod
    def start(cls, shape: tuple[int, ...], converter: Converter | None) -> Running:
        """Zeros; counts of what cannot happen are scalars."""
        zero, none = jnp.zeros(shape, jnp.int32), jnp.int32(0)
        if converter is None:
            return cls(zero, none, none)
        table = converter.table
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
        converter: Converter | None,
        ideal: bool,
    ) -> CountFields | None:
        """Fields wide enough for the counts, or None: nothing to count, or no room.

        Sums are in units of the lightest of the columns.
        """
        if converter is None:
            return None
        table = converter.table
        if not (table.can_clip_low or table.can_clip_high):
            return None
        width = (len(input_slices(spec)) * len(columns)).bit_length()
        fields = cls(width * table.can_clip_low, width * table.can_clip_high)
        # Of these columns alone: a part can be larger than the whole, where the signs differ.
        if ideal:
            low, high = extremes_by_codes(spec, spec.rows_per_group(geometry.k), columns)
        else:
            low, high = extremes_of_codes(spec, columns)
        largest = max(-low, high) // min(abs(column.weight) for column in columns)
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
