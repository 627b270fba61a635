"""Non-ideal columns: what gain, offset, bow and noise make of a partial sum before the ADC.

    V = 256 S + gain (S) + offset + bow (S) + noise        in 1/256 of an active cell

The ADC's rule is then applied to V / 256, in exact rationals. *Source:* SEMANTICS section 4: such
columns move thresholds and never change the rule. The form of each error is an *Assumption*; it
and its limits are described in docs/columns.md.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from pimjax.array.adc import Transfer, transfer
from pimjax.array.encoding import conversions, is_paired, partial_sum_limits
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Adc, Bitline

CELL = 256
"""Units of V in one active cell."""

GAIN_ONE = 1 << 16
"""A gain error of 1: the column reads twice what it should."""

LARGEST_SUM = 1 << 15
"""Largest partial sum, in magnitude, for which V is computed."""

LARGEST_GAIN = (1 << 15) - 1
LARGEST_OFFSET = 1 << 27
LARGEST_BOW = 1 << 17
LARGEST_SIGMA = (1 << 16) - 1

ROOTS = 4096
"""Entries of `Columns.noise_root`."""

_LARGEST_V = 1 << 28
_LARGEST_SCALE = 1 << 22
_BOW_BITS = 12
_BOW_ONE = 1 << _BOW_BITS


class Columns(NamedTuple):
    """Errors of a layer's columns; None (a static choice) where there is no such error.

    Indices are logical: t row group, j conversion (of `encoding.conversions`), n output channel.

    gain (t, j, n) int32, in 1/65536: adds floor(gain S / 256 + 1/2) to V. Up to 32767 in
    magnitude.
    offset (t, j, n) int32, in 1/256 cell: added to V. Up to 2^27 in magnitude.
    bow (t, j, n) int32, in 1/256 cell: integral non-linearity at the middle of the converter's
    range, falling to 0 at both ends along a parabola (`bow_shape`). Up to 2^17 in magnitude.
    noise_sigma () int32, in 1/256 cell: standard deviation of the noise, 0 .. 65535; or, where it
    depends on the currents, noise_variance (3,) int32, not negative, and noise_root (4096,) int32:
    sigma = noise_root[variance[0] + variance[1] D + variance[2] A], D and A being the current
    that could flow and the one that does (see `activity`). What the brackets reach must fit
    int32; from 4095 on the last root holds.
    noise_key (2,) uint32: what noise is drawn from; needed with noise, and different for every
    layer.
    """

    gain: Any = None
    offset: Any = None
    bow: Any = None
    noise_sigma: Any = None
    noise_variance: Any = None
    noise_root: Any = None
    noise_key: Any = None

    @property
    def noisy(self) -> bool:
        """Whether conversions are noisy."""
        return self.noise_sigma is not None or self.noise_variance is not None


PER_COLUMN = ("gain", "offset", "bow")

_LIMITS = {
    "gain": (-LARGEST_GAIN, LARGEST_GAIN),
    "offset": (-LARGEST_OFFSET, LARGEST_OFFSET),
    "bow": (-LARGEST_BOW, LARGEST_BOW),
    "noise_sigma": (0, LARGEST_SIGMA),
    "noise_variance": (0, (1 << 31) - 1),
    "noise_root": (0, LARGEST_SIGMA),
}


def require_parts(columns: Columns, images: Any, spec: Bitline, geometry: Geometry) -> None:
    """Refuses arrays of another shape or type, and noise without its parts. Raises ValueError."""
    by_column = (spec.row_groups(geometry.k), len(conversions(spec)), geometry.out_channels)
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(PER_COLUMN, by_column)
    wanted |= {"noise_sigma": (), "noise_variance": (3,), "noise_root": (ROOTS,), "noise_key": (2,)}
    for name, shape in wanted.items():
        array = getattr(columns, name)
        dtype = jnp.uint32 if name == "noise_key" else jnp.int32
        if array is not None and (array.shape != shape or array.dtype != dtype):
            raise ValueError(
                f"{NAMES[name]}: {array.dtype} {array.shape} given; {dtype.__name__} {shape} "
                f"expected (row groups, conversions, outputs where it is by column)"
            )
    if not columns.noisy:
        return
    if columns.noise_key is None:
        raise ValueError("noise_key: none given, but conversions are noisy; give a key (2,) uint32")
    if columns.noise_variance is not None and columns.noise_root is None:
        raise ValueError("noise_root: none given beside noise_variance")
    if images is None:
        raise ValueError("images: none given, but conversions are noisy; number the images (b,)")


def require_columns_in_range(columns: Columns) -> None:
    """Refuses errors beyond what 32 bits hold in every readout. Raises ValueError.

    For known arrays; inside compiled code nothing is looked at.
    """
    for name, (low, high) in _LIMITS.items():
        array = getattr(columns, name)
        if array is None:
            continue
        values = np.asarray(array)
        if values.size and (values.min() < low or values.max() > high):
            worst = values.min() if values.min() < low else values.max()
            raise ValueError(f"{NAMES[name]}: {worst} given; {low}..{high} allowed")


Group = Columns
"""The columns of one row group, as engines compute with them: arrays are (j, g, n/g)."""


def columns_obstacle(spec: Bitline) -> str | None:
    """Why such a readout has no non-ideal columns, or None."""
    if spec.adc.kind == "none":
        return "non-ideal columns need an ADC; adc.kind = 'none' reads sums digitally"
    _, largest = partial_sum_limits(spec, spec.active_wordlines)
    if largest > LARGEST_SUM:
        return (
            f"non-ideal columns with partial sums of up to {largest}, beyond {LARGEST_SUM}; lower "
            f"precision.input_slice_bits, precision.cell_bits or array.active_wordlines"
        )
    ends = converter_range(spec.adc, is_paired(spec))
    if max(map(abs, ends)) > _LARGEST_SCALE:
        return (
            f"non-ideal columns with a converter from {ends[0]} to {ends[1]} cells; up to "
            f"{_LARGEST_SCALE} are emulated, so lower adc.bits, adc.step or adc.offset"
        )
    return None


def converter_range(adc: Adc, signed: bool) -> tuple[int, int]:
    """The partial sums in the middle of the lowest and of the highest code, rounded inwards."""
    low, high = adc.code_limits(signed)
    return ceil(adc.offset + adc.step * low), floor(adc.offset + adc.step * high)


def fine_transfer(spec: Bitline) -> tuple[Adc, Transfer]:
    """The ADC on V instead of S: the same rule with 256 times the step and offset; its table."""
    adc = replace(spec.adc, step=spec.adc.step * CELL, offset=spec.adc.offset * CELL)
    return adc, transfer(adc, is_paired(spec), -_LARGEST_V, _LARGEST_V)


def grouped(columns: Columns, geometry: Geometry) -> Columns:
    """The arrays by column as (t, j, g, n/g), the rest as it is."""
    cut = {
        name: rearrange(getattr(columns, name), "t j (g n) -> t j g n", g=geometry.groups)
        for name in PER_COLUMN
        if getattr(columns, name) is not None
    }
    return columns._replace(**cut)


def systematic_sums(sums: jax.Array, j: int, group: Group, spec: Bitline) -> jax.Array:
    """V without noise, int32 of the shape (p, g, n) of the partial sums of conversion j."""
    effective = sums * CELL
    if group.gain is not None:
        effective = effective + ((sums * group.gain[j][None] + 128) >> 8)
    if group.offset is not None:
        effective = effective + group.offset[j][None]
    if group.bow is not None:
        bent = group.bow[j][None] * bow_shape(sums, spec)
        effective = effective + ((bent + _BOW_ONE // 2) >> _BOW_BITS)
    return effective


def bow_shape(sums: jax.Array, spec: Bitline) -> jax.Array:
    """The parabola of `bow` in 1/4096: 0 at the ends of the converter's range and beyond.

    With F the width of the range, r = max(0, bits of F - 12), U = floor(F / 2^r) and u the place
    of the sum in the range over 2^r, rounded down: floor(u (U - u) floor(2^32 / U^2) / 2^18).
    """
    low, high = converter_range(spec.adc, is_paired(spec))
    coarse = max(0, (high - low).bit_length() - _BOW_BITS)
    width = max(0, high - low) >> coarse
    if width < 2:
        return jnp.zeros_like(sums)
    place = (jnp.clip(sums, low, high) - low) >> coarse
    return (place * (width - place) * ((1 << 32) // width**2)) >> 18


def as_columns(params: dict[str, Any]) -> Columns | None:
    """The columns among a layer's arrays, or None; see `NAMES`."""
    found = {field: params[name] for field, name in NAMES.items() if name in params}
    return Columns(**found) if found else None


def without_columns(params: dict[str, Any]) -> dict[str, Any]:
    """A layer's arrays without its columns' errors: what an ideal readout has."""
    return {name: array for name, array in params.items() if name not in NAMES.values()}


NAMES = {
    "gain": "column_gain",
    "offset": "column_offset",
    "bow": "column_bow",
    "noise_sigma": "noise_sigma",
    "noise_variance": "noise_variance",
    "noise_root": "noise_root",
    "noise_key": "noise_key",
}
"""Fields of `Columns` as arrays of a layer in the image of a program."""
