"""Convolution on the array, with bias, requantisation, zero point and clamp."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pimjax.array.convolve import conversions_per_output, convolve
from pimjax.array.geometry import Padding, Pair, resolve
from pimjax.chip.stats import Stats
from pimjax.network.ops.base import Context, Result
from pimjax.network.requantize import requantize
from pimjax.numerics import saturating
from pimjax.numerics.codes import storage_dtype


@dataclass(frozen=True)
class Output:
    """What follows the accumulator: out = clamp(requant(v) + zero_point, low, high).

    ReLU is `low`, a cap is `high`. `rule` is a requantiser's name, its numbers are in the image.
    """

    rule: str
    zero_point: int
    low: int
    high: int

    def codes(self, value: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """Output codes (int32) of int32 accumulators with bias, (..., n)."""
        rescaled = requantize(value, self.rule, params)
        held = jnp.clip(rescaled, self.low - self.zero_point, self.high - self.zero_point)
        return held + self.zero_point


@dataclass(frozen=True)
class Conv:
    """A 2D convolution. Image: weights (kh, kw, c/g, n), bias (n,) int32, requantiser numbers.

    Inputs: the codes (b, h, w, c), and optionally a shortcut (b, h', w', n) that is added to the
    accumulator after `shortcut_shift` places to the left (it must fit 32 bits then). These sums
    saturate at 32 bits: SEMANTICS names no width for them. `pad_code` fills the padding: the
    activation's zero point.
    """

    output: Output
    stride: Pair = (1, 1)
    padding: Padding = "SAME"
    dilation: Pair = (1, 1)
    groups: int = 1
    pad_code: int = 0
    shortcut_shift: int = 0

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Output codes (b, h', w', n), accumulators before the bias, exact statistics."""
        x, w, spec = inputs[0], params["weights"], context.spec
        geometry = resolve(x.shape, w.shape, self.stride, self.padding, self.dilation, self.groups)
        if self.pad_code:
            (top, bottom), (left, right) = geometry.pad
            widths = ((0, 0), (top, bottom), (left, right), (0, 0))
            x = jnp.pad(x, widths, constant_values=self.pad_code)
            geometry = resolve(x.shape, w.shape, self.stride, "VALID", self.dilation, self.groups)
        x = x.astype(storage_dtype(*spec.act_range))
        counted = convolve(x, w, spec, geometry, context.engine)
        bias = jnp.broadcast_to(params["bias"][None, None, None], counted.y.shape)
        value = saturating.add(counted.y, bias)
        if len(inputs) > 1:
            value = saturating.add(value, inputs[1] << self.shortcut_shift)
        outputs_per_row = geometry.out[1] * geometry.out_channels
        per_row = outputs_per_row * conversions_per_output(spec, geometry.k)
        stats = Stats(counted.clipped_low, counted.clipped_high, per_row)
        return Result(self.output.codes(value, params), counted.y, stats)
