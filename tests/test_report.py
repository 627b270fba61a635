"""The report layer by layer against plain float64 and integer formulas."""

from dataclasses import replace
from fractions import Fraction
from math import inf, log10

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.array.spec import Adc
from pimjax.frontend.bind import bind
from pimjax.frontend.compile import _quantized
from pimjax.frontend.fold import fold
from pimjax.frontend.report import LayerReport, Report, _error, compare
from pimjax.network.ops import Binary, Flatten, MaxPool, Unary
from tests import plain
from tests.models import RELU, conv, dense, model_of, numbers
from tests.support import examples

SHAPE = (5, 6, 3)
POOL = (MaxPool((2, 2), (2, 2), "VALID"), {})


def network():
    """Convolutions, an addition, a pool, a function on the host, and a product."""
    return model_of(
        *(conv(0, 3, 8), RELU, conv(2, 8, 8), RELU),
        (Binary("add"), {}, "t3", "t1"),
        *(POOL, (Unary("sigmoid"), {}), (Flatten(), {}), dense(6, 48, 4)),
        shape=SHAPE,
    )


def images(count=6, seed=3):
    """Not negative, so that the code of zero is 0 and padding adds nothing."""
    return np.abs(numbers(seed, count, *SHAPE))


def chip_of(adc_bits, **precision):
    """Few planes, which compile quickly."""
    fields = {"act_bits": 4, "weight_bits": 4, **precision}
    overrides = {f"precision.{name}": value for name, value in fields.items()}
    return pj.load_chip("mram-pim-8b", {"adc.bits": adc_bits, **overrides})


@pytest.fixture(scope="module")
def noisy():
    """The network with a 3-bit ADC, its trace, and its report."""
    program = pj.compile(network(), chip_of(adc_bits=3), images())
    return program, pj.run(program, images(), trace=True)[1], compare(program, images(), network())


def decibels(signal, noise) -> float:
    return 10 * log10(signal / noise) if noise else inf


def by_name(report) -> dict[str, LayerReport]:
    return {layer.name: layer for layer in report.layers}


@pytest.mark.slow
def test_signal_and_noise_against_the_float_network(noisy):
    program, trace, report = noisy
    floats = {name: np.asarray(v, np.float64) for name, v in network().tensors(images()).items()}
    rows = by_name(report)
    compared = 0
    for layer in program.plan.graph.layers:
        if layer.tensor is None:
            assert layer.name not in rows
            continue
        row = rows[layer.name]
        if layer.name not in floats:
            assert row.sqnr_db is None
            continue
        exact = floats[layer.name]
        codes = trace[layer.name].codes.astype(np.float64).reshape(exact.shape)
        error = layer.tensor.scale * (codes - layer.tensor.zero_point) - exact
        assert row.sqnr_db == pytest.approx(decibels((exact**2).sum(), (error**2).sum()), abs=1e-3)
        compared += 1
    # The sigmoid and what is made of it are real numbers on the host.
    named = [row.name for row in report.layers if row.sqnr_db is not None]
    assert named == ["t1", "t3", "t4", "t5", "t8"]
    assert compared == 5


