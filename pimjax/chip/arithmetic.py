"""matmul and conv2d on a chip: the checks at the border, the engine, the statistics."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from pimjax.array import engines as engine_table
from pimjax.array.bounds import Bound, bound_by_shape, bound_by_weights
from pimjax.array.convolve import conversions_per_output, convolve
from pimjax.array.engines.base import INT32_MAX
from pimjax.array.geometry import Geometry, Padding, resolve
from pimjax.array.rows import weight_rows
from pimjax.array.spec import Bitline
from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats
from pimjax.numerics.codes import is_traced, require_codes, require_integers, require_rank

LARGEST_K = 1 << 19
"""Longest dot product: a sum of that many 12-bit codes fits 31 bits."""

_NON_IDEAL = ("gain_sigma", "offset_sigma_lsb", "inl_lsb", "noise_sigma_lsb")


def engines(chip: Chip) -> tuple[str, ...]:
    """Names of the engines that can run this chip, fastest first."""
    return () if _unsupported(chip) else engine_table.names(chip.bitline())


def matmul(x: Any, w: Any, chip: Chip, engine: str = "auto") -> tuple[jax.Array, Stats]:
    """x w as the array computes it: (y (b, n) int32 in ADC-code units, Stats).

    x (b, k) activation codes and w (k, n) weight codes of any integer dtype, in the ranges of
    `chip.precision`. *Source of the arithmetic:* SEMANTICS sections 1 to 5.

    Raises TypeError for a dtype that is no integer, ValueError for codes out of range, shapes that
    do not match, an accumulator that could overflow, or an engine that cannot run the chip.
    """
    x, w = require_integers("x", x), require_integers("w", w)
    require_rank("x", x, "b k")
    require_rank("w", w, "k n")
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"k differs: x has k = {x.shape[1]}, w has k = {w.shape[0]}")
    image, kernel = x[:, None, None, :], w[None, None, :, :]
    geometry = resolve(image.shape, kernel.shape, 1, "VALID", 1, 1)
    y, stats = _run(image, kernel, chip, geometry, engine)
    return y[:, 0, 0, :], stats


def conv2d(
    x: Any,
    w: Any,
    chip: Chip,
    stride: Any = 1,
    padding: Padding = "SAME",
    dilation: Any = 1,
    groups: int = 1,
    engine: str = "auto",
) -> tuple[jax.Array, Stats]:
    """A 2D convolution as the array computes it: (y (b, h', w', n) int32, Stats).

    x (b, h, w, c) activation codes, w (kh, kw, c/groups, n) weight codes. `stride`, `dilation`: an
    int or a pair; `padding`: "SAME", "VALID" or ((top, bottom), (left, right)), filled with code 0.
    Output channel o belongs to group o // (n/groups). Depthwise: groups = c.

    Raises as `matmul` does.
    """
    x, w = require_integers("x", x), require_integers("w", w)
    require_rank("x", x, "b h w c")
    require_rank("w", w, "kh kw c/groups n")
    geometry = resolve(x.shape, w.shape, stride, padding, dilation, groups)
    return _run(x, w, chip, geometry, engine)


def _run(x: Any, w: Any, chip: Chip, geometry: Geometry, engine: str) -> tuple[jax.Array, Stats]:
    if not isinstance(chip, Chip):
        raise TypeError(f"chip: {type(chip).__name__} given; pass what pj.load_chip returns")
    reason = _unsupported(chip)
    if reason is not None:
        raise ValueError(f"no engine can run this chip: {reason}")
    spec = chip.bitline()
    chosen = engine_table.select(engine, spec)
    x = require_codes("x", x, *spec.act_range)
    w = require_codes("w", w, *spec.weight_range, step=spec.weight_step)
    require_fitting(spec, geometry, w)
    counted = convolve(x, w, spec, geometry, chosen)
    per_row = geometry.out[1] * geometry.out_channels * conversions_per_output(spec, geometry.k)
    return counted.y, Stats(counted.clipped_low, counted.clipped_high, per_row)


def require_fitting(spec: Bitline, geometry: Geometry, w: Any, name: str = "") -> None:
    """Refuses a layer whose sums or counts could pass their registers.

    The weights `w` (kh, kw, c/g, n), where known, are looked at only if the shape alone does not
    settle it. `name` begins the message. Raises ValueError.
    """
    where = f"{name}: " if name else ""
    if geometry.k > LARGEST_K:
        raise ValueError(f"{where}k = {geometry.k}: dot products of up to {LARGEST_K} inputs")
    per_row = geometry.out[1] * geometry.out_channels * conversions_per_output(spec, geometry.k)
    if per_row > INT32_MAX:
        raise ValueError(
            f"{where}{per_row} conversions behind one output row; at most {INT32_MAX} can be "
            f"counted, so cut the layer into fewer output channels"
        )
    if spec.accumulator_overflow != "error":
        return
    bound = bound_by_shape(spec, geometry.k)
    if bound.bits > spec.accumulator_bits and not is_traced(w):
        bound = _bound_of_groups(spec, geometry, w)
    if bound.bits > spec.accumulator_bits:
        raise ValueError(
            f"{where}precision.accumulator_bits = {spec.accumulator_bits}: with k = {geometry.k} "
            f"a running sum can lie in {bound.low}..{bound.high}, which needs {bound.bits} bits; "
            f"widen the accumulator (at most 32) or set precision.accumulator_overflow to 'wrap' "
            f"or 'saturate'"
        )


def _bound_of_groups(spec: Bitline, geometry: Geometry, w: Any) -> Bound:
    rows = np.asarray(weight_rows(w, geometry, spec.row_order))
    return bound_by_weights(spec, rows.reshape(rows.shape[0], -1))


def _unsupported(chip: Chip) -> str | None:
    if chip.array.readout != "bitline":
        return f"array.readout = {chip.array.readout!r}; matmul and conv2d emulate 'bitline'"
    for name in _NON_IDEAL:
        value = getattr(chip.adc, name)
        if value != 0:
            return f"adc.{name} = {value}: non-ideal columns are not emulated yet; set it to 0"
    return None
