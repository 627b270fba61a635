"""Arithmetic and functions of codes, over all codes, against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import examples
from tests.tflite.build import Net
from tests.tflite.support import (
    activations,
    check,
    codes,
    every_code,
    kinds,
    scales,
    seeds,
    zero_point,
)


def every_pair(dtype) -> np.ndarray:
    """(1, 256, 256, 2): all pairs of codes."""
    info = np.iinfo(dtype)
    line = np.arange(info.min, info.max + 1)
    return np.stack(np.meshgrid(line, line), axis=-1).astype(dtype)[None]


@pytest.mark.slow
@examples(20)
@given(st.sampled_from(["ADD", "SUB", "MUL"]), seeds, kinds, scales, scales, activations)
def test_arithmetic_of_all_pairs(folder, kind, seed, dtype, a_scale, b_scale, activation):
    rng = np.random.default_rng(seed)
    largest = a_scale * b_scale * 128 if kind == "MUL" else a_scale + b_scale
    zeros = [zero_point(rng, dtype) for _ in range(3)]
    net = Net()
    net.tensor("x", (1, 256, 256, 1), dtype, a_scale, zeros[0])
    net.constant("c", codes(rng, dtype, (1, 1, 256, 1)), b_scale, zeros[1])
    net.tensor("y", (1, 256, 256, 1), dtype, largest * rng.uniform(0.2, 1.5), zeros[2])
    order = ["x", "c"] if rng.random() < 0.5 else ["c", "x"]
    net.operator(
        kind, order, ["y"], f"{kind.capitalize()}Options", fusedActivationFunction=activation
    )
    check(folder, net, every_pair(dtype)[..., :1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("other", [(1, 4, 3, 2), (1, 1, 1, 2), (1, 4, 3, 1)])
def test_arithmetic_of_two_tensors(folder, kind, other):
    rng = np.random.default_rng(1)
    net = Net()
    net.tensor("x", (1, 4, 3, 2), np.int8, 0.1, 5)
    net.tensor("z", other, np.int8, 0.1, 5)
    net.tensor("y", (1, 4, 3, 2), np.int8, 0.3, -7)
    begin = net.constant("begin", np.zeros(4, np.int32))
    size = net.constant("size", np.array(other, np.int32))
    net.operator("SLICE", ["x", begin, size], ["z"], "SliceOptions")
    net.operator(kind, ["x", "z"], ["y"], f"{kind.capitalize()}Options")
    check(folder, net, codes(rng, np.int8, (2, 4, 3, 2)), ("y", "z"))


@pytest.mark.slow
@examples(25)
@given(
    st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "HARD_SWISH"]),
    seeds, kinds, scales, scales,
)  # fmt: skip
def test_activations(folder, kind, seed, dtype, in_scale, out_scale):
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), dtype, in_scale, zero_point(rng, dtype))
    # The kernel of HARD_SWISH refuses an output scale that is far below the input's.
    out_scale = max(out_scale, in_scale / 64) if kind == "HARD_SWISH" else out_scale
    net.tensor("y", (1, 16, 16, 1), dtype, out_scale, zero_point(rng, dtype))
    if kind == "LEAKY_RELU":
        net.operator(kind, ["x"], ["y"], "LeakyReluOptions", alpha=rng.uniform(0.001, 1.5))
    else:
        net.operator(kind, ["x"], ["y"])
    check(folder, net, every_code(dtype))


@examples(20)
@given(seeds, kinds, scales, scales, scales)
def test_prelu(folder, seed, dtype, in_scale, alpha_scale, out_scale):
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 16, 16, 3), dtype, in_scale, zero_point(rng, dtype))
    net.constant("alpha", codes(rng, dtype, (1, 1, 3)), alpha_scale, zero_point(rng, dtype))
    net.tensor("y", (1, 16, 16, 3), dtype, out_scale, zero_point(rng, dtype))
    net.operator("PRELU", ["x", "alpha"], ["y"])
    check(folder, net, np.repeat(every_code(dtype), 3, axis=-1))


def test_float_prelu(folder):
    net = Net()
    net.tensor("x", (1, 4, 3), np.float32)
    net.constant("alpha", np.array([0.1, -2, 3], np.float32))
    net.tensor("y", (1, 4, 3), np.float32)
    net.operator("PRELU", ["x", "alpha"], ["y"])
    check(folder, net, np.linspace(-3, 3, 12, dtype=np.float32).reshape(1, 4, 3), exact=False)


@examples(25)
@given(st.sampled_from(["LOGISTIC", "TANH"]), seeds, kinds, scales)
def test_functions(folder, kind, seed, dtype, in_scale):
    rng = np.random.default_rng(seed)
    low = int(np.iinfo(dtype).min)
    out = (1 / 256, low) if kind == "LOGISTIC" else (1 / 128, low + 128)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), dtype, in_scale, zero_point(rng, dtype))
    net.tensor("y", (1, 16, 16, 1), dtype, *out)
    net.operator(kind, ["x"], ["y"])
    check(folder, net, every_code(dtype))


@examples(20)
@given(seeds, kinds, kinds, scales, scales, st.booleans())
def test_quantize_between_types(folder, seed, before, after, in_scale, out_scale, equal):
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 16, 16, 1), before, in_scale, zero_point(rng, before))
    net.tensor("y", (1, 16, 16, 1), after, in_scale if equal else out_scale, zero_point(rng, after))
    net.operator("QUANTIZE", ["x"], ["y"])
    check(folder, net, every_code(before))


@examples(12)
@given(seeds, kinds, scales)
def test_quantize_and_dequantize_real_numbers(folder, seed, dtype, scale):
    """Ties go away from zero."""
    rng = np.random.default_rng(seed)
    net = Net()
    net.tensor("x", (1, 9, 20), np.float32)
    net.tensor("q", (1, 9, 20), dtype, scale, zero_point(rng, dtype))
    net.tensor("y", (1, 9, 20), np.float32)
    net.operator("QUANTIZE", ["x"], ["q"])
    net.operator("DEQUANTIZE", ["q"], ["y"])
    x = rng.normal(0, 100 * scale, (1, 9, 20)).astype(np.float32)
    x[0, 0] = (np.arange(20) - 9.5) * np.float32(scale)
    x[0, 1] = np.nextafter(x[0, 0], np.float32(0))
    check(folder, net, x, ("y", "q"))


FLOAT_UNARY = ["RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH"]


@pytest.mark.parametrize("kind", FLOAT_UNARY)
def test_float_activations(folder, kind):
    net = Net()
    net.tensor("x", (1, 50), np.float32)
    net.tensor("y", (1, 50), np.float32)
    net.operator(kind, ["x"], ["y"])
    check(folder, net, np.linspace(-9, 9, 100, dtype=np.float32).reshape(2, 50), exact=False)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_float_arithmetic(folder, kind):
    rng = np.random.default_rng(0)
    net = Net()
    net.tensor("x", (1, 4, 5), np.float32)
    net.constant("c", rng.normal(size=5).astype(np.float32))
    net.tensor("z", (1, 4, 5), np.float32)
    net.tensor("m", (1, 4), np.float32)
    net.constant("axis", np.array([2], np.int32))
    net.tensor("y", (1, 4), np.float32)
    net.operator(kind, ["c", "x"], ["z"], f"{kind.capitalize()}Options", fusedActivationFunction=1)
    net.operator("MEAN", ["z", "axis"], ["m"], "ReducerOptions")
    net.operator("SOFTMAX", ["m"], ["y"], "SoftmaxOptions", beta=1.0)
    check(folder, net, rng.normal(size=(3, 4, 5)).astype(np.float32), ("y", "z", "m"), exact=False)
