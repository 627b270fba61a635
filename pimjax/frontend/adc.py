"""Settings of each layer's ADC, chosen from the partial sums that calibration images cause.

The number of bits and the rounding stay the chip's; what is chosen is the step (LSB) and the
offset, in units of one active cell: the reference voltages of the converter.

*Assumption:* references can be set in eighths of a cell up to a step of 4, in quarters up to 8, in
halves up to 16 and so on, sixteen steps an octave; offsets in whole cells. `Adc` takes any other
rational.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from pimjax.network.run import only_input, require_images, trace

IMAGES = 8
"""Calibration images whose partial sums are looked at, evenly spread."""

CONVERSIONS = 1 << 22
"""Conversions per layer that are looked at: evenly spread output pixels of those images."""

_OFFSETS = 17


@dataclass(frozen=True)
class AdcChoice:
    """Settings for one layer, and what they do to the conversions looked at.

    `clipped_share` of them lie beyond the codes. `rms_error` is the root of the mean squared error
    of the accumulators they add up to, in cells.
    """

    adc: Adc
    clipped_share: float
    rms_error: float


def calibrate_adc(
    model: Model, chip: Chip, images: Any, criterion: str = "mse"
) -> dict[str, AdcChoice]:
    """Step and offset for each array layer of a quantised model.

    "mse": the least squared error of the accumulators, never more than with the chip's own
    settings. "clip:SHARE": the smallest step that clips no more than that share, with offset 0.
    Without an ADC there is nothing to choose.

    Raises ValueError for another criterion, for a share that no step meets, and for images that the
    network cannot take or that are all zero.
    """
    limit = clip_limit(criterion)
    spec = chip.bitline()
    if spec.adc.kind == "none":
        return {}
    # Without an ADC sums are larger: the chip's accumulator need not hold them.
    wide = replace(chip.precision, accumulator_bits=32, accumulator_overflow="saturate")
    ideal = chip.with_ideal_columns()
    ideal = replace(ideal, adc=replace(ideal.adc, kind="none"), precision=wide)
    program = bind(model, ideal)
    images = _some(require_images(images, only_input(program.plan.graph)))
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


def _some(images: np.ndarray) -> np.ndarray:
    chosen = np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(int)
    some = np.concatenate([images[slice(i, i + 1)] for i in chosen])
    if not some.any():
        raise ValueError("calibration: all images are zero; give typical images of the task")
    return some


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
    """The step and offset that suit these partial sums best: by squared error, or by clipping.

    Raises ValueError where no step clips as little as `limit`.
    """
    seen = _Seen(histogram)
    judged = (
        seen.judged(replace(spec.adc, step=step, offset=offset), is_paired(spec))
        for step, offset in _settings(histogram, spec, limit)
    )
    if limit is None:
        return min(judged, key=lambda choice: choice.rms_error)
    for choice in judged:
        if choice.clipped_share <= limit:
            return choice
    raise ValueError(f"adc: no step of {spec.adc.bits} bits clips a share of {limit} or less")


def _settings(
    histogram: Histogram, spec: Bitline, limit: float | None
) -> Iterator[tuple[Fraction, Fraction]]:
    """Steps and offsets to try: of equally good ones the first is taken."""
    signed = is_paired(spec)
    largest = max(abs(histogram.low), histogram.low + len(histogram.counts) - 1)
    high = spec.adc.code_limits(signed)[1]
    # With no code above 0 a sum has to stay below half a step.
    steps = step_grid(Fraction(largest, high) if high else Fraction(2 * largest + 1))
    if limit is not None:
        yield from ((step, Fraction(0)) for step in steps)
        return
    yield spec.adc.step, spec.adc.offset
    for step in steps:
        for offset in [0] if signed else _offset_grid(largest):
            yield step, Fraction(offset)


def step_grid(largest: Fraction) -> list[Fraction]:
    """Steps from 1 to the first that is at least `largest`, from which on nothing is clipped."""
    steps, spacing = [Fraction(1)], Fraction(1, 8)
    while steps[-1] < largest:
        if steps[-1] >= 32 * spacing:
            spacing *= 2
        steps.append(steps[-1] + spacing)
    return steps


def _offset_grid(largest: int) -> list[int]:
    return sorted({round(x) for x in np.linspace(0, largest / 2, _OFFSETS)})


class _Seen:
    """The partial sums that occurred, and where the sample has which of them."""

    def __init__(self, histogram: Histogram) -> None:
        present = np.flatnonzero(histogram.counts)
        self.sums, self.counts = histogram.sums[present], histogram.counts[present]
        self.places = np.searchsorted(self.sums, histogram.sample)
        self.weights = histogram.weights

    def judged(self, adc: Adc, signed: bool) -> AdcChoice:
        """What these settings do."""
        low, high = adc.code_limits(signed)
        # One division of integers, so that ties are ties.
        shifted = self.sums * adc.offset.denominator - adc.offset.numerator
        exact = shifted * adc.step.denominator / (adc.step.numerator * adc.offset.denominator)
        match adc.rounding:
            case "half_even":
                rounded = np.rint(exact)
            case "half_up":
                rounded = np.floor(exact + 0.5)
            case _:
                rounded = np.floor(exact)
        clipped = self.counts[(rounded < low) | (rounded > high)].sum()
        share = float(clipped) / max(1, int(self.counts.sum()))
        values = np.clip(rounded, low, high) * float(adc.step) + float(adc.offset)
        errors = (values - self.sums)[self.places] @ self.weights
        return AdcChoice(adc, share, float(np.sqrt(np.mean(errors**2))) if errors.size else 0.0)


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
