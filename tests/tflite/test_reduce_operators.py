"""Pooling, sums, means and softmax against LiteRT's reference kernels."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.frontend.tflite.softmax import exponentials
from pimjax.network.ops import Context, FixedSoftmax
from tests.support import examples
from tests.tflite.build import Net
from tests.tflite.support import (
    activations,
    check,
    codes,
    kinds,
    paddings,
    scales,
    seeds,
    zero_point,
)


@pytest.mark.slow
@examples(16)
@given(
    seeds, kinds, st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"]),
    st.sampled_from([(2, 3), (3, 1)]), st.sampled_from([(1, 2), (2, 2)]), paddings, activations,
)  # fmt: skip
def test_pooling(folder, seed, dtype, kind, window, stride, padding, activation):
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (2, 6, 5, 2))
    out = [
        -(-full // s) if padding == 0 else -(-(full - reach + 1) // s)
        for full, reach, s in zip((6, 5), window, stride, strict=True)
    ]
    scale, zero = rng.uniform(0.01, 0.2), zero_point(rng, dtype)
    net = Net()
    net.tensor("x", (1, 6, 5, 2), dtype, scale, zero)
    net.tensor("y", (1, *out, 2), dtype, scale, zero)
    net.operator(
        kind, ["x"], ["y"], "Pool2DOptions", padding=padding, strideH=stride[0], strideW=stride[1],
        filterHeight=window[0], filterWidth=window[1], fusedActivationFunction=activation,
    )  # fmt: skip
    check(folder, net, x)


@pytest.mark.slow
@examples(14)
@given(seeds, kinds, scales, st.sampled_from([((1, 2), True), ((-2, 1), False), ((-1,), False)]))
def test_mean(folder, seed, dtype, in_scale, case):
    axes, keep = case
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (2, 7, 5, 3))
    shape = np.zeros((1, 7, 5, 3)).sum(axis=axes, keepdims=keep).shape
    net = Net()
    net.tensor("x", (1, 7, 5, 3), dtype, in_scale, zero_point(rng, dtype))
    net.constant("axes", np.array(axes, np.int32))
    net.tensor("y", shape, dtype, in_scale * rng.uniform(0.1, 1.5), zero_point(rng, dtype))
    net.operator("MEAN", ["x", "axes"], ["y"], "ReducerOptions", keepDims=keep)
    check(folder, net, x)


@pytest.mark.slow
@examples(16)
@given(seeds, kinds, st.floats(2.0**-12, 4.0, width=32), st.sampled_from([300]))
def test_softmax(folder, seed, dtype, scale, depth):
    rng = np.random.default_rng(seed)
    x = codes(rng, dtype, (4, depth))
    x[1] = x[1, 0]
    x[2] = np.clip(rng.normal(x[2, 0], 4, depth), np.iinfo(dtype).min, np.iinfo(dtype).max)
    beta = np.float32(rng.choice([1.0, 0.7]))
    net = Net()
    net.tensor("x", (1, depth), dtype, scale, zero_point(rng, dtype))
    net.tensor("y", (1, depth), dtype, 1 / 256, int(np.iinfo(dtype).min))
    net.operator("SOFTMAX", ["x"], ["y"], "SoftmaxOptions", beta=beta)
    check(folder, net, x)


@pytest.mark.slow
def test_softmax_of_many_equal_inputs():
    """LiteRT's kernel stops the process here; 256 / 600 is rounded to nothing."""
    exp = jnp.asarray(exponentials(0.1, 256))
    x = jnp.full((1, 600), 9, jnp.int32)
    result = FixedSoftmax(-128).apply((x,), {"exp": exp}, Context())
    assert set(np.asarray(result.output).ravel().tolist()) == {-128}


def test_sum(folder):
    """Of uint8 alone: LiteRT's reference kernel reads int8 tensors as uint8."""
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 7, 5, 3), np.uint8, 0.5, 30)
    net.constant("axes", np.array([1, 2], np.int32))
    net.tensor("y", (1, 3), np.uint8, 7.3, 90)
    net.operator("SUM", ["x", "axes"], ["y"], "ReducerOptions")
    check(folder, net, codes(rng, np.uint8, (2, 7, 5, 3)))
