"""Quantised layers on a chip, against the formula of `QuantizedConv` in plain integers."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.frontend.bind import bind
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Context, Output
from pimjax.network.tensor import TensorSpec
from tests import oracle, plain
from tests.support import examples, make_chip, totals

WINDOWS = {
    "same": {"x": (2, 3, 4, 3), "w": (3, 3, 3, 6)},
    "stride": {"x": (2, 5, 4, 2), "w": (3, 2, 2, 6), "stride": (2, 1)},
    "sides": {"x": (2, 3, 4, 2), "w": (2, 3, 2, 6), "padding": ((1, 0), (0, 2))},
    "dilated": {"x": (2, 5, 5, 2), "w": (2, 2, 2, 6), "dilation": (2, 1), "padding": "VALID"},
    "groups": {"x": (2, 3, 4, 4), "w": (3, 3, 2, 6), "groups": 2},
    "depthwise": {"x": (2, 5, 7, 6), "w": (3, 3, 1, 6), "groups": 6, "stride": (2, 2)},
    "multiplier": {"x": (2, 3, 4, 3), "w": (3, 3, 1, 6), "groups": 3},
}
"""Few shapes and one of outputs, (2, 3, 4, 6), since each one is compiled."""

LOSSLESS = {
    "none": make_chip(adc_kind="none", active_wordlines=16),
    "lossless": make_chip(adc_bits=5, active_wordlines=20),
    "signed": make_chip(act_signed=True, adc_kind="none"),
    "offset_binary": make_chip(act_signed=True, weight_encoding="offset_binary", adc_bits=8),
    "wide": make_chip(act_bits=9, act_signed=True, weight_bits=9, adc_kind="none"),
}

LOSSY = {
    "step 3/2": make_chip(adc_bits=3, adc_step=Fraction(3, 2), active_wordlines=12),
    "step 1/2": make_chip(adc_bits=4, adc_step=Fraction(1, 2), active_wordlines=12),
    "step 4": make_chip(act_signed=True, adc_bits=2, adc_step=Fraction(4), active_wordlines=16),
    "clipping": make_chip(adc_bits=2, active_wordlines=12),
    "offset": make_chip(
        adc_bits=3,
        adc_step=Fraction(5, 3),
        adc_offset=Fraction(1, 3),
        adc_rounding="floor",
        active_wordlines=9,
        weight_encoding="offset_binary",
    ),
}

PAIRS = [
    *(("same", "none"), ("same", "signed"), ("same", "wide"), ("stride", "lossless")),
    *(("sides", "offset_binary"), ("dilated", "none"), ("groups", "signed")),
    *(("depthwise", "lossless"), ("multiplier", "none")),
]

LOSSY_PAIRS = [
    *(("same", "step 3/2"), ("sides", "step 4"), ("groups", "clipping")),
    *(("depthwise", "step 1/2"), ("multiplier", "offset")),
]

INT8, UINT8 = (-128, 127), (0, 255)


def tensor(limits, zero_point: int, scale: float = 0.5) -> TensorSpec:
    return TensorSpec(scale, zero_point, *limits)


def convolution(window, x_spec, params, output, **more) -> Model:
    keys = ("stride", "padding", "dilation", "groups")
    op = QuantizedConv(output, **{key: window[key] for key in keys if key in window})
    return one_layer(op, window["x"][1:], x_spec, params, **more)


def one_layer(op, x_shape, x_spec, params, name="layer") -> Model:
    out = tensor((op.output.low, op.output.high), op.output.zero_point)
    graph = Graph((Input("x", x_shape, x_spec),), (Layer(name, op, ("x",), out),), (name,))
    return Model(graph, {name: params})


def applied(program, x):
    """The result of the only layer for input codes, without compiling a whole network."""
    (layer,) = program.plan.graph.layers
    codes = jnp.asarray(np.asarray(x, np.int32))
    return layer.op.apply((codes,), program.image[layer.name], Context(program.plan.spec))


@st.composite
def quantized(draw, window, seed):
    """(codes x, their spec, arrays of the layer) with zero points of all kinds."""
    rng = np.random.default_rng(seed)
    limits = draw(st.sampled_from((INT8, UINT8)))
    x_spec = tensor(limits, draw(st.sampled_from((*limits, 3, int(rng.integers(0, 128))))))
    n = window["w"][-1]
    low, high = weight_limits = draw(st.sampled_from((INT8, UINT8)))
    kind = draw(st.sampled_from(("none", "per tensor", "per channel")))
    params = {
        "weights": rng.integers(low, high + 1, window["w"]),
        "bias": rng.integers(-20000, 20000, n),
        "factor": 2.0 ** rng.uniform(-12, -6, n),
    }
    if weight_limits == UINT8 and kind == "none":
        kind = "per tensor"
    if kind == "per tensor":
        params["weight_zero"] = np.full(n, rng.integers(low, high + 1))
    if kind == "per channel":
        params["weight_zero"] = rng.integers(low, high + 1, n)
    return rng.integers(limits[0], limits[1] + 1, window["x"]), x_spec, params


def geometry(window) -> dict:
    return {"padding": "SAME"} | {k: v for k, v in window.items() if k not in "xw"}


def right_sums(window, x, x_spec, params) -> np.ndarray:
    zeros = params.get("weight_zero", 0)
    y = plain.convolution(x, params["weights"], x_spec.zero_point, zeros, **geometry(window))
    return y + params["bias"]


@pytest.mark.slow
@examples(45)
@given(st.data(), st.sampled_from(PAIRS))
def test_without_loss_a_layer_is_its_formula(data, pair):
    window, chip = WINDOWS[pair[0]], pair[1]
    x, x_spec, params = data.draw(quantized(window, data.draw(st.integers(0, 9999))))
    if chip in ("signed", "wide") and data.draw(st.booleans()):
        params.pop("weight_zero", None)
    rule = data.draw(st.sampled_from(("fixed_point", "float32")))
    limits = data.draw(st.sampled_from((INT8, UINT8, (3, 200))))
    zero_point = int(data.draw(st.sampled_from((limits[0], 5))))
    output = Output(rule, zero_point, *limits)
    program = bind(convolution(window, x_spec, params, output), LOSSLESS[chip])
    got = applied(program, x)
    v = right_sums(window, x, x_spec, params)
    right = plain.requantized(v, rule, params["factor"], zero_point, *limits)
    assert np.asarray(got.output).tolist() == right.tolist()
    assert got.stats.clipped_high == got.stats.clipped_low == 0


@pytest.mark.slow
@examples(20)
@given(st.data(), st.sampled_from(LOSSY_PAIRS))
def test_with_loss_the_array_is_the_oracles(data, pair):
    """Stored codes plus shift are the weights; the array sees shifted codes; the rest is rounded.

    Bias and the sum of inputs are in ADC steps, each rounded half to even on its own.
    """
    window, chip = WINDOWS[pair[0]], pair[1]
    x, x_spec, params = data.draw(quantized(window, data.draw(st.integers(0, 9999))))
    output = Output("fixed_point", -3, *INT8)
    program = bind(convolution(window, x_spec, params, output), LOSSY[chip])
    got = applied(program, x)
    v, y, stats = lossy_sums(program, window, x, x_spec, params)
    assert np.asarray(got.accumulator).tolist() == y.tolist()
    assert totals(got.stats) == totals(stats)
    factors = params["factor"] * float(program.plan.spec.adc.step)
    right = plain.requantized(v, "fixed_point", factors, -3, *INT8)
    assert np.asarray(got.output).tolist() == right.tolist()


def lossy_sums(program, window, x, x_spec, params, known=None):
    """(what is requantised, accumulators, statistics) of the only layer, by the oracle."""
    known = known or oracle.from_chip(program.chip)
    stored = pj.weights(program)["layer"].astype(np.int64)
    shift = np.asarray(program.image["layer"].get("weight_shift", np.zeros(stored.shape[-1])))
    shift = shift.astype(np.int64)
    real = params["weights"] - params.get("weight_zero", np.zeros(stored.shape[-1], np.int64))
    assert (stored + shift == real).all()
    low, high = oracle.act_range(known)
    moved = 0 if low <= x_spec.low and x_spec.high <= high else low - x_spec.low
    how = geometry(window)
    padding = sides(window, how.pop("padding"))
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=x_spec.zero_point) + moved
    y, stats = oracle.conv2d(padded, stored, known, padding="VALID", **how)
    bias = params["bias"] - (x_spec.zero_point + moved) * real.sum(axis=(0, 1, 2))
    ones = np.ones_like(stored)
    input_sums = plain.convolution(padded, ones, 0, 0, padding="VALID", **how)
    step = known.adc_step
    return y + plain.half_even(bias, step) + plain.half_even(input_sums * shift, step), y, stats


def sides(window, padding):
    if padding == "VALID":
        return (0, 0), (0, 0)
    if padding != "SAME":
        return padding
    strides = window.get("stride", (1, 1))
    pairs = []
    for axis in range(2):
        size, kernel = window["x"][1 + axis], window["w"][axis]
        total = max((-(-size // strides[axis]) - 1) * strides[axis] + kernel - size, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["none", "lossless", "signed", "offset_binary"])
@pytest.mark.parametrize("limits", [INT8, UINT8])
def test_a_matrix_product_is_its_formula(chip, limits):
    rng = np.random.default_rng(5)
    x = rng.integers(limits[0], limits[1] + 1, (3, 2, 30))
    params = {
        "weights": rng.integers(0, 256, (30, 4)),
        "weight_zero": np.array([0, 100, 128, 255]),
        "bias": rng.integers(-5000, 5000, 4),
        "factor": np.array([0.001, 0.002, 0.003, 0.004]),
    }
    x_spec = tensor(limits, 9)
    op = QuantizedDense(Output("fixed_point", 4, *INT8))
    got = applied(bind(one_layer(op, (2, 30), x_spec, params), LOSSLESS[chip]), x)
    v = (x - 9) @ (params["weights"] - params["weight_zero"]) + params["bias"]
    right = plain.requantized(v, "fixed_point", params["factor"], 4, *INT8)
    assert np.asarray(got.output).tolist() == right.tolist()
    assert got.accumulator.shape == (3, 2, 4)


def test_settings_of_a_layer_replace_the_chips():
    """One layer with its own converter: the accumulator is that of a chip with these settings."""
    window = WINDOWS["same"]
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, window["x"])
    params = {
        "weights": rng.integers(-128, 128, window["w"]),
        "bias": rng.integers(-999, 999, 6),
        "factor": np.full(6, 0.01),
    }
    chip, other = LOSSY["clipping"], LOSSY["step 3/2"]
    model = convolution(window, tensor(UINT8, 7), params, Output("fixed_point", 0, *INT8))
    program = bind(model, chip, {"layer": other.bitline().adc})
    got = applied(program, x)
    v, y, stats = lossy_sums(program, window, x, tensor(UINT8, 7), params, oracle.from_chip(other))
    assert np.asarray(got.accumulator).tolist() == y.tolist()
    assert totals(got.stats) == totals(stats)
    right = plain.requantized(v, "fixed_point", params["factor"] * 1.5, 0, *INT8)
    assert np.asarray(got.output).tolist() == right.tolist()


@pytest.mark.parametrize("step", [Fraction(1), Fraction(2), Fraction(1, 2)])
def test_an_accumulator_that_leaves_as_it_is_counts_in_units_of_the_model(step):
    """Rule "none": 32-bit sums whose scale the file gives, whatever the step of the converter."""
    chip = make_chip(adc_bits=12, adc_step=step, act_bits=4, weight_bits=4)
    # Every wordline twice, so that a step of 2 loses nothing.
    weights = np.repeat([[2], [5], [-6]], 2, axis=0)
    params = {"weights": weights, "bias": np.array([8])}
    out = TensorSpec(0.25, 0, -(2**31), 2**31 - 1)
    op = QuantizedDense(Output("none", 0, -(2**31), 2**31 - 1))
    graph = Graph((Input("x", (6,), tensor((0, 15), 2)),), (Layer("y", op, ("x",), out),), ("y",))
    x = np.repeat([[2, 2, 2], [15, 0, 8], [0, 15, 0]], 2, axis=1)
    got = applied(bind(Model(graph, {"y": params}), chip), x)
    assert np.asarray(got.output).tolist() == ((x - 2) @ weights + 8).tolist()


def test_what_is_bound_is_hashable_and_keeps_names_and_arguments():
    window = WINDOWS["same"]
    params = {
        "weights": np.ones(window["w"], np.int8),
        "bias": np.zeros(6, np.int32),
        "factor": np.full(6, 0.01),
    }
    before = {name: array.copy() for name, array in params.items()}
    model = convolution(window, tensor(INT8, 0), params, Output("fixed_point", 0, *INT8))
    program = bind(model, LOSSLESS["none"])
    assert hash(program.plan) == hash(bind(model, LOSSLESS["none"]).plan)
    assert program.layers == ("layer",)
    assert set(model.params["layer"]) == set(before)
    assert all((params[name] == before[name]).all() for name in before)
    assert all(isinstance(array, jax.Array) for array in program.image["layer"].values())


def refused(model, chip, *words):
    with pytest.raises(ModelError) as caught:
        bind(model, chip)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("layer:", *words):
        assert word in message


def dense_model(x_spec, **changes) -> Model:
    params = {
        "weights": np.full((6, 2), 3),
        "bias": np.zeros(2, np.int64),
        "factor": np.full(2, 0.01),
    }
    op = QuantizedDense(Output("fixed_point", 0, *INT8))
    return one_layer(op, (6,), x_spec, params | changes)


def test_input_codes_that_need_more_bits_are_refused():
    words = ("-32768..32767", "16 bits", "precision.act_bits = 8", "choose a chip")
    refused(dense_model(tensor((-32768, 32767), 0)), LOSSLESS["none"], *words)
    words = ("0..255", "8 bits", "precision.act_bits = 4", "quantised")
    refused(dense_model(tensor(UINT8, 0)), make_chip(act_bits=4, adc_kind="none"), *words)


@pytest.mark.parametrize(
    ("weights", "zero", "chip", "words"),
    [
        ([-128, 127], 0, {"weight_bits": 4}, ("-128..127", "-8..7", "weight_bits = 4")),
        ([-128, 127], 0, {"weight_encoding": "differential"}, ("-127..127", "'differential'")),
        ([300, -300], 0, {}, ("-300..300", "-128..127", "choose a chip")),
        ([0, 1], 0, {"weight_encoding": "binary", "weight_bits": 1}, ("0..1", "'binary'")),
    ],
)
def test_weight_codes_that_do_not_fit_are_refused(weights, zero, chip, words):
    model = dense_model(tensor(UINT8, 0), weights=np.array([weights] * 6))
    refused(model, make_chip(adc_kind="none", **chip), *words)


def test_unsigned_weights_of_few_bits_are_stored_around_zero():
    """Codes 0..15 with zero point 7 are -7..8: one too far, so they are stored less 8."""
    weights = np.array([[0, 15], [15, 0], [7, 8], [3, 4], [1, 2], [9, 9]])
    model = dense_model(tensor((0, 15), 1), weights=weights, weight_zero=np.array([7, 7]))
    chip = make_chip(act_bits=4, weight_bits=4, adc_kind="none")
    program = bind(model, chip)
    assert pj.weights(program)["layer"].tolist() == (weights - 8).tolist()
    x = np.random.default_rng(1).integers(0, 16, (5, 6))
    v = (x - 1) @ (weights - 7)
    right = plain.requantized(v, "fixed_point", [0.01, 0.01], 0, *INT8)
    assert np.asarray(applied(program, x).output).tolist() == right.tolist()


def test_a_bias_beyond_32_bits_is_refused():
    words = ("2147483648", "32 bits", "scales")
    refused(dense_model(tensor(UINT8, 0), bias=np.array([0, 2**31])), LOSSLESS["none"], *words)
    largest = dense_model(tensor(UINT8, 0), bias=np.array([0, 2**31 - 1]))
    assert bind(largest, LOSSLESS["none"]).image["layer"]["bias"].tolist() == [0, 2**31 - 1]
    # The folded zero point counts too: 255 * 6 * 3 more.
    words = (str(2**31 + 4589), "32 bits")
    refused(dense_model(tensor(UINT8, 255), bias=np.array([0, -(2**31) + 1])), LOSSLESS["none"])


def test_a_sum_of_inputs_beyond_32_bits_is_refused():
    model = dense_model(
        tensor(UINT8, 0), weight_zero=np.array([0, 255]), weights=np.full((6, 2), 9)
    )
    fine = make_chip(adc_bits=12, adc_step=Fraction(1, 2))
    assert "weight_shift" in bind(model, fine).image["layer"]
    tiny = make_chip(adc_bits=12, adc_step=Fraction(4096, 4097), active_wordlines=8)
    assert "weight_shift" in bind(model, tiny).image["layer"]
    words = ("6 inputs", "32 bits", "symmetric")
    refused(model, make_chip(adc_bits=12, adc_step=Fraction(1, 1 << 20)), *words)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), 2.0**31])
def test_a_factor_that_no_requantiser_expresses_is_refused(factor):
    refused(dense_model(tensor(UINT8, 0), factor=np.array([0.01, factor])), LOSSLESS["none"])


def test_an_input_without_codes_is_refused():
    refused(dense_model(None), LOSSLESS["none"], "'x'", "codes")


def test_settings_for_a_layer_that_is_not_there_are_refused():
    with pytest.raises(ValueError, match="'other'"):
        bind(dense_model(tensor(UINT8, 0)), LOSSLESS["none"], {"other": Fraction(1)})
