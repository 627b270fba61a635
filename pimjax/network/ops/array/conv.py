"""Convolution on the array, with bias, requantisation, zero point and clamp."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import jax
import jax.numpy as jnp
from einops import rearrange

from pimjax.array.columns import as_columns
from pimjax.array.convolve import conversions_per_output, convolve
from pimjax.array.digital import input_term
from pimjax.array.geometry import Geometry, Padding, Pair, resolve
from pimjax.array.rows import input_sums
from pimjax.array.spec import Adc, Bitline
from pimjax.chip.stats import Stats
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output
from pimjax.numerics import saturating
from pimjax.numerics.codes import storage_dtype


@dataclass(frozen=True)
class Conv:
    """A 2D convolution. Image: weights (kh, kw, c/g, n), bias (n,) int32, requantiser numbers.

    Optional in the image, of the shape of the weights: "weights_common", unsigned, what faults
    left in the cells of both sides of differential pairs beside the weight codes; and the errors
    of non-ideal columns under the names of `pimjax.array.columns.NAMES`.

    Inputs: the codes (b, h, w, c), and optionally a shortcut (b, h', w', n) that is added to the
    accumulator after `shortcut_shift` places to the left (it must fit 32 bits then). These sums
    saturate at 32 bits: SEMANTICS names no width for them.

    `in_shift` turns the tensor's codes into the array's (int8 codes into unsigned ones: 128);
    `pad_code` is the array code that fills the padding: the shifted zero point. `adc` are the
    layer's own converter settings, where they were calibrated. With `weight_shift` the image holds
    "weight_shift" (n,) int32: the weight meant is the stored code plus it; the sum of the inputs
    times it is added digitally, exactly (in units of the ADC step, rounded half to even).
    """

    place: ClassVar[Place] = "array"

    output: Output
    stride: Pair = (1, 1)
    padding: Padding = "SAME"
    dilation: Pair = (1, 1)
    groups: int = 1
    in_shift: int = 0
    pad_code: int = 0
    shortcut_shift: int = 0
    weight_shift: bool = False
    adc: Adc | None = None

    def geometry(self, x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> Geometry:
        """The convolution's shape for x (b, h, w, c) and weights (kh, kw, c/g, n)."""
        return resolve(x_shape, w_shape, self.stride, self.padding, self.dilation, self.groups)

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Output codes (b, h', w', n), accumulators before the bias, exact statistics."""
        columns = as_columns(params)
        spec, engine = context.readout(self.adc, columns is not None)
        w = params["weights"]
        x, geometry = self.array_codes(inputs[0], w.shape)
        x = x.astype(storage_dtype(*spec.act_range))
        common, images = params.get("weights_common"), context.images
        images = images if columns is not None and columns.noisy else None
        counted = convolve(x, w, spec, geometry, engine, common, columns, images)
        bias = jnp.broadcast_to(params["bias"][None, None, None], counted.y.shape)
        value = saturating.add(counted.y, bias)
        if self.weight_shift:
            value = saturating.add(value, self._input_term(x, params, spec, geometry))
        if len(inputs) > 1:
            value = saturating.add(value, inputs[1] << self.shortcut_shift)
        outputs_per_row = geometry.out[1] * geometry.out_channels
        per_row = outputs_per_row * conversions_per_output(spec, geometry.k)
        stats = Stats(counted.clipped_low, counted.clipped_high, per_row)
        return Result(self.output.codes(value, params), counted.y, stats)

    def array_codes(self, x: jax.Array, w_shape: tuple[int, ...]) -> tuple[jax.Array, Geometry]:
        """The codes as the array is driven with them, and the geometry that is left to do.

        Padding with another code than 0 is done here.
        """
        x = x + self.in_shift if self.in_shift else x
        geometry = self.geometry(x.shape, w_shape)
        if self.pad_code:
            (top, bottom), (left, right) = geometry.pad
            widths = ((0, 0), (top, bottom), (left, right), (0, 0))
            x = jnp.pad(x, widths, constant_values=self.pad_code)
            geometry = resolve(x.shape, w_shape, self.stride, "VALID", self.dilation, self.groups)
        return x, geometry

    def _input_term(
        self, x: jax.Array, params: dict[str, jax.Array], spec: Bitline, geometry: Geometry
    ) -> jax.Array:
        (top, bottom), (left, right) = geometry.pad
        padded = jnp.pad(x.astype(jnp.int32), ((0, 0), (top, bottom), (left, right), (0, 0)))
        sums = input_sums(padded, geometry)[..., None]
        shifts = rearrange(params["weight_shift"], "(g n) -> 1 1 1 g n", g=geometry.groups)
        step = spec.adc.effective_step if spec.adc.kind == "uniform" else Fraction(1)
        term = input_term(sums, shifts, step)
        return rearrange(term, "b h w g n -> b h w (g n)")
