"""Small float models from a list of steps."""

import numpy as np

from pimjax.frontend.model import Model
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import FloatConv, FloatDense, Unary


def numbers(seed, *shape) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(seed, inputs, outputs, size=3, groups=1, **window):
    """(operation, arrays) of a random convolution; outputs about as large as its inputs."""
    cin = inputs // groups
    kernel = numbers(seed, size, size, cin, outputs) / np.float32(size * cin**0.5)
    return FloatConv(groups=groups, **window), {
        "kernel": kernel,
        "bias": numbers(seed + 1, outputs),
    }


def dense(seed, inputs, outputs):
    kernel = numbers(seed, inputs, outputs) / np.float32(inputs**0.5)
    return FloatDense(), {"kernel": kernel, "bias": numbers(seed + 1, outputs)}


RELU = (Unary("relu"), {})


def model_of(*steps, shape, outputs=None) -> Model:
    """Layers t0, t1, ... of steps (operation, arrays, inputs ...); the tensor before by default.

    The input is "x"; the last tensor is the output by default.
    """
    layers, params = [], {}
    for index, (op, arrays, *inputs) in enumerate(steps):
        before = f"t{index - 1}" if index else "x"
        names = tuple(inputs) or (before,)
        layers.append(Layer(f"t{index}", op, names, origin=(f"node{index}",)))
        params |= {f"t{index}": arrays} if arrays else {}
    graph = Graph((Input("x", shape),), tuple(layers), outputs or (layers[-1].name,))
    return Model(graph, params, "test.onnx")
