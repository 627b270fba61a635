"""Integer dot products: one convolution where nothing is lost, else one dot per row group.

*Lossless collapse.* If no conversion can clip or round, every code is n S - m with whole n and m,
and the bit-serial loop with its digital term adds up to n times the plain convolution. That is
known from the ADC and the row count alone, or decided at run time from the weights: the number of
active cells in a column bounds its partial sums.

Otherwise the partial sums of all slices and columns of a row group come from one dot product of
digits, and each goes through the ADC.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.accumulator import add_group, wrap
from pimjax.array.adc import affine, transfer
from pimjax.array.adc_arithmetic import codes_by_arithmetic
from pimjax.array.bounds import never_saturates
from pimjax.array.encoding import (
    conversions,
    input_slices,
    is_paired,
    partial_sum_limits,
)
from pimjax.array.engines.base import Counted, Engine, counted, needs_wide_groups
from pimjax.array.engines.exact_conv import exact_convolution
from pimjax.array.geometry import Geometry
from pimjax.array.rows import cut_row_groups, patches, side_rows
from pimjax.array.spec import Bitline
from pimjax.numerics.digits import Digit, take_digit


class Prepared(NamedTuple):
    """Weights for both ways: codes, cell digits by side, and whether nothing is lost with them."""

    codes: jax.Array
    digits: tuple[jax.Array, ...]
    lossless: jax.Array


def collapses(spec: Bitline, k: int) -> bool:
    """Whether every weight and input of `k` rows is converted without loss."""
    if not never_saturates(spec, k):
        return False
    limits = partial_sum_limits(spec, spec.rows_per_group(k))
    return affine(spec.adc, is_paired(spec), *limits) is not None


def may_collapse(spec: Bitline, k: int) -> bool:
    """Whether some weights of `k` rows are converted without loss (all zero ones, say)."""
    return never_saturates(spec, k) and affine(spec.adc, is_paired(spec), 0, 0) is not None


def weights_collapse(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> jax.Array:
    """Whether no input can make these weights clip or round: a boolean scalar."""
    if collapses(spec, geometry.k):
        return jnp.array(True)
    if not may_collapse(spec, geometry.k):
        return jnp.array(False)
    sides = [
        cut_row_groups(side, spec.active_wordlines) for side in side_rows(w, spec, geometry, common)
    ]
    return columns_collapse(
        lambda side, digit: jnp.sum(take_digit(sides[side], digit), axis=1), spec
    )


def columns_collapse(column_sums: Callable[[int, Digit], jax.Array], spec: Bitline) -> jax.Array:
    """Whether no input can make these columns clip or round: a boolean scalar.

    column_sums(side, digit) are the sums of a column's cell digits by row group. Times the largest
    input digit they are the largest partial sums.
    """
    driven = max(digit.largest for digit in input_slices(spec))
    largest, lowest = lossless_limits(spec)
    proven = jnp.array(True)
    for conversion in conversions(spec):
        sums = column_sums(conversion.side, conversion.digit)
        proven &= jnp.max(sums) <= largest // driven
        if conversion.paired:
            proven &= jnp.max(column_sums(1, conversion.digit)) <= -lowest // driven
    return proven


def lossless_limits(spec: Bitline) -> tuple[int, int]:
    """The (largest, lowest) partial sums that a step of 1/n converts without loss."""
    n, m = affine(spec.adc, is_paired(spec), 0, 0) or (1, 0)
    if spec.adc.kind == "none":
        return (1 << 31) - 2, -(1 << 31) + 2
    low, high = spec.adc.code_limits(is_paired(spec))
    return (high + m) // n, -((-low - m) // n)


def collapsed_tile(x: jax.Array, w: jax.Array, spec: Bitline, geometry: Geometry) -> Counted:
    """n times the plain convolution; nothing clips."""
    line = affine(spec.adc, is_paired(spec), 0, 0)
    assert line is not None
    y = line[0] * exact_convolution(x, w, spec.act_range, spec.weight_range, geometry)
    none = jnp.zeros(y.shape[:2], jnp.int32)
    return Counted(wrap(y, spec.accumulator_bits), none, none)


def prepare(
    w: jax.Array, spec: Bitline, geometry: Geometry, common: jax.Array | None = None
) -> Prepared:
    """Weight codes, digits of every column by side (t, r, g, n/g, j), and the lossless proof."""
    digits: tuple[jax.Array, ...] = ()
    if not collapses(spec, geometry.k):
        sides = side_rows(w, spec, geometry, common)
        cells = [cut_row_groups(side, spec.active_wordlines) for side in sides]
        columns = []
        for conversion in conversions(spec):
            column = take_digit(cells[conversion.side], conversion.digit)
            if conversion.paired:
                column = column - take_digit(cells[1], conversion.digit)
            columns.append(column)
        digits = (jnp.stack(columns, axis=-1).astype(_digit_dtype(spec, geometry)),)
    return Prepared(w, digits, weights_collapse(w, spec, geometry, common))


def _digit_dtype(spec: Bitline, geometry: Geometry) -> Any:
    """int8 where digits fit it; else float32 while sums stay below 2^24 (exact), else int32."""
    widest = max(d.largest for d in (*input_slices(spec), *(c.digit for c in conversions(spec))))
    if widest <= 127:
        return jnp.int8
    _, largest = partial_sum_limits(spec, spec.rows_per_group(geometry.k))
    return jnp.float32 if largest < 1 << 24 else jnp.int32


def tile(x: jax.Array, prepared: Prepared, spec: Bitline, geometry: Geometry) -> Counted:
    """Accumulators and clip counts of one tile of padded codes x (b, h, w, c)."""
    collapsed = partial(collapsed_tile, spec=spec, geometry=geometry)
    if collapses(spec, geometry.k):
        return collapsed(x, prepared.codes)
    digits = partial(digit_tile, spec=spec, geometry=geometry)
    if not may_collapse(spec, geometry.k):
        return digits(x, prepared.digits[0])
    return jax.lax.cond(
        prepared.lossless,
        lambda: collapsed(x, prepared.codes),
        lambda: digits(x, prepared.digits[0]),
    )


def digit_tile(x: jax.Array, columns: jax.Array, spec: Bitline, geometry: Geometry) -> Counted:
    """The bit-serial way: all partial sums of a row group from one dot product of digits."""
    codes = patches(x, geometry, spec.row_order)
    _, batch, height, width, _ = codes.shape
    inputs = cut_row_groups(codes, spec.active_wordlines)
    inputs = inputs.reshape(*inputs.shape[:2], batch * height * width, geometry.groups)
    slices = input_slices(spec)
    driven = jnp.stack([take_digit(inputs, s) for s in slices], axis=-1).astype(columns.dtype)
    weights = jnp.asarray(
        np.array([[s.weight * c.weight for c in conversions(spec)] for s in slices], np.int32)
    )
    kept = columns.dtype if columns.dtype == jnp.float32 else jnp.int32
    paired = is_paired(spec)
    table = None
    if spec.adc.kind == "uniform":
        limits = partial_sum_limits(spec, spec.rows_per_group(geometry.k))
        table = transfer(spec.adc, paired, *limits)

    def one_group(carry: Any, group: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        running, low, high = carry
        sums = jnp.einsum(
            "rpgs,rgnj->pgnsj", *group, preferred_element_type=kept, precision="highest"
        ).astype(jnp.int32)
        adc_codes = sums
        if table is not None:
            adc_codes = codes_by_arithmetic(sums, spec.adc, paired, table)
            low = low + jnp.sum(sums < table.clips_below, axis=(-2, -1), dtype=jnp.int32)
            high = high + jnp.sum(sums >= table.clips_from, axis=(-2, -1), dtype=jnp.int32)
        total = jnp.sum(adc_codes * weights[None, None, None], axis=(-2, -1), dtype=jnp.int32)
        return (add_group(running, total, spec), low, high), None

    zero = jnp.zeros((inputs.shape[2], geometry.groups, geometry.outputs_per_group), jnp.int32)
    counts = jnp.int32(0) if table is None else zero
    (running, low, high), _ = jax.lax.scan(one_group, (zero, counts, counts), (driven, columns))

    return counted(running, low, high, x, spec, geometry)


def bytes_per_pixel(spec: Bitline, geometry: Geometry) -> int:
    """Nothing but the sums when collapsed, else all partial sums of a row group twice over."""
    if collapses(spec, geometry.k):
        return 8 * geometry.out_channels
    count = len(input_slices(spec)) * len(conversions(spec))
    patch = geometry.k * geometry.groups * (4 + len(input_slices(spec)))
    return patch + 8 * count * geometry.out_channels


ENGINE = Engine("dot", needs_wide_groups, prepare, tile, bytes_per_pixel)
