"""The demo network in float32, from its exported weights alone."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def load_weights() -> dict[str, np.ndarray]:
    """The shipped weights of vgg-digits, float32, batch norm folded in.

    `conv1/kernel` (3, 3, C_in, C_out) and `conv1/bias` (C_out,), up to conv6; `dense1/kernel`
    (in, out) and `dense1/bias` (out,), then dense2.
    """
    with (
        (resources.files("pimjax.demo") / "weights.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return dict(arrays)


@jax.jit
def layer_outputs(weights: Mapping[str, Any], images: Any) -> dict[str, jax.Array]:
    """What each layer with weights puts out, of images float32 (N, 28, 28, 1), pixels / 255.

    Two 3x3 convolutions (stride 1, zero padding 1, ReLU) and a 2x2 max pooling (an odd last row or
    column is dropped), three times over; then the 3x3 map flattened in the order (row, column,
    channel), a dense layer with ReLU, a dense layer. About 7.4 million multiply-adds an image.

    Raises ValueError for images of another type or shape.
    """
    if images.dtype != jnp.float32 or images.ndim != 4 or images.shape[1:] != (28, 28, 1):
        raise ValueError(
            f"images is {images.dtype} {images.shape}, expected float32 (N, 28, 28, 1): "
            "divide the uint8 pixels by float32 255"
        )
    x, outputs = images, {}
    for index in range(1, 7):
        name = f"conv{index}"
        x = jax.nn.relu(_convolve(x, weights[f"{name}/kernel"], weights[f"{name}/bias"]))
        outputs[name] = x
        if index % 2 == 0:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(_multiply(x, weights["dense1/kernel"], weights["dense1/bias"]))
    outputs["dense1"] = x
    outputs["dense2"] = _multiply(x, weights["dense2/kernel"], weights["dense2/bias"])
    return outputs


def forward_float(weights: Mapping[str, Any], images: Any) -> jax.Array:
    """Logits float32 (N, 10) of images float32 (N, 28, 28, 1) in 0..1, that is pixels / 255."""
    return layer_outputs(weights, images)["dense2"]


def _convolve(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    y = lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    return y + bias.reshape(1, 1, 1, -1)


def _multiply(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return jnp.dot(x, kernel, precision=lax.Precision.HIGHEST) + bias.reshape(1, -1)
