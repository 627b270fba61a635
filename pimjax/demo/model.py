"""vgg-digits as it is trained, with batch norm, and its export with the batch norm folded in.

The only module of the demo that imports flax: everything else sees pytrees and the exported arrays.
"""

from typing import Any

import jax
import numpy as np
from flax import nnx

CONV_CHANNELS = (16, 16, 32, 32, 64, 64)
HIDDEN = 64
CLASSES = 10


class VggDigits(nnx.Module):
    """Six 3x3 convolutions, max pooling after every second one, two dense layers.

    Batch norm follows every layer but the last, which is the only one with a bias of its own.
    """

    def __init__(self, rngs: nnx.Rngs):
        inputs = (1, *CONV_CHANNELS[:-1])
        self.convs = nnx.List(
            nnx.Conv(i, o, kernel_size=(3, 3), padding="SAME", use_bias=False, rngs=rngs)
            for i, o in zip(inputs, CONV_CHANNELS, strict=True)
        )
        self.dense1 = nnx.Linear(3 * 3 * CONV_CHANNELS[-1], HIDDEN, use_bias=False, rngs=rngs)
        self.norms = nnx.List(
            nnx.BatchNorm(channels, momentum=0.9, rngs=rngs)
            for channels in (*CONV_CHANNELS, HIDDEN)
        )
        self.dense2 = nnx.Linear(HIDDEN, CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits float32 (N, 10) of images float32 (N, 28, 28, 1) in 0..1."""
        x = images
        for index, conv in enumerate(self.convs):
            x = nnx.relu(self.norms[index](conv(x)))
            if index % 2 == 1:
                x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = self.dense1(x.reshape(x.shape[0], -1))
        return self.dense2(nnx.relu(self.norms[-1](x)))


def initialise(seed: int) -> tuple[nnx.GraphDef, nnx.State, nnx.State]:
    """A new network as (graph, parameters, running batch statistics); the graph is hashable."""
    split: Any = nnx.split(VggDigits(nnx.Rngs(seed)), nnx.Param, nnx.BatchStat)
    graph, parameters, statistics = split
    return graph, parameters, statistics


def forward_train(
    graph: nnx.GraphDef, parameters: nnx.State, statistics: nnx.State, images: jax.Array
) -> tuple[jax.Array, nnx.State]:
    """(logits normalised by the batch's own statistics, the running statistics moved on)."""
    model = nnx.merge(graph, parameters, statistics, copy=True)
    model.train()
    logits = model(images)
    return logits, nnx.state(model, nnx.BatchStat)


def forward_eval(
    graph: nnx.GraphDef, parameters: nnx.State, statistics: nnx.State, images: jax.Array
) -> jax.Array:
    """Logits float32 (N, 10), normalised by the running statistics."""
    model = nnx.merge(graph, parameters, statistics, copy=True)
    model.eval()
    return model(images)


def export(
    graph: nnx.GraphDef, parameters: nnx.State, statistics: nnx.State
) -> dict[str, np.ndarray]:
    """The float32 arrays of `weights.npz`, each batch norm folded into the layer before it.

    With g = scale / sqrt(variance + epsilon) per output channel: kernel g, and bias - mean g. Zero
    padding stays exact, as a batch norm here always follows its convolution.
    """
    model = nnx.merge(graph, parameters, statistics, copy=True)
    arrays = {}
    names = [f"conv{index + 1}" for index in range(len(model.convs))] + ["dense1"]
    for name, layer, norm in zip(names, (*model.convs, model.dense1), model.norms, strict=True):
        scale, shift, mean, variance = (
            np.asarray(variable[...], np.float64)
            for variable in (norm.scale, norm.bias, norm.mean, norm.var)
        )
        gain = scale / np.sqrt(variance + norm.epsilon)
        bias = shift - mean * gain
        arrays[f"{name}/kernel"] = (np.asarray(layer.kernel[...]) * gain).astype(np.float32)
        arrays[f"{name}/bias"] = bias.astype(np.float32)
    arrays["dense2/kernel"] = np.asarray(model.dense2.kernel[...])
    arrays["dense2/bias"] = np.asarray(model.dense2.bias[...])
    return arrays
