"""Post-training quantisation of one array layer: scales, codes, bias, requantiser.

A real number r is held as a code c with r = scale (c - zero_point). Weights are symmetric (zero
point 0) with one scale per output channel; activations after a ReLU are unsigned with zero point 0.
An accumulator unit is worth in_scale * weight_scale * adc.step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import jax.numpy as jnp
import numpy as np

from pimjax.network.graph import Params
from pimjax.network.ops import Output
from pimjax.network.requantize import multiplier_and_exponent


@dataclass(frozen=True)
class ArrayLayer:
    """A quantised convolution or dense layer: its arrays, and what follows its accumulator."""

    params: Params
    output: Output


def weight_codes(kernel: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (like `kernel`, (..., n)) and scales (n,): the largest |w| of a channel is the end.

    Rounded half to even; an all-zero channel gets scale 1. The most negative code is not used.
    """
    largest = (1 << (bits - 1)) - 1
    reach = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0)
    scales = np.where(reach > 0, reach / largest, 1.0)
    codes = np.clip(np.rint(kernel / scales), -largest, largest).astype(np.int32)
    return codes, scales


def quantize_layer(
    kernel: np.ndarray,
    bias: np.ndarray,
    in_scale: float,
    out_scale: float,
    weight_bits: int,
    adc_step: Fraction,
    out_range: tuple[int, int],
) -> ArrayLayer:
    """A float layer, kernel (..., n) and bias (n,), with the fixed-point requantiser.

    A bias beyond 2^30 accumulator units is refused (ValueError): the scales do not suit the layer.
    """
    codes, scales = weight_codes(kernel.astype(np.float64), weight_bits)
    unit = in_scale * scales * float(adc_step)
    bias_codes = np.rint(bias.astype(np.float64) / unit)
    if np.abs(bias_codes).max() > 1 << 30:
        raise ValueError(f"bias: up to {np.abs(bias_codes).max():.0f} accumulator units, over 2^30")
    numbers = [multiplier_and_exponent(float(factor)) for factor in unit / out_scale]
    params = {
        "weights": jnp.asarray(codes.astype(np.int8 if weight_bits <= 8 else np.int16)),
        "bias": jnp.asarray(bias_codes.astype(np.int32)),
        "multiplier": jnp.asarray(np.array([m for m, _ in numbers], np.int32)),
        "exponent": jnp.asarray(np.array([e for _, e in numbers], np.int32)),
    }
    return ArrayLayer(params, Output("fixed_point", 0, *out_range))
