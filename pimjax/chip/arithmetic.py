"""matmul and conv2d on a chip: the checks at the border, the engine, the statistics."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from pimjax.array import engines as engine_table
from pimjax.array.bounds import Bound, bound_by_codes, bound_by_shape, bound_by_weights
from pimjax.array.convolve import conversions_per_output, convolve
from pimjax.array.digital import digital_term_exact
from pimjax.array.engines.base import INT32_MAX, Engine
from pimjax.array.geometry import Geometry, Padding, resolve
from pimjax.array.rows import weight_rows
from pimjax.array.spec import Bitline
from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats
from pimjax.numerics.codes import is_traced, require_codes, require_integers, require_rank

LARGEST_K = 1 << 19
"""Longest dot product: a sum of that many 12-bit codes fits 31 bits."""

LARGEST_DIGITAL_TERM = 1 << 62


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
    spec, chosen = _readout(chip, engine)
    geometry = resolve((x.shape[0], 1, 1, x.shape[1]), (1, 1, *w.shape), 1, "VALID", 1, 1)
    x_codes, w_codes = _codes(x, w, spec)
    require_fitting(spec, geometry, w if is_traced(w) else np.asarray(w)[None, None])
    image, kernel = x_codes[:, None, None, :], w_codes[None, None, :, :]
    y, stats = _run(image, kernel, spec, geometry, chosen)
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
    spec, chosen = _readout(chip, engine)
    geometry = resolve(x.shape, w.shape, stride, padding, dilation, groups)
    x_codes, w_codes = _codes(x, w, spec)
    require_fitting(spec, geometry, w)
    return _run(x_codes, w_codes, spec, geometry, chosen)


def _readout(chip: Chip, engine: str) -> tuple[Bitline, Engine]:
    if not isinstance(chip, Chip):
        raise TypeError(f"chip: {type(chip).__name__} given; pass what pj.load_chip returns")
    require_supported(chip)
    spec = chip.bitline()
    return spec, engine_table.select(engine, spec)


def require_supported(chip: Chip) -> None:
    """Refuses a chip that no engine emulates. Raises ValueError with the reason."""
    reason = _unsupported(chip)
    if reason is not None:
        raise ValueError(f"no engine can run this chip: {reason}")


def _codes(x: Any, w: Any, spec: Bitline) -> tuple[jax.Array, jax.Array]:
    x_codes = require_codes("x", x, *spec.act_range)
    return x_codes, require_codes("w", w, *spec.weight_range, step=spec.weight_step)


def _run(
    x: jax.Array, w: jax.Array, spec: Bitline, geometry: Geometry, engine: Engine
) -> tuple[jax.Array, Stats]:
    counted = convolve(x, w, spec, geometry, engine)
    per_row = geometry.out[1] * geometry.out_channels * conversions_per_output(spec, geometry.k)
    return counted.y, Stats(counted.clipped_low, counted.clipped_high, per_row)


def require_fitting(
    spec: Bitline, geometry: Geometry, w: Any, name: str = "", ideal: bool = True
) -> None:
    """Refuses a layer whose sums or counts could pass their registers.

    The weights `w` (kh, kw, c/g, n), where known and not None, are looked at only if the shape
    alone does not settle it. Unless columns are `ideal`, any conversion can give any code. `name`
    begins the message. Raises ValueError.
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
    ends = [
        digital_term_exact(spec, spec.row_groups(geometry.k), geometry.k * x)
        for x in spec.act_range
    ]
    if max(map(abs, ends)) >= LARGEST_DIGITAL_TERM:
        raise ValueError(
            f"{where}adc.offset = {spec.adc.offset}, adc.step = {spec.adc.step}: the digital term "
            f"reaches {max(ends, key=abs)}, beyond 62 bits; enlarge the step"
        )
    if spec.accumulator_overflow != "error":
        return
    bound = bound_by_shape(spec, geometry.k) if ideal else bound_by_codes(spec, geometry.k)
    known = ideal and w is not None and not is_traced(w)
    if bound.bits > spec.accumulator_bits and known:
        bound = _bound_of_groups(spec, geometry, w)
    if bound.bits > spec.accumulator_bits:
        raise ValueError(
            f"{where}precision.accumulator_bits = {spec.accumulator_bits}: with k = {geometry.k} "
            f"a running sum can lie in {bound.low}..{bound.high}, which needs {bound.bits} bits; "
            f"widen the accumulator (at most 32) or set precision.accumulator_overflow to 'wrap' "
            f"or 'saturate'"
        )


def _bound_of_groups(spec: Bitline, geometry: Geometry, w: Any) -> Bound:
    # In NumPy throughout: under a trace even known JAX arrays would be traced.
    rows = weight_rows(np.asarray(w), geometry, spec.row_order)
    with jax.ensure_compile_time_eval():
        return bound_by_weights(spec, rows.reshape(rows.shape[0], -1))


def _unsupported(chip: Chip) -> str | None:
    for name, value in chip.column_errors:
        if value != 0:
            return (
                f"{name} = {value}: columns with errors belong to a die; compile a network and "
                f"run what pj.inject(program, [], die) returns, or set it to 0"
            )
    return None