def test_a_float_network_in_plain_numpy():
    """Two dense layers, from the images on, without the library."""
    model = model_of(dense(0, 5, 7), RELU, dense(2, 7, 4), shape=(5,))
    x = np.abs(numbers(4, 9, 5))
    program = pj.compile(model, chip_of(adc_bits=4), x)
    report = compare(program, x, model)
    arrays = {
        (n, k): np.asarray(a, np.float64) for n, p in model.params.items() for k, a in p.items()
    }
    hidden = np.maximum(x.astype(np.float64) @ arrays["t0", "kernel"] + arrays["t0", "bias"], 0)
    scores = hidden @ arrays["t2", "kernel"] + arrays["t2", "bias"]
    got = pj.run(program, x).astype(np.float64)
    want = decibels((scores**2).sum(), ((got - scores) ** 2).sum())
    assert report.layers[-1].name == "t2"
    assert report.layers[-1].sqnr_db == pytest.approx(want, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "adc",
    [
        Adc(bits=3),
        Adc(bits=4, step=Fraction(9, 4)),
        Adc(bits=8, step=Fraction(1, 2)),
        Adc(bits=4, step=Fraction(2), offset=Fraction(3), rounding="floor"),
        Adc(bits=8),
    ],
)
def test_what_the_converters_of_a_layer_do(adc):
    """Accumulators times the step beside plain integer dot products of the same codes."""
    model = model_of(conv(0, 3, 8), RELU, conv(2, 8, 5, stride=(2, 2)), shape=SHAPE)
    chip = chip_of(adc_bits=6)
    quantized = _quantized(fold(model), chip, images(), "mse", 99.99)
    names = [layer.name for layer in quantized.graph.layers]
    program = bind(quantized, chip, {name: adc for name in names})
    trace = pj.run(program, images(), trace=True)[1]
    rows = by_name(compare(program, images(), model))
    entering = program.plan.graph.inputs[0].tensor.codes_of(images())
    stored = pj.weights(program)
    for layer in program.plan.graph.layers:
        assert layer.op.in_shift == 0 and layer.op.pad_code == 0
        codes = entering if layer.name == names[0] else trace[names[0]].codes
        window = {"stride": layer.op.stride, "padding": layer.op.padding}
        exact = plain.convolution(codes, stored[layer.name], 0, 0, **window)
        step = adc.step
        error = trace[layer.name].accumulator.astype(np.int64) * step.numerator
        error -= exact * step.denominator
        signal = sum(int(v) ** 2 for v in exact.ravel())
        noise = Fraction(sum(int(v) ** 2 for v in error.ravel()), step.denominator**2)
        row = rows[layer.name]
        assert (row.own_sqnr_db == inf) == (noise == 0)
        if noise:
            assert row.own_sqnr_db == pytest.approx(decibels(signal, float(noise)), abs=1e-3)
        assert row.adc == adc
        assert row.clipped_share == trace[layer.name].stats.clipped_share
    # 8 bits of step 1 or 1/2 hold every sum of these layers: nothing is lost.
    if adc.bits == 8:
        assert all(
            rows[name].own_sqnr_db == inf and rows[name].clipped_share == 0 for name in names
        )


@given(
    st.integers(-(1 << 31) + 1, (1 << 31) - 1),
    st.integers(-200, 200),
    st.sampled_from([Fraction(1), Fraction(2), Fraction(9, 8), Fraction(255, 63), Fraction(1, 3)]),
)
@examples(200)
def test_errors_are_zero_only_where_sums_are_equal(exact, shift, step):
    """Also of sums that float32 cannot tell apart."""
    accumulator = round(exact / step) + shift
    if not -(1 << 31) <= accumulator < 1 << 31:
        return
    pair = [np.array([value], np.int32) for value in (accumulator, exact)]
    got = float(_error(*map(jnp.asarray, pair), step)[0])
    want = accumulator * step - exact
    assert (got == 0) == (want == 0)
    assert got == pytest.approx(float(want), rel=1e-5)


def test_large_errors_are_large():
    big = 1 << 30
    for accumulator, exact in ((big, -big), (-big, big), (big, 0), (0, -(1 << 31))):
        pair = [jnp.asarray(np.array([value], np.int32)) for value in (accumulator, exact)]
        assert float(_error(*pair, Fraction(1))[0]) == pytest.approx(accumulator - exact, rel=1e-6)
        error = float(_error(*pair, Fraction(9, 8))[0])
        assert error == pytest.approx(accumulator * 1.125 - exact, rel=1e-6)


def test_clipped_shares_and_used_ranges_are_exact(noisy):
    program, trace, report = noisy
    for row in report.layers:
        traced = trace[row.name]
        codes, tensor = traced.codes.astype(np.int64), program.plan.graph.tensor(row.name)
        assert row.used_range == (codes.max() - codes.min()) / (tensor.high - tensor.low)
        if traced.stats is None:
            assert row.clipped_share is row.own_sqnr_db is row.adc is None
            assert row.place != "array"
            continue
        low, high = traced.stats.clipped_low, traced.stats.clipped_high
        assert row.clipped_share == (low + high) / traced.stats.conversions
        assert row.adc == program.plan.spec.adc and row.place == "array"
    assert max(row.clipped_share or 0 for row in report.layers) > 0.01


