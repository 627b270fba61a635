"""`run` of a small quantised network: against the oracle, in batches, and its refusals."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.frontend.bind import bind
from pimjax.frontend.model import Model
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network import run as running
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Clamp, Dequantize, Flatten, MaxPool, Output, Quantize, Unary
from pimjax.network.tensor import TensorSpec
from tests import oracle, plain
from tests.support import make_chip, totals

CHIP = make_chip(weight_bits=4, active_wordlines=10, adc_bits=2)
KNOWN = oracle.from_chip(CHIP)
SHAPE = (5, 4, 2)
INPUT = TensorSpec(1 / 16, 3, 0, 255)
MIDDLE = TensorSpec(0.5, -20, -128, 127)
OUT = TensorSpec(0.25, -5, -128, 127)
RNG = np.random.default_rng(3)
PARAMS = {
    "conv": {
        "weights": RNG.integers(-8, 8, (3, 3, 2, 3)),
        "bias": np.array([40, -300, 5]),
        "factor": np.array([0.02, 0.03, 0.015]),
    },
    "dense": {
        "weights": RNG.integers(-8, 8, (12, 2)),
        "bias": np.array([-70, 9]),
        "factor": np.array([0.01, 0.02]),
    },
}
IMAGES = RNG.uniform(-0.2, 16, (5, *SHAPE)).astype(np.float32)


@cache
def program() -> pj.Program:
    layers = (
        Layer("conv", QuantizedConv(Output("fixed_point", -20, -20, 127)), ("x",), MIDDLE),
        Layer("pool", MaxPool((2, 2), (2, 2)), ("conv",), MIDDLE),
        Layer("flat", Flatten(), ("pool",), MIDDLE),
        Layer("dense", QuantizedDense(Output("fixed_point", -5, -128, 127)), ("flat",), OUT),
    )
    graph = Graph((Input("x", SHAPE, INPUT),), layers, ("dense",))
    return bind(Model(graph, PARAMS), CHIP, engine="reference")


@cache
def right() -> dict[str, tuple]:
    """Of each layer: accumulators, output codes and statistics, in plain integers."""
    exact = IMAGES.astype(np.float64) * 16  # a scale of 1/16 divides exactly
    codes = np.clip(np.rint(exact) + 3, 0, 255).astype(np.int64)
    params = PARAMS["conv"]
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=3)
    y, stats = oracle.conv2d(padded, params["weights"], KNOWN, padding="VALID")
    bias = params["bias"] - 3 * params["weights"].sum(axis=(0, 1, 2))
    conv = plain.requantized(y + bias, "fixed_point", params["factor"], -20, -20, 127)
    pool = oracle.max_pool(conv, 2, 2)
    flat = pool.reshape(len(pool), -1)
    params = PARAMS["dense"]
    # int8 codes are moved by 128 into the unsigned codes of the array.
    z, more = oracle.matmul(flat + 128, params["weights"], KNOWN)
    bias = params["bias"] - (128 - 20) * params["weights"].sum(axis=0)
    dense = plain.requantized(z + bias, "fixed_point", params["factor"], -5, -128, 127)
    assert stats.clipped_high > 0
    assert more.clipped_high > 0
    assert len(set(dense.ravel())) > 4
    return {
        "conv": (y, conv, stats),
        "pool": (None, pool, None),
        "flat": (None, flat, None),
        "dense": (z, dense, more),
    }


@pytest.mark.slow
def test_one_compilation_per_batch_shape():
    running._run.clear_cache()
    for images in (IMAGES, IMAGES[::-1], IMAGES[:3]):
        pj.run(program(), images, batch_size=2)
    assert running._run._cache_size() == 1
    pj.run(program(), IMAGES[:2], batch_size=99)
    assert running._run._cache_size() == 1
    pj.run(program(), IMAGES, batch_size=1)
    assert running._run._cache_size() == 2


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_codes_and_real_numbers_whatever_the_batch(batch_size):
    codes = pj.run(program(), IMAGES, batch_size=batch_size, codes=True)
    assert codes.dtype == np.int8
    assert codes.tolist() == right()["dense"][1].tolist()
    reals = pj.run(program(), IMAGES, batch_size=batch_size)
    assert reals.dtype == np.float32
    assert reals.tolist() == ((right()["dense"][1] + 5) * 0.25).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_trace_has_every_layer(batch_size):
    outputs, trace = pj.run(program(), IMAGES, batch_size=batch_size, trace=True)
    assert outputs.tolist() == pj.run(program(), IMAGES).tolist()
    assert tuple(trace) == program().layers == ("conv", "pool", "flat", "dense")
    for name, (accumulator, codes, stats) in right().items():
        assert trace[name].codes.dtype == np.int8
        assert trace[name].codes.tolist() == codes.tolist()
        if accumulator is None:
            assert trace[name].accumulator is None
            assert trace[name].stats is None
        else:
            assert trace[name].accumulator.dtype == np.int32
            assert trace[name].accumulator.tolist() == accumulator.tolist()
            assert totals(trace[name].stats) == totals(stats)
    codes, again = pj.run(program(), IMAGES, batch_size=batch_size, codes=True, trace=True)
    assert codes.tolist() == again["dense"].codes.tolist() == right()["dense"][1].tolist()


def test_statistics_are_exact_without_a_trace_of_padding():
    batches = list(running.batches(program(), IMAGES, 2))
    assert [len(batch.codes) for batch in batches] == [2, 2, 1]
    first, second, third = (batch.stats["dense"] for batch in batches)
    total = first + second + third
    assert totals(total) == totals(right()["dense"][2])


@pytest.mark.parametrize(
    "images",
    [
        np.round(IMAGES).astype(np.uint8),
        np.round(IMAGES).astype(np.int64),
        np.round(IMAGES).astype(np.float64),
        np.round(IMAGES).astype(np.float16),
        jnp.asarray(np.round(IMAGES), jnp.bfloat16),
        jnp.asarray(np.round(IMAGES)),
        np.round(IMAGES).tolist(),
    ],
    ids=lambda images: str(getattr(images, "dtype", type(images).__name__)),
)
def test_numbers_of_every_type_are_images(images):
    same = pj.run(program(), np.maximum(np.round(IMAGES), 0), batch_size=5)
    assert pj.run(program(), images, batch_size=5).tolist() == same.tolist()


def test_arguments_stay_as_they_are():
    images = IMAGES.copy()
    before = {
        name: {k: np.asarray(v).copy() for k, v in p.items()} for name, p in program().image.items()
    }
    pj.run(program(), images, trace=True)
    assert (images == IMAGES).all()
    for name, arrays in before.items():
        assert all((np.asarray(program().image[name][k]) == v).all() for k, v in arrays.items())


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5, 2, 5, 4), r"\(5, 2, 5, 4\) given; \(b, 5, 4, 2\) expected; channels come last"),
        (SHAPE, r"\(5, 4, 2\) given; .* for one image, give images\[None\]"),
        ((5, 4, 5, 2), r"\(5, 4, 5, 2\) given; \(b, 5, 4, 2\) expected$"),
        ((5, 40), r"\(5, 40\) given; \(b, 5, 4, 2\) expected$"),
        ((0, *SHAPE), "none given; at least one expected"),
        ((), r"\(\) given"),
    ],
)
@pytest.mark.parametrize("trace", [False, True])
def test_images_of_another_shape_are_refused(shape, hint, trace):
    with pytest.raises(ValueError, match=rf"^images: .*{hint}"):
        pj.run(program(), np.zeros(shape, np.float32), trace=trace)


@pytest.mark.parametrize(
    "images",
    [
        np.ones((1, *SHAPE), bool),
        np.ones((1, *SHAPE), complex),
        np.full((1, *SHAPE), "7"),
        np.full((1, *SHAPE), None),
        [[1.0, 2.0], [3.0]],
        None,
        "photo.png",
    ],
    ids=["bool", "complex", "str", "object", "ragged", "None", "path"],
)
def test_what_is_no_array_of_real_numbers_is_refused(images):
    with pytest.raises(TypeError, match=r"^images: "):
        pj.run(program(), images)


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-1e300, "-inf")])
def test_numbers_that_are_not_finite_are_refused_with_their_place(value, shown, trace):
    images = IMAGES.astype(np.float64)
    images[4, 1, 0, 1] = value
    with pytest.raises(ValueError, match=rf"^images\[4, 1, 0, 1\] = {shown}: finite"):
        pj.run(program(), images, batch_size=2, trace=trace)


@pytest.mark.slow
def test_large_numbers_are_held_to_the_range():
    images = np.full((1, *SHAPE), 3e38)
    assert (pj.run(program(), images) == pj.run(program(), np.full((1, *SHAPE), 99.0))).all()


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "8", None])
def test_a_wrong_batch_size_is_refused(batch_size, trace):
    with pytest.raises(ValueError, match=r"^batch_size: .* given; an int >= 1 expected"):
        pj.run(program(), IMAGES, batch_size=batch_size, trace=trace)


def around(*layers, outputs=None, entry=INPUT) -> pj.Program:
    """A program without an array."""
    graph = Graph((Input("x", SHAPE, entry),), layers, outputs or (layers[-1].name,))
    return bind(Model(graph, {}), CHIP)


def test_a_conversion_at_the_end_still_shows_the_codes():
    ends = around(
        Layer("held", Clamp(10, 200), ("x",), INPUT), Layer("real", Dequantize(INPUT), ("held",))
    )
    codes = pj.run(ends, IMAGES, codes=True)
    assert codes.dtype == np.uint8
    exact = np.clip(np.rint(IMAGES * 16) + 3, 10, 200)
    assert codes.tolist() == exact.tolist()
    assert pj.run(ends, IMAGES).tolist() == ((exact - 3) / 16).tolist()


def test_real_numbers_at_the_end_have_no_codes():
    layers = (Layer("real", Dequantize(INPUT), ("x",)), Layer("tanh", Unary("tanh"), ("real",)))
    exact = np.clip(np.rint(IMAGES.astype(np.float64) * 16), -3, 252) / 16
    outputs, trace = pj.run(around(*layers), IMAGES, trace=True)
    assert outputs.dtype == np.float32
    assert outputs == pytest.approx(np.tanh(exact), abs=1e-6)
    assert trace["real"].codes.tolist() == exact.tolist()
    with pytest.raises(ValueError, match=r"codes = True: the output 'tanh' holds real numbers"):
        pj.run(around(*layers), "not looked at", codes=True)


def test_a_network_may_take_real_numbers():
    layers = (Layer("abs", Unary("abs"), ("x",)), Layer("q", Quantize(OUT), ("abs",), OUT))
    program = around(*layers, entry=None)
    right = np.clip(np.rint(np.abs(IMAGES) * 4) - 5, -128, 127)
    assert pj.run(program, IMAGES, batch_size=2, codes=True).tolist() == right.tolist()
    images = IMAGES.copy()
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^images\[3, 0, 0, 0\] = nan"):
        pj.run(program, images, batch_size=2)


def test_a_network_of_two_inputs_is_refused():
    graph = program().plan.graph
    two = Graph((*graph.inputs, Input("other", SHAPE, INPUT)), graph.layers, graph.outputs)
    plan = running.Plan(CHIP.bitline(), two)
    with pytest.raises(ValueError, match=r"2 inputs, \['x', 'other'\]; one is supported"):
        pj.run(pj.Program(plan, program().image, CHIP), IMAGES)
