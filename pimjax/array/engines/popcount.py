"""Packed words: 32 wordlines at a time by AND and population count, one fused loop per row group.

The loops over input slices and columns are unrolled, so that a partial sum, its ADC code and its
place in the shift-and-add live in registers; only accumulators are written. A digit of several
bits is a sum of bit planes before the ADC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.adc import transfer
from pimjax.array.adc_arithmetic import codes_by_arithmetic
from pimjax.array.bounds import never_saturates
from pimjax.array.columns import columns_obstacle, fine_transfer
from pimjax.array.effective import Errors, GroupErrors
from pimjax.array.encoding import (
    Conversion,
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
)
from pimjax.array.engines.base import Counted, Engine, counted, needs_wide_groups
from pimjax.array.engines.counting import Converter, CountFields, GroupSum, Running
from pimjax.array.engines.packed_rows import pack_inputs, pack_weights, packs_pixels
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit
from pimjax.numerics.packing import words_for

UNROLLED = 1024
"""Popcounts unrolled into one fused loop at most; at twice as many XLA on a CPU was 40 times
slower (12 x 12 bits, 256 rows)."""

CONVERSIONS_UNROLLED = 16
"""Conversions of non-ideal columns in one fused loop at most: they take long to compile."""


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


def group_sum(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    columns: tuple[Conversion, ...],
    spec: Bitline,
    geometry: Geometry,
    converter: Converter | None,
    errors: GroupErrors | None,
) -> GroupSum:
    """Shift-and-add of one row group; counts that cannot be other than 0 stay scalar zeros."""
    total = low = high = jnp.int32(0)
    unit = min(abs(conversion.weight) for conversion in columns)
    for conversion in columns:
        column, lowest_weight = jnp.int32(0), 0
        converted = _converted(inputs, sides, conversion, spec, geometry, errors)
        # From the top slice down: doubling is cheaper than shifting each code to its place.
        for input_slice, sums in zip(reversed(input_slices(spec)), converted[::-1], strict=True):
            codes = sums
            if converter is not None:
                table = converter.table
                codes = codes_by_arithmetic(sums, converter.adc, conversion.paired, table)
                if table.can_clip_low:
                    low = low + (sums < table.clips_below).astype(jnp.int32)
                if table.can_clip_high:
                    high = high + (sums >= table.clips_from).astype(jnp.int32)
            gap = lowest_weight // abs(input_slice.weight)
            column = _times_power(column, gap) if gap else column
            column = column - codes if input_slice.weight < 0 else column + codes
            lowest_weight = abs(input_slice.weight)
        shifted = _times_power(column, abs(conversion.weight) // unit)
        total = total - shifted if conversion.weight < 0 else total + shifted
    return GroupSum(total, low, high)


def _times_power(value: jax.Array, power_of_two: int) -> jax.Array:
    return value if power_of_two == 1 else value << (power_of_two.bit_length() - 1)


def _converted(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    conversion: Conversion,
    spec: Bitline,
    geometry: Geometry,
    errors: GroupErrors | None,
) -> list[jax.Array]:
    """What the ADC is given slice by slice, (p, g, n) each: S, or V of non-ideal columns."""
    slices = input_slices(spec)
    both = [[ones(inputs, sides[conversion.side], one, conversion.digit) for one in slices]]
    if conversion.paired:
        both.append([ones(inputs, sides[1], one, conversion.digit) for one in slices])
    sums = [p - n for p, n in zip(*both, strict=True)] if conversion.paired else both[0]
    if errors is None:
        return sums
    active = [p + n for p, n in zip(*both, strict=True)] if conversion.paired else both[0]
    driven = [_driven(inputs, one) for one in slices] if errors.by_current else []
    j = conversions(spec).index(conversion)
    return errors.effective(j, sums, active, driven, spec, geometry)


def _driven(inputs: jax.Array, input_slice: Digit) -> jax.Array:
    """Sums (p, g) of the digits on the wordlines, of packed inputs (plane, word, p, g)."""
    planes = inputs[input_slice.low : input_slice.low + input_slice.width]
    counts = jnp.sum(jax.lax.population_count(planes), axis=1, dtype=jnp.uint32)
    return sum(
        (_times_power(counts[a].astype(jnp.int32), 1 << a) for a in range(input_slice.width)),
        start=jnp.int32(0),
    )


def tile(
    x: jax.Array,
    prepared: tuple[jax.Array, ...],
    spec: Bitline,
    geometry: Geometry,
    errors: Errors | None = None,
) -> Counted:
    """Accumulators and clip counts of one tile of padded codes x (b, h, w, c)."""
    # Without the barrier a single row group is packed anew for every output, inside the one loop.
    inputs = jax.lax.optimization_barrier(pack_inputs(x, spec, geometry))
    converter = None
    if errors is not None:
        converter = Converter(*fine_transfer(spec))
    elif spec.adc.kind == "uniform":
        limits = partial_sum_limits(spec, spec.rows_per_group(geometry.k))
        converter = Converter(spec.adc, transfer(spec.adc, is_paired(spec), *limits))
    shape = (inputs.shape[3], geometry.groups, geometry.outputs_per_group)
    running = Running.start(shape, converter)
    for columns in loops(spec, geometry, converter, ideal=errors is None):
        part = running_sums(inputs, prepared, columns, spec, geometry, converter, errors)
        running = running.after(GroupSum(*part), spec)
    return counted(*running, x, spec, geometry)


def loops(
    spec: Bitline, geometry: Geometry, converter: Converter | None, ideal: bool
) -> list[tuple[Conversion, ...]]:
    """The columns of a row group, cut so that no fused loop is unrolled too far.

    A saturating accumulator needs the whole row group at once, unless it never saturates. With
    `ideal` columns that is all; else there is much more to a conversion, and its counts want room.
    """
    columns = conversions(spec)
    if not never_saturates(spec, geometry.k, ideal):
        return [columns]
    words = words_for(spec.rows_per_group(geometry.k))
    planes = max(column.digit.width * (1 + column.paired) for column in columns)
    size = max(1, UNROLLED // (spec.act_bits * words * planes))
    if not ideal:
        size = min(size, max(1, CONVERSIONS_UNROLLED // len(input_slices(spec))))

    def cut(size: int) -> list[tuple[Conversion, ...]]:
        return [columns[start : start + size] for start in range(0, len(columns), size)]

    def roomy(parts: list[tuple[Conversion, ...]]) -> bool:
        fields = (CountFields.beside_sums(part, spec, geometry, converter, ideal) for part in parts)
        return all(found is not None for found in fields)

    if ideal:
        return cut(size)
    return next((cut(n) for n in range(size, 0, -1) if roomy(cut(n))), cut(size))


def in_a_loop_of_its_own(function: Callable[..., Any], operands: Any, row_group: Any) -> Any:
    """function(*operands), as a branch that is always taken: operands are finished arrays there.

    Else XLA on a CPU may cut the row group out of its arrays inside the fused loop, where it reads
    the number of the row group anew for every output, and LLVM gives up vectors: 8 times slower.
    """
    shape = jax.eval_shape(function, *operands)

    def nothing(*_: Any) -> Any:
        return jax.tree.map(lambda item: jnp.zeros(item.shape, item.dtype), shape)

    return jax.lax.cond(row_group < np.uint32(1 << 31), function, nothing, *operands)


def running_sums(
    inputs: jax.Array,
    sides: tuple[jax.Array, ...],
    columns: tuple[Conversion, ...],
    spec: Bitline,
    geometry: Geometry,
    converter: Converter | None,
    errors: Errors | None,
) -> Running:
    """Running sums over all row groups of these columns, and their clip counts."""
    shape = (inputs.shape[3], geometry.groups, geometry.outputs_per_group)
    start = Running.start(shape, converter)
    unit = min(abs(conversion.weight) for conversion in columns)
    fields = CountFields.beside_sums(columns, spec, geometry, converter, errors is None)
    scanned = (inputs, sides, None if errors is None else errors.by_row_group(inputs.shape[0]))

    def one(group: tuple[Any, ...]) -> Any:
        """The word of a row group, or its sums and counts where there is no room in a word."""

        def of_slices(inputs: Any, sides: Any, of_group: GroupErrors | None) -> Any:
            made = group_sum(inputs, sides, columns, spec, geometry, converter, of_group)
            return made if fields is None else fields.pack(made)

        if errors is None:
            return of_slices(group[0], group[1], None)
        of_group = errors.at(group[2])
        return in_a_loop_of_its_own(of_slices, (group[0], group[1], of_group), group[2][1])

    def in_place(group: GroupSum) -> GroupSum:
        return group._replace(total=_times_power(group.total, unit))

    if fields is None:

        def add(running: Running, group: tuple[Any, ...]) -> tuple[Running, None]:
            return running.after(in_place(GroupSum(*one(group))), spec), None

        return jax.lax.scan(add, start, scanned)[0]

    def add_last(
        carry: tuple[Running, jax.Array], group: tuple[Any, ...]
    ) -> tuple[tuple[Running, jax.Array], None]:
        # The word of the row group before is unpacked only now: see CountFields.
        running, word = carry
        running = running.after(in_place(fields.unpack(word)), spec)
        return (running, one(group)), None

    carry = (start, jnp.zeros(shape, jnp.int32))
    running, word = jax.lax.scan(add_last, carry, scanned)[0]
    return running.after(in_place(fields.unpack(word)), spec)


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """Packed patches twice over (gathered, then regrouped), and three accumulators."""
    words = spec.row_groups(geometry.k) * words_for(spec.rows_per_group(geometry.k))
    packed = 4 * spec.act_bits * words * geometry.groups
    gathered = 0 if packs_pixels(spec, geometry) else 8 * geometry.k * geometry.groups
    return 2 * packed + gathered + 16 * geometry.out_channels


def _columns_obstacle(spec: Bitline) -> str | None:
    return columns_obstacle(spec) or needs_wide_groups(spec, ideal=False)


ENGINE = Engine(
    "popcount", needs_wide_groups, pack_weights, tile, bytes_per_pixel, _columns_obstacle
)