def test_the_size_of_a_batch_does_not_matter(noisy):
    program, _, report = noisy
    for size in (3, 100):
        other = compare(program, images(), network(), batch_size=size)
        for row, same in zip(report.layers, other.layers, strict=True):
            assert (row.name, row.place, row.adc) == (same.name, same.place, same.adc)
            assert (row.clipped_share, row.used_range) == (same.clipped_share, same.used_range)
            for field in ("sqnr_db", "own_sqnr_db"):
                assert getattr(same, field) == pytest.approx(getattr(row, field), abs=1e-4)


def test_the_worst_layer_is_found(noisy):
    report = noisy[2]
    own = {row.name: row.own_sqnr_db for row in report.layers if row.own_sqnr_db is not None}
    assert report.worst.own_sqnr_db == min(own.values())
    assert Report(()).worst is None
    rows = [
        LayerReport(name, "array", None, db, 0.0, 1.0, None)
        for name, db in (("a", 3.0), ("b", 0.0), ("c", -2.0), ("d", inf))
    ]
    assert Report(tuple(rows)).worst.name == "c"
    assert Report(tuple(rows[:2])).worst.name == "b"


def test_the_table(noisy):
    report = noisy[2]
    lines = str(report).splitlines()
    assert len(lines) == 1 + len(report.layers)
    for row, line in zip(report.layers, lines[1:], strict=True):
        assert line.startswith(row.name)
        assert row.place in line
        if row.sqnr_db is not None:
            assert f"{row.sqnr_db:.1f}" in line
        assert ("3 bits, step 1" in line) == (row.place == "array")
    assert len(report.table(name_length=2).splitlines()) == len(lines)


@pytest.mark.parametrize("name", ["mram-pim-digital", "mram-pim-lossless"])
def test_nothing_lost_is_exact(name):
    overrides = {"precision.act_bits": 6, "precision.weight_bits": 6}
    program = pj.compile(network(), pj.load_chip(name, overrides), images())
    report = compare(program, images(), network())
    on_array = [row for row in report.layers if row.place == "array"]
    assert len(on_array) == 3
    assert all(row.own_sqnr_db == inf and row.clipped_share == 0 for row in on_array)
    assert all(row.sqnr_db > 20 for row in on_array)
    assert str(report).count("exact") == 3


@pytest.mark.slow
def test_a_narrow_accumulator_does_not_narrow_what_it_is_compared_with():
    """Codes of 2 bits need 11 bits; exact sums of 72 products, all of them positive, need more."""
    model = model_of(conv(0, 3, 8), RELU, conv(2, 8, 8), shape=SHAPE)
    for arrays in model.params.values():
        arrays["kernel"] = np.abs(arrays["kernel"])
    wide, narrow = (
        pj.compile(model, chip_of(adc_bits=2, accumulator_bits=bits), images()) for bits in (32, 11)
    )
    first, second = (compare(program, images(), model) for program in (wide, narrow))
    for row, same in zip(first.layers, second.layers, strict=True):
        assert row == same


def test_a_quantised_network_has_no_float_one_beside_it(noisy):
    chip = chip_of(adc_bits=3)
    quantized = _quantized(fold(network()), chip, images(), "mse", 99.99)
    program = bind(quantized, chip)
    for model in (None, quantized):
        report = compare(program, images(), model)
        for row, known in zip(report.layers, noisy[2].layers, strict=True):
            assert row == replace(known, sqnr_db=None)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda x: x[0], ValueError, "for one image"),
        (lambda x: x[:0], ValueError, "none given"),
        (lambda x: x * np.nan, ValueError, "finite"),
        (lambda x: x > 0, TypeError, "real numbers"),
    ],
)
def test_images_that_are_refused(noisy, spoil, error, words):
    with pytest.raises(error, match=words):
        compare(noisy[0], spoil(images()), network())


def test_the_arguments_stay(noisy):
    program, model, x = noisy[0], network(), images()
    before = program.digest
    compare(program, x, model)
    assert program.digest == before
    assert (x == images()).all()
    for name, arrays in network().params.items():
        assert all((model.params[name][key] == array).all() for key, array in arrays.items())
