"""Cross-layer equalisation: channels of one tensor brought to similar ranges, function unchanged.

A ReLU lets positive factors through, so channel c between two linear layers may be divided by s_c
and the weights that read it multiplied by s_c. With one scale per tensor for activations and one
per output channel for weights, that spends codes where they are needed.

*Source:* Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction
(2019), section 4.1: s_c = sqrt(r1_c / r2_c), the geometric mean of both ranges.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pimjax.frontend.model import Model
from pimjax.network.graph import Image, Layer
from pimjax.network.ops import FloatConv, FloatDense, MaxPool, Op, Unary

_LARGEST = 1e3
"""Factors are held to 1 / this .. this; a dead channel would ask for any."""


def equalize(model: Model, rounds: int = 3) -> Model:
    """The folded float model with equalised pairs of layers.

    Pairs: a convolution or dense layer, then ReLU or max pooling at most, then another one that is
    alone in reading it. A cap such as ReLU6 is not homogeneous; such pairs stay as they are.
    """
    params: Image = {name: dict(arrays) for name, arrays in model.params.items()}
    pairs = list(_pairs(model))
    for _ in range(rounds):
        for first, second in pairs:
            _equalize_pair(params, first, second)
    return replace(model, params=params)


def _pairs(model: Model) -> list[tuple[Layer, Layer]]:
    readers = model.graph.consumers()
    found = []
    for first in model.graph.layers:
        if not isinstance(first.op, FloatConv | FloatDense):
            continue
        layer = first
        while layer.name not in model.graph.outputs and len(readers[layer.name]) == 1:
            layer = readers[layer.name][0]
            if isinstance(layer.op, FloatConv | FloatDense):
                found.append((first, layer))
            if not _is_homogeneous(layer.op):
                break
    return found


def _is_homogeneous(op: Op) -> bool:
    return isinstance(op, MaxPool) or (isinstance(op, Unary) and op.function == "relu")


def _equalize_pair(params: Image, first: Layer, second: Layer) -> None:
    kernel1, bias1 = (np.asarray(params[first.name][key], np.float64) for key in ("kernel", "bias"))
    kernel2 = np.asarray(params[second.name]["kernel"], np.float64)
    by_input = _by_input_channel(kernel2, second.op)
    range1 = np.abs(kernel1).reshape(-1, kernel1.shape[-1]).max(axis=0)
    range2 = np.abs(by_input).max(axis=1)
    if len(range1) != len(range2):
        return
    usable = (range1 > 0) & (range2 > 0)
    ratio = np.divide(range1, range2, out=np.ones_like(range1), where=usable)
    factors = np.clip(np.sqrt(ratio), 1 / _LARGEST, _LARGEST)
    params[first.name] |= {
        "kernel": (kernel1 / factors).astype(np.float32),
        "bias": (bias1 / factors).astype(np.float32),
    }
    params[second.name]["kernel"] = _times_inputs(kernel2, factors, second.op)


def _groups(op: Op) -> int:
    return op.groups if isinstance(op, FloatConv) else 1


def _by_input_channel(kernel: np.ndarray, op: Op) -> np.ndarray:
    """The weights that read each input channel, (channels, any)."""
    groups = _groups(op)
    per_group, outputs = kernel.shape[-2:]
    split = kernel.reshape(-1, per_group, groups, outputs // groups)
    return split.transpose(2, 1, 0, 3).reshape(groups * per_group, -1)


def _times_inputs(kernel: np.ndarray, factors: np.ndarray, op: Op) -> np.ndarray:
    groups = _groups(op)
    *taps, per_group, outputs = kernel.shape
    split = kernel.reshape(*taps, per_group, groups, outputs // groups)
    by_group = factors.reshape(groups, per_group).T[:, :, None]
    return (split * by_group).reshape(kernel.shape).astype(np.float32)
