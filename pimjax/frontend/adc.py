"""Settings of each layer's ADC, chosen from the partial sums that calibration images cause.

The number of bits and the rounding stay the chip's; what is chosen is the step (LSB) and the
offset, in units of one active cell: the reference voltages of the converter.

*Assumption:* references can be set in eighths of a cell up to a step of 4, quarters up to 8,
halves beyond; offsets in whole cells. `Adc` takes any other rational.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from einops import rearrange

from pimjax.array.encoding import is_paired
from pimjax.array.partial_sums import Histogram, partial_sum_histogram
from pimjax.array.rows import weight_rows
from pimjax.array.spec import Adc, Bitline
from pimjax.chip.schema import Chip
from pimjax.frontend.bind import bind
from pimjax.frontend.model import Model
from pimjax.network.ops import Conv, Dense
from pimjax.network.program import Program
from pimjax.network.run import trace

IMAGES = 8
"""Calibration images whose partial sums are looked at."""

CONVERSIONS = 1 << 24
"""Conversions per layer that are looked at: evenly spread output pixels of those images."""

_OFFSETS = 17


@dataclass(frozen=True)
class AdcChoice:
    """Settings for one layer, and what they do to the conversions looked at.

    `clipped_share` of them lie beyond the codes; `rms_error` is the error of a conversion in cells,
    weighted by what it does to the accumulator.
    """

    adc: Adc
    clipped_share: float
    rms_error: float


def calibrate_adc(
    model: Model, chip: Chip, images: Any, criterion: str = "mse"
) -> dict[str, AdcChoice]:
    """Step and offset for each array layer of a quantised model.

    "mse": the least squared error of the conversions, weighted by their worth in the accumulator.
    "clip:SHARE": the smallest step that clips no more than that share, with offset 0. Without an
    ADC there is nothing to choose. Raises ValueError for another criterion.
    """
    limit = clip_limit(criterion)
    spec = chip.bitline()
    if spec.adc.kind == "none":
        return {}
    ideal = replace(chip, adc=replace(chip.adc, kind="none"))
    program = bind(model, ideal)
    images = np.asarray(images)[:IMAGES]
    codes = trace(program, images)
    tensor = program.plan.graph.inputs[0].tensor
    entering = images if tensor is None else tensor.codes_of(images)
    tensors = {program.plan.graph.inputs[0].name: entering}
    tensors |= {name: traced.codes for name, traced in codes.items()}
    choices = {}
    for layer in program.plan.graph.layers:
        if isinstance(layer.op, Conv | Dense):
            histogram = _layer_histogram(program, layer.name, tensors[layer.inputs[0]], spec)
            choices[layer.name] = choose_adc(histogram, spec, limit)
    return choices


def clip_limit(criterion: str) -> float | None:
    """The share of "clip:SHARE", None for "mse". Raises ValueError."""
    if criterion == "mse":
        return None
    kind, _, share = criterion.partition(":")
    try:
        limit = float(share)
    except ValueError:
        limit = -1.0
    if kind != "clip" or not 0 <= limit < 1:
        raise ValueError(f"adc: {criterion!r} given; 'chip', 'mse' or 'clip:0.001' expected")
    return limit


def choose_adc(histogram: Histogram, spec: Bitline, limit: float | None) -> AdcChoice:
    """The step and offset that suit these partial sums best: by squared error, or by clipping."""
    signed = is_paired(spec)
    low, high = spec.adc.code_limits(signed)
    largest = max(abs(histogram.low), histogram.low + len(histogram.counts) - 1)
    offsets = [0] if signed or limit is not None else _offset_grid(largest)
    best: AdcChoice | None = None
    for step in step_grid(largest / max(1, high)):
        for offset in offsets:
            adc = replace(spec.adc, step=step, offset=Fraction(offset))
            choice = _judged(histogram, adc, low, high)
            if limit is not None:
                if choice.clipped_share <= limit:
                    return choice
            elif best is None or choice.rms_error < best.rms_error:
                best = choice
    # The last step of the grid clips nothing, so a limit has been met by now.
    assert best is not None
    return best


def step_grid(largest: float) -> list[Fraction]:
    """Steps from 1 to the first that is at least `largest`."""
    steps = [Fraction(1)]
    while steps[-1] < largest:
        last = steps[-1]
        steps.append(last + (Fraction(1, 8) if last < 4 else Fraction(1, 4 if last < 8 else 2)))
    return steps


def _offset_grid(largest: int) -> list[int]:
    return sorted({round(x) for x in np.linspace(0, largest / 2, _OFFSETS)})


def _judged(histogram: Histogram, adc: Adc, low: int, high: int) -> AdcChoice:
    sums = histogram.sums
    exact = (sums - float(adc.offset)) / float(adc.step)
    match adc.rounding:
        case "half_even":
            rounded = np.rint(exact)
        case "half_up":
            rounded = np.floor(exact + 0.5)
        case _:
            rounded = np.floor(exact)
    values = np.clip(rounded, low, high) * float(adc.step) + float(adc.offset)
    clipped = histogram.counts[(rounded < low) | (rounded > high)].sum()
    squared = float(np.sum(histogram.worth * (values - sums) ** 2))
    total = float(histogram.worth.sum()) or 1.0
    share = float(clipped) / max(1, int(histogram.counts.sum()))
    return AdcChoice(adc, share, float(np.sqrt(squared / total)))


def _layer_histogram(program: Program, name: str, codes: np.ndarray, spec: Bitline) -> Histogram:
    layer = next(layer for layer in program.plan.graph.layers if layer.name == name)
    weights = np.asarray(program.image[name]["weights"]).astype(np.int32)
    op = layer.op
    if isinstance(op, Dense):
        op, weights = op.as_conv, weights[None, None]
        codes = codes.reshape(codes.shape[0], -1, 1, codes.shape[-1])
    assert isinstance(op, Conv)
    x = codes.astype(np.int32) + op.in_shift
    geometry = op.geometry(x.shape, weights.shape)
    x = np.pad(x, ((0, 0), *geometry.pad, (0, 0)), constant_values=op.pad_code)
    outputs = len(x) * geometry.out[0] * geometry.out[1]
    per_output = geometry.out_channels * spec.row_groups(geometry.k) * spec.act_bits
    wanted = int(np.clip(CONVERSIONS // (per_output * spec.weight_bits), 8, outputs))
    pixels = np.linspace(0, outputs - 1, wanted).astype(np.int64)
    image, top, left = np.unravel_index(pixels, (len(x), *geometry.out))
    kh, kw = geometry.kernel
    rows = (top * geometry.stride[0])[:, None, None]
    rows = rows + (np.arange(kh) * geometry.dilation[0])[None, :, None]
    columns = (left * geometry.stride[1])[:, None, None]
    columns = columns + (np.arange(kw) * geometry.dilation[1])[None, None, :]
    windows = x[image[:, None, None], rows, columns]
    pattern = "p kh kw (g c) -> p g (kh kw c)"
    if spec.row_order == "channel_kernel":
        pattern = "p kh kw (g c) -> p g (c kh kw)"
    patches = rearrange(windows, pattern, g=geometry.groups)
    return partial_sum_histogram(patches, weight_rows(weights, geometry, spec.row_order), spec)
