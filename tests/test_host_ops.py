"""Operations in real numbers against NumPy in float64; no bit of them depends on the batch."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.network import run as running
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import (
    Affine,
    Binary,
    Context,
    Dequantize,
    FloatAveragePool,
    FloatConv,
    FloatDense,
    Interpolate,
    LocalResponse,
    MaxPool,
    Quantize,
    Reduce,
    Softmax,
    Unary,
)
from pimjax.network.ops.host.elementwise import BINARY, UNARY
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec
from pimjax.numerics.reals import held, total
from tests import plain
from tests.oracle.window import window_positions
from tests.support import examples, make_chip

X = np.random.default_rng(1).normal(0, 3, (2, 5, 4, 6)).astype(np.float32)
EXACT = X.astype(np.float64)


def apply(op, *inputs, **params) -> np.ndarray:
    arrays = {name: jnp.asarray(array) for name, array in params.items()}
    result = op.apply(tuple(jnp.asarray(x) for x in inputs), arrays, Context())
    assert result.accumulator is None
    assert result.stats is None
    return np.asarray(result.output)


def close(got, right) -> None:
    assert got.dtype == np.float32
    assert got.shape == right.shape
    np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal_share(x):
    return np.vectorize(lambda v: (1 + math.erf(v / 2**0.5)) / 2)(x)


FUNCTIONS = {
    "relu": (lambda x: np.where(x > 0, x, 0), ()),
    "clip": (lambda x, low, high: np.minimum(np.maximum(x, low), high), (-1.0, 2.5)),
    "leaky_relu": (lambda x, slope: np.where(x < 0, slope * x, x), (0.1,)),
    "elu": (lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)), (0.7,)),
    "selu": (
        lambda x, alpha, gamma: gamma * np.where(x > 0, x, alpha * np.exp(x) - alpha),
        (1.6, 1.05),
    ),
    "sigmoid": (sigmoid, ()),
    "tanh": (np.tanh, ()),
    "hard_sigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), (0.2, 0.5)),
    "hard_swish": (lambda x: x * np.clip(x + 3, 0, 6) / 6, ()),
    "swish": (lambda x: x * sigmoid(x), ()),
    "gelu": (lambda x: x * normal_share(x), ()),
    "gelu_tanh": (
        lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
        (),
    ),
    "softplus": (lambda x: np.log(1 + np.exp(x)), ()),
    "exp": (np.exp, ()),
    "log": (np.log, ()),
    "sqrt": (np.sqrt, ()),
    "abs": (lambda x: np.where(x < 0, -x, x), ()),
    "neg": (lambda x: 0 - x, ()),
    "floor": (np.floor, ()),
    "round": (np.rint, ()),
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name):
    function, constants = FUNCTIONS[name]
    x = np.abs(X) + np.float32(0.1) if name in ("log", "sqrt") else X
    close(apply(Unary(name, constants), x), function(x.astype(np.float64), *constants))


PAIRS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "max": np.maximum,
    "min": np.minimum,
    "pow": lambda a, b: a**b,
    "prelu": lambda a, b: np.where(a < 0, a * b, a),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shape", [(1, 1, 1, 6), (1, 5, 4, 6), (1, 1, 4, 1)])
@pytest.mark.parametrize("first", [False, True])
def test_functions_with_a_constant(name, shape, first):
    constant = np.abs(np.random.default_rng(2).normal(size=shape)).astype(np.float32) + 1
    x = np.abs(X) + np.float32(0.5) if name == "pow" else X
    pair = (constant, x) if first else (x, constant)
    right = PAIRS[name](*(array.astype(np.float64) for array in pair))
    close(apply(Binary(name, first), x, constant=constant), right)


def test_functions_of_two_tensors_broadcast_behind_the_batch():
    gate = X[:, :1, :1, :]
    close(apply(Binary("mul"), X, gate), EXACT * gate)
    close(apply(Binary("mul"), gate[:, 0, 0], X), EXACT * gate)
    close(apply(Binary("sub", True), X, gate), gate - EXACT)


@pytest.mark.parametrize(
    ("groups", "outputs", "window"),
    [
        (1, 4, {}),
        (1, 3, {"stride": (2, 1), "padding": "VALID"}),
        (2, 4, {"padding": ((1, 0), (0, 2)), "dilation": (2, 1)}),
        (6, 6, {"stride": (2, 2)}),
        (6, 12, {"dilation": (1, 2), "padding": ((0, 1), (2, 2))}),
    ],
)
def test_convolutions(groups, outputs, window):
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(3, 2, 6 // groups, outputs)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    got = apply(FloatConv(groups=groups, **window), X, kernel=kernel, bias=bias)
    close(got, exact_convolution(kernel, groups, **window) + bias)


def exact_convolution(kernel, groups, **window):
    """In units of 2^-20, where float32 rounds far above."""
    unit = 2.0**20
    codes = [np.rint(array.astype(np.float64) * unit).astype(np.int64) for array in (X, kernel)]
    how = {"padding": "SAME"} | window
    return plain.convolution(*codes, 0, 0, groups=groups, **how) / unit**2


def test_products_and_affine_maps():
    rng = np.random.default_rng(4)
    kernel, bias = rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    close(apply(FloatDense(), X, kernel=kernel, bias=bias), EXACT @ kernel + bias)
    close(apply(FloatDense(), X[0, 0], kernel=kernel, bias=bias), EXACT[0, 0] @ kernel + bias)
    scale, shift = (rng.normal(size=6).astype(np.float32) for _ in range(2))
    close(apply(Affine(), X, scale=scale, shift=shift), EXACT * scale + shift)


@examples(15)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from(("VALID", "SAME", ((1, 0), (0, 1)))),
    st.booleans(),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_average_pools(window, stride, padding, count_padding, tail):
    if isinstance(padding, str):
        tail = (0, 0)
    elif min(window) == 1:
        return  # a window wholly on the padding has no mean
    tail = (min(tail[0], padding[0][1]), tail[1]) if not isinstance(padding, str) else tail
    op = FloatAveragePool(window, stride, padding, count_padding, tail=tail)
    positions = window_positions((5, 4), window, stride, padding)
    right = np.zeros((2, len(positions), len(positions[0]), 6))
    top, left = first_of(padding, window, stride)
    for row, line in enumerate(positions):
        for column, taps in enumerate(line):
            inside = [EXACT[:, i, j] for i, j in filter(None, taps)]
            count = len(inside)
            if count_padding:
                count = sum(
                    row * stride[0] - top + i < 5 + bottom_of(padding, 0, window, stride) - tail[0]
                    and column * stride[1] - left + j
                    < 4 + bottom_of(padding, 1, window, stride) - tail[1]
                    for i in range(window[0])
                    for j in range(window[1])
                )
            right[:, row, column] = sum(inside) / count
    close(apply(op, X), right)


def both_sides(padding, axis, window, stride):
    if padding == "VALID":
        return 0, 0
    if padding != "SAME":
        return padding[axis]
    size = (5, 4)[axis]
    missing = max((-(-size // stride[axis]) - 1) * stride[axis] + window[axis] - size, 0)
    return missing // 2, missing - missing // 2


def first_of(padding, window, stride):
    return [both_sides(padding, axis, window, stride)[0] for axis in range(2)]


def bottom_of(padding, axis, window, stride):
    return both_sides(padding, axis, window, stride)[1]


@pytest.mark.parametrize("function", ["mean", "max", "min", "sum"])
@pytest.mark.parametrize("axes", [(0, 1), (2,), (1, 0, 2), (1,)])
@pytest.mark.parametrize("keep", [False, True])
def test_reductions(function, axes, keep):
    numpys = tuple(axis + 1 for axis in axes)
    right = getattr(np, function)(EXACT, axis=numpys, keepdims=keep)
    close(apply(Reduce(function, axes, keep), X), right)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("log", [False, True])
def test_softmax(axis, log):
    shares = np.exp(EXACT) / np.exp(EXACT).sum(axis=axis + 1, keepdims=True)
    close(apply(Softmax(axis, log), X), np.log(shares) if log else shares)
    large = apply(Softmax(axis, log), X * np.float32(1e30))
    assert np.isfinite(large).all()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_local_response(size):
    right = np.empty_like(EXACT)
    for c in range(6):
        low, high = max(0, c - (size - 1) // 2), min(5, c + size // 2)
        squares = (EXACT[..., low : high + 1] ** 2).sum(axis=-1)
        right[..., c] = EXACT[..., c] / (1.5 + 0.3 / size * squares) ** 0.75
    close(apply(LocalResponse(size, 0.3, 0.75, 1.5), X), right)


def test_interpolation():
    share = np.array([0, 0.25, 0.5, 1], np.float32)
    got = apply(Interpolate(0, (0, 1, 3, 4), (1, 2, 3, 0)), X, share=share)
    right = [
        EXACT[:, a] * (1 - s) + EXACT[:, b] * s
        for a, b, s in zip((0, 1, 3, 4), (1, 2, 3, 0), share, strict=True)
    ]
    close(got, np.stack(right, axis=1))


def test_max_pool_of_real_numbers():
    got = apply(MaxPool((2, 3), (2, 1), ((1, 0), (1, 1)), dilation=(1, 2)), X)
    padded = np.pad(EXACT, ((0, 0), (1, 0), (1, 1), (0, 0)), constant_values=-np.inf)
    right = np.stack(
        [
            np.stack(
                [padded[:, i : i + 2, j : j + 5 : 2].max(axis=(1, 2)) for j in range(2)], axis=1
            )
            for i in (0, 2, 4)
        ],
        axis=1,
    )
    close(got, right)


def test_codes_and_back():
    spec = TensorSpec(0.25, -7, -128, 127)
    x = np.array([0, 0.125, 0.375, -0.125, 1e9, -1e9, 33.4], np.float32)
    codes = apply(Quantize(spec), x)
    assert codes.dtype == np.int32
    assert codes.tolist() == [-7, -7, -5, -7, 127, -128, 127] == spec.codes_of(x).tolist()
    back = apply(Dequantize(spec), codes)
    assert back.tolist() == [0, 0, 0.5, 0, 33.5, -30.25, 33.5]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((7,), (0,)), ((3, 5), (1,)), ((2, 3, 4), (2, 0)), ((2, 3, 1, 6), (1, 2)), ((4, 1), (1,))],
)
@pytest.mark.parametrize("keep", [False, True])
def test_totals_are_sums(shape, axes, keep):
    x = np.random.default_rng(8).integers(-99, 100, shape).astype(np.float32)
    right = x.sum(axis=axes, keepdims=keep)
    got = np.asarray(total(jnp.asarray(x), axes, keep))
    assert got.shape == right.shape
    assert (got == right).all()


def test_a_held_product_is_rounded_before_it_is_added():
    rng = np.random.default_rng(5)
    a, b, c = (rng.normal(size=20000).astype(np.float32) for _ in range(3))
    got = jax.jit(lambda a, b, c: held(a * b) + c)(a, b, c)
    assert (np.asarray(got) == a * b + c).all()
    ends = np.array([np.inf, -np.inf, np.nan, 1e38, 0], np.float32)
    assert np.asarray(held(jnp.asarray(ends))).tolist()[:2] == [
        float(np.finfo(np.float32).max),
        float(np.finfo(np.float32).min),
    ]
    assert np.isnan(np.asarray(held(jnp.asarray(ends)))[2])


CODES = TensorSpec(0.043, 120, 0, 255)
SHAPE = (9, 7, 13)


def host_network() -> Program:
    """Every kind of host layer behind a product and a sum, and codes of what comes out."""
    rng = np.random.default_rng(6)
    channels = {n: rng.normal(size=13).astype(np.float32) for n in ("scale", "shift")}
    each = rng.normal(size=(1, 1, 1, 13)).astype(np.float32)
    layers = (
        Layer("real", Dequantize(CODES), ("x",)),
        Layer("plus", Binary("add"), ("real",)),
        Layer("affine", Affine(), ("plus",)),
        Layer("swish", Unary("swish"), ("affine",)),
        Layer("shares", Softmax(2), ("affine",)),
        Layer("over rows", Softmax(0), ("swish",)),
        Layer("mean", Reduce("mean", (0, 1)), ("swish",)),
        Layer("gate", Binary("mul"), ("swish", "mean")),
        Layer("pool", FloatAveragePool((3, 3), (2, 2), "SAME"), ("gate",)),
        Layer("response", LocalResponse(5, 1e-2, 0.75, 1.0), ("gate",)),
        Layer("sum", Reduce("sum", (2,)), ("response",)),
        Layer("total", Binary("add"), ("sum", "shares")),
        Layer("codes", Quantize(CODES), ("total",), CODES),
    )
    image = {"affine": channels, "plus": {"constant": each}}
    image = {name: {k: jnp.asarray(v) for k, v in p.items()} for name, p in image.items()}
    graph = Graph((Input("x", SHAPE, CODES),), layers, ("total",))
    chip = make_chip(adc_kind="none")
    return Program(Plan(chip.bitline(), graph), image, chip)


@pytest.mark.slow
def test_neither_batch_nor_trace_changes_a_bit_of_a_host_layer():
    images = np.random.default_rng(7).normal(0, 2, (16, *SHAPE)).astype(np.float32)
    program = host_network()
    right = running.trace(program, images, 16)
    for batch_size in (1, 5):
        found = running.trace(program, images, batch_size)
        for name, traced in right.items():
            assert (found[name].codes == traced.codes).all(), name
    for batch_size in (1, 16):
        outputs = running.run(program, images, batch_size)
        assert (outputs == right["total"].codes).all()
