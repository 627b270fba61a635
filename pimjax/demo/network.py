"""vgg-digits as a model: its graph over the exported weights, and its 8-bit form on a chip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pimjax.chip.schema import Chip
from pimjax.frontend.compile import compile
from pimjax.frontend.model import Model
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Flatten, FloatConv, FloatDense, MaxPool, Op, Unary
from pimjax.network.program import Program

ARRAY_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "dense1", "dense2")


def digits_model(weights: Mapping[str, np.ndarray]) -> Model:
    """The float network on images (28, 28, 1), pixels / 255. A layer's tensor is after its ReLU."""
    layers: list[Layer] = []
    params = {}
    tensor = "input"

    def append(name: str, op: Op) -> None:
        nonlocal tensor
        layers.append(Layer(name, op, (tensor,)))
        tensor = name

    for name in ARRAY_LAYERS:
        last = name == ARRAY_LAYERS[-1]
        linear = name if last else f"{name}/linear"
        params[linear] = {"kernel": weights[f"{name}/kernel"], "bias": weights[f"{name}/bias"]}
        if name == "dense1":
            append("flatten", Flatten())
        append(linear, FloatConv() if name.startswith("conv") else FloatDense())
        if not last:
            append(name, Unary("relu"))
        if name in ("conv2", "conv4", "conv6"):
            append(f"pool{int(name[-1]) // 2}", MaxPool((2, 2), (2, 2)))
    graph = Graph((Input("input", (28, 28, 1)),), tuple(layers), (tensor,))
    return Model(graph, params, "vgg-digits")


def quantize_digits(
    weights: Mapping[str, np.ndarray], calibration: np.ndarray, chip: Chip
) -> Program:
    """The network on the chip, ranges from `calibration`, float32 (N, 28, 28, 1), pixels / 255.

    Activations end at the largest value seen, so that pixels are exact.
    """
    return compile(digits_model(weights), chip, calibration, ranges="minmax")
