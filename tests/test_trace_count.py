"""One compilation per shape: other weights, inputs, dtypes or names do not trace again."""

import logging
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.array.convolve import convolve
from tests import oracle
from tests.support import EVERY_ENGINE, assert_same, make_chip, operands

FIELDS = {"act_bits": 3, "weight_bits": 3, "active_wordlines": 11, "adc_bits": 3}


@pytest.fixture(autouse=True)
def nothing_compiled():
    convolve.clear_cache()


def traces_of(call) -> int:
    before = convolve._cache_size()
    call()
    return convolve._cache_size() - before


@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_one_trace_per_shape(engine):
    chip = make_chip(**FIELDS)
    x, w = operands(chip, 3, 23, 5)

    def run(x, w, chip=chip):
        return traces_of(lambda: pj.matmul(x, w, chip, engine=engine))

    assert run(x, w) == 1
    assert run(7 - x, np.clip(-w, -4, 3)) == 0
    for dtype in (np.uint8, np.int32, np.int64, np.uint64):
        assert run(x.astype(dtype), w) == 0
    for dtype in (np.int8, np.int16, np.int64):
        assert run(x, w.astype(dtype)) == 0
    assert run(jnp.asarray(x, jnp.int32), jnp.asarray(w, jnp.int8)) == 0
    assert run(x.tolist(), w.tolist()) == 0
    assert run(x[:2], w) == 1
    assert run(x[:, :-1], w[:-1]) == 1


def test_chips_of_equal_arithmetic_share_what_is_compiled():
    fields = {"precision.act_bits": 3, "precision.weight_bits": 3, "array.active_wordlines": 11}
    chip = pj.load_chip("mram-pim-8b", fields)
    x, w = operands(chip, 2, 17, 4)

    def run(**overrides):
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        other = pj.load_chip("mram-pim-8b", fields | dotted)
        return traces_of(lambda: pj.matmul(x, w, other))

    assert run() == 1
    for unimportant in (
        {"name": "another"},
        {"energy__mac_pj": 7.5},
        {"timing__clock_mhz": 1.0},
        {"mram__capacity_mib": 1.0},
        {"array__wordlines": 4096, "array__banks": 2},
        {"adc__columns_per_adc": 1},
    ):
        assert run(**unimportant) == 0
    assert run(adc__bits=3) == 1


def test_conv2d_and_matmul_trace_once_each():
    chip = make_chip(**FIELDS, adc_step=Fraction(3, 2))
    x, w = operands(chip, 2, 5 * 4 * 3, 1)[0].reshape(2, 5, 4, 3), np.ones((2, 2, 3, 2), np.int64)
    assert traces_of(lambda: pj.conv2d(x, w, chip)) == 1
    assert traces_of(lambda: pj.conv2d(x[::-1], -w, chip)) == 0
    # The same geometry however it is written.
    assert traces_of(lambda: pj.conv2d(x, w, chip, stride=(1, 1), padding=((0, 1), (0, 1)))) == 0
    assert traces_of(lambda: pj.conv2d(x, w, chip, stride=2)) == 1


@pytest.fixture
def compilations(caplog):
    """A function that counts the programs JAX compiles during a call, of whatever function."""

    def count(call) -> int:
        caplog.clear()
        with jax.log_compiles(True), caplog.at_level(logging.DEBUG, logger="jax"):
            call()
        return sum(record.message.startswith("Compiling ") for record in caplog.records)

    return count


def test_a_second_call_compiles_nothing_at_all(compilations):
    """Checks at the border run on the host, so different values cannot bring new programs."""
    chip = make_chip(**FIELDS, adc_symmetric=True)
    x, w = operands(chip, 4, 29, 3)
    assert compilations(lambda: pj.matmul(x, w, chip)) > 0
    assert compilations(lambda: pj.matmul(7 - x, np.clip(-w, -4, 3), chip)) == 0
    assert compilations(lambda: pj.matmul(x.astype(np.uint16), w, chip)) == 0


@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_conv2d_inside_jit(engine):
    chip = make_chip(**FIELDS)
    x, w = operands(chip, 2, 4 * 4 * 3, 1)[0], operands(chip, 1, 2 * 2 * 3, 4)[1]
    x, w = x.reshape(2, 4, 4, 3), w.reshape(2, 2, 3, 4)
    times = 0

    @jax.jit
    def call(x, w):
        nonlocal times
        times += 1
        return pj.conv2d(x, w, chip, stride=2, engine=engine)

    right = oracle.conv2d(x, w, oracle.from_chip(chip), stride=2)
    assert_same(call(jnp.asarray(x, jnp.int32), jnp.asarray(w, jnp.int32)), right)
    y, stats = call(jnp.asarray(7 - x, jnp.int32), jnp.asarray(w, jnp.int32))
    assert times == 1
    assert_same((y, stats), oracle.conv2d(7 - x, w, oracle.from_chip(chip), stride=2))


def test_shapes_alone_are_enough():
    chip = make_chip(**FIELDS)
    x = jax.ShapeDtypeStruct((2, 9, 8, 5), jnp.uint8)
    w = jax.ShapeDtypeStruct((3, 3, 5, 7), jnp.int8)
    y, stats = jax.eval_shape(lambda x, w: pj.conv2d(x, w, chip, padding="VALID"), x, w)
    assert (y.shape, y.dtype) == ((2, 7, 6, 7), jnp.int32)
    assert stats.low_counts.shape == stats.high_counts.shape == (2, 7)


def test_statistics_under_trace_can_be_printed():
    chip = make_chip(**FIELDS)
    seen = []

    @jax.jit
    def call(x, w):
        y, stats = pj.matmul(x, w, chip)
        seen.append(repr(stats))
        return y

    call(jnp.zeros((1, 4), jnp.uint8), jnp.zeros((4, 2), jnp.int8))
    assert seen == [f"Stats(per_row={2 * 9}, counts traced)"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_weights_known_before_tracing_count(kind):
    """Weights that a jitted function closes over are known: their own bound decides."""
    chip = make_chip(**FIELDS, accumulator_bits=10)
    x, codes = np.full((1, 400), 7), np.zeros((400, 1), np.int32)
    codes[0] = 3
    w, traced = kind(codes), jnp.asarray(x)
    right = oracle.matmul(x, codes, oracle.from_chip(chip))
    assert_same(pj.matmul(x, w, chip), right)
    assert_same(jax.jit(lambda x: pj.matmul(x, w, chip))(traced), right)
    kernel = w[None, None]
    y, stats = jax.jit(lambda x: pj.conv2d(x, kernel, chip))(traced[:, None, None])
    assert_same((y[:, 0, 0], stats), right)
    with pytest.raises(ValueError, match=r"precision\.accumulator_bits = 10"):
        jax.jit(lambda x, w: pj.matmul(x, w, chip))(traced, jnp.asarray(w))


def test_nothing_leaks_from_a_trace():
    chip = make_chip(**FIELDS, adc_rounding="floor")
    x, w = operands(chip, 2, 13, 2)
    with jax.checking_leaks():
        got = pj.matmul(x, w, chip)
        jitted = jax.jit(lambda x, w: pj.matmul(x, w, chip))
        in_jit = jitted(jnp.asarray(x, jnp.int32), jnp.asarray(w, jnp.int32))
    right = oracle.matmul(x, w, oracle.from_chip(chip))
    assert_same(got, right)
    assert_same(in_jit, right)
