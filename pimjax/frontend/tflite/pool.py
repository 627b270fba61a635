"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, SUM."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.tflite.arrays import padding_of
from pimjax.frontend.tflite.host import with_activation
from pimjax.frontend.tflite.node import (
    Lowered,
    Node,
    UnsupportedError,
    code_range,
    is_float,
    numbers,
    real_range,
    same_codes,
    spec_of,
)
from pimjax.network.ops import Clamp, FloatAveragePool, MaxPool, MeanPool, Output, Reduce, Sum


def average_pool(node: Node) -> Lowered:
    """The mean of each window, padding left out."""
    window, stride = _window(node)
    padding = padding_of(node)
    if is_float(node.output):
        pool = FloatAveragePool(window, stride, padding)
        return with_activation(node, pool, (node.source(),), {})
    same_codes(node, 0)
    limits = code_range(node.output, real_range(node.setting("FusedActivationFunction")))
    return Lowered((node.layer(MeanPool(window, stride, padding, *limits), node.source()),))


def max_pool(node: Node) -> Lowered:
    """The largest of each window."""
    pool = MaxPool(*_window(node), padding_of(node))
    if is_float(node.output):
        return with_activation(node, pool, (node.source(),), {})
    same_codes(node, 0)
    limits = real_range(node.setting("FusedActivationFunction"))
    if limits is None:
        return Lowered((node.layer(pool, node.source()),))
    inner = node.helper("largest", pool, node.source(), tensor=node.output)
    outer = node.layer(Clamp(*code_range(node.output, limits)), inner.name)
    return Lowered((inner, outer))


def mean(node: Node) -> Lowered:
    """The mean along axes other than the batch."""
    return _reduce(node, "mean")


def total(node: Node) -> Lowered:
    """The sum along axes other than the batch."""
    return _reduce(node, "sum")


def _window(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    window = node.setting("FilterHeight"), node.setting("FilterWidth")
    stride = node.setting("StrideH"), node.setting("StrideW")
    if min(*window, *stride) < 1 or len(node.tensor(0).shape) != 4:
        raise UnsupportedError(f"window {window} with stride {stride} on {node.tensor(0).shape}")
    return window, stride


def _reduce(node: Node, function: str) -> Lowered:
    source, shape = node.source(), node.tensor(0).shape
    axes = node.integers(1, "its list of axes")
    wrong = [axis for axis in axes if not -len(shape) <= axis < len(shape)]
    axes = sorted({axis % len(shape) for axis in axes})
    if wrong or 0 in axes or not axes:
        raise UnsupportedError(f"axes {axes or wrong} of {shape}; the batch, axis 0, has to stay")
    inner, keep = tuple(axis - 1 for axis in axes), bool(node.setting("KeepDims"))
    if is_float(node.output):
        return Lowered((node.layer(Reduce(function, inner, keep), source),))
    spec, out = spec_of(node.tensor(0)), spec_of(node.output)
    if node.tensor(0).type != node.output.type:
        raise UnsupportedError(f"types {node.tensor(0).type} and {node.output.type} mixed")
    params = numbers(spec.scale / out.scale)
    if function == "mean":
        count = math.prod(shape[axis] for axis in axes)
        params = _divided(spec.scale / out.scale, count)
    output = Output("fixed_point", out.zero_point, out.low, out.high)
    layer = node.layer(Sum(inner, output, spec.zero_point, keep), source)
    return Lowered((layer,), {layer.name: params})


def _divided(factor: float, count: int) -> dict[str, np.ndarray]:
    """Fixed-point numbers of factor / count, divided in integers and cut off as LiteRT does.

    *Source:* QuantizedMeanOrSum, reference/reduce.h.
    """
    given = numbers(factor)
    multiplier, exponent = int(given["multiplier"]), int(given["exponent"])
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    multiplier = (multiplier << shift) // count
    return {
        "multiplier": np.array(multiplier, np.int32),
        "exponent": np.array(exponent - shift, np.int32),
    }
