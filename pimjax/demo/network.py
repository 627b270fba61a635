"""vgg-digits on a chip: its plan, and the image of its 8-bit weights."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from pimjax.chip.schema import Chip
from pimjax.demo.float_reference import layer_outputs
from pimjax.frontend.quantize import quantize_layer
from pimjax.network.graph import Graph, Image, Input, Layer
from pimjax.network.ops import Conv, Dense, Flatten, MaxPool, Op
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec

ARRAY_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "dense1", "dense2")
LOGIT_BITS = 16


def quantize_digits(
    weights: Mapping[str, np.ndarray], calibration: np.ndarray, chip: Chip
) -> Program:
    """The float network quantised for the chip's precision, ranges from calibration images.

    calibration: float32 (N, 28, 28, 1), pixels / 255. Activations end at the largest value seen;
    pixels are exact. Logits leave in 16 bits, so that rounding settles no decision.
    """
    spec = chip.bitline()
    low, high = spec.act_range
    arrays: dict[str, jax.Array] = {name: jax.numpy.asarray(a) for name, a in weights.items()}
    seen = layer_outputs(arrays, jax.numpy.asarray(calibration))
    largest_logit = (1 << (LOGIT_BITS - 1)) - 1
    input_spec = TensorSpec(1.0 / high, 0, low, high)
    layers: list[Layer] = []
    image: Image = {}
    scale, tensor = input_spec.scale, "input"

    def append(name: str, op: Op, spec: TensorSpec | None = None) -> None:
        nonlocal tensor
        layers.append(Layer(name, op, (tensor,), spec))
        tensor = name

    for name in ARRAY_LAYERS:
        reach = float(np.abs(np.asarray(seen[name])).max())
        last = name == ARRAY_LAYERS[-1]
        out_scale = 1.25 * reach / largest_logit if last else reach / high
        out_range = (-largest_logit - 1, largest_logit) if last else (low, high)
        quantized = quantize_layer(
            weights[f"{name}/kernel"],
            weights[f"{name}/bias"],
            scale,
            out_scale,
            spec.weight_bits,
            spec.adc.effective_step,
            out_range,
        )
        image[name] = quantized.params
        if name == "dense1":
            append("flatten", Flatten())
        is_conv = name.startswith("conv")
        out_spec = TensorSpec(out_scale, 0, *out_range)
        append(name, Conv(quantized.output) if is_conv else Dense(quantized.output), out_spec)
        if name in ("conv2", "conv4", "conv6"):
            append(f"pool{int(name[-1]) // 2}", MaxPool((2, 2), (2, 2)))
        scale = out_scale
    graph = Graph((Input("input", (28, 28, 1), input_spec),), tuple(layers), (tensor,))
    return Program(Plan(spec, graph), image, chip)
