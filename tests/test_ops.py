"""Each operation of a network against the oracle."""

from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.network.ops import (
    OPS,
    Add,
    AveragePool,
    Context,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Output,
)
from tests import oracle
from tests.support import examples, make_chip, totals

CHIP = make_chip(act_bits=4, weight_bits=4, active_wordlines=9, adc_bits=3)
KNOWN = oracle.from_chip(CHIP)
CONTEXT = Context(CHIP.bitline())

windows = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(("SAME", "VALID", ((1, 0), (0, 1))))


def codes(seed: int, shape: tuple, low: int, high: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape)


def as_int32(array) -> jax.Array:
    return jnp.asarray(np.asarray(array, np.int32))


def pool_shapes(window, padding) -> bool:
    """Whether every window of that padding meets the image, as the oracle wants it."""
    return not isinstance(padding, tuple) or min(window) > 1


@examples(15)
@given(st.integers(0, 99), windows, windows, paddings)
def test_max_pool(seed, window, stride, padding):
    x = codes(seed, (2, 5, 4, 3), -128, 127)
    if not pool_shapes(window, padding):
        padding = "VALID"
    got = MaxPool(window, stride, padding).apply((as_int32(x),), {}, CONTEXT)
    assert (np.asarray(got.output) == oracle.max_pool(x, window, stride, padding)).all()
    assert got.accumulator is None
    assert got.stats is None


def test_padding_never_wins_even_over_the_lowest_code():
    x = np.full((1, 1, 1, 1), -(2**31))
    got = MaxPool((2, 2), (1, 1), ((1, 0), (0, 1))).apply((as_int32(x),), {}, CONTEXT)
    assert np.asarray(got.output).tolist() == [[[[-(2**31)]]]]


@pytest.mark.slow
@examples(15)
@given(
    st.integers(0, 99),
    windows,
    windows,
    paddings,
    st.integers(-128, 127),
    st.integers(-128, 127),
    st.integers(0, 4),
)
def test_average_pool(seed, window, stride, padding, in_zero, zero_point, places):
    x = codes(seed, (2, 5, 4, 3), -128, 127)
    if not pool_shapes(window, padding):
        padding = "VALID"
    op = AveragePool(window, stride, Output("shift", zero_point, -128, 127), padding, in_zero)
    got = op.apply((as_int32(x),), {"shift": jnp.int32(places)}, CONTEXT)
    right = oracle.average_pool(
        x,
        window,
        stride,
        lambda total, count: oracle.shift(total, places),
        -128,
        127,
        padding,
        zero_point_in=in_zero,
        zero_point=zero_point,
    )
    assert (np.asarray(got.output) == right).all()


def test_padding_of_an_average_is_real_zero():
    """By hand: codes 5 and 7 with zero point 3 are 2 and 4; the padding adds nothing."""
    x = as_int32([[[[5], [7]]]])
    op = AveragePool((1, 2), (1, 1), Output("shift", 10, -128, 127), ((0, 0), (1, 1)), in_zero=3)
    got = op.apply((x,), {"shift": jnp.int32(0)}, CONTEXT)
    assert np.asarray(got.output).ravel().tolist() == [12, 16, 14]


int32s = st.lists(
    st.one_of(st.sampled_from([0, 127, -128, 255, 2**24, -(2**24)]), st.integers(-300, 300)),
    min_size=12,
    max_size=12,
)


@examples(30)
@given(
    int32s,
    int32s,
    st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    st.integers(-128, 127),
    st.floats(2.0**-20, 2.0**30, width=32),
    st.integers(0, 31),
)
def test_add(a, b, in_zeros, zero_point, scale, places):
    op = Add(("float32", "shift"), in_zeros, zero_point, -128, 127)
    params = {"a_scale": jnp.float32(scale), "b_shift": jnp.int32(places)}
    inputs = tuple(as_int32(v).reshape(1, 2, 2, 3) for v in (a, b))
    got = np.asarray(op.apply(inputs, params, CONTEXT).output)

    def in_float32(value):
        return max(-(2**30), min(2**30, oracle.float32(value, scale)))

    right = [
        oracle.add_branches(
            *pair, in_float32, lambda v: oracle.shift(v, places), -128, 127, *in_zeros, zero_point
        )
        for pair in zip(a, b, strict=True)
    ]
    assert got.ravel().tolist() == right


@pytest.mark.parametrize(("sign", "code"), [(1, 127), (-1, -128)])
def test_two_large_branches_do_not_wrap(sign, code):
    op = Add(("float32", "float32"), (0, 0), 0, -128, 127)
    branch = as_int32([[[[sign * 255]]]])
    params = {"a_scale": jnp.float32(2.0**23), "b_scale": jnp.float32(2.0**23)}
    assert np.asarray(op.apply((branch, branch), params, CONTEXT).output).ravel().tolist() == [code]


def test_add_with_numbers_per_channel():
    op = Add(("shift", "fixed_point"), (0, 0), 1, -128, 127)
    params = {
        "a_shift": as_int32([0, 1]),
        "b_multiplier": as_int32([2**30, 2**30]),
        "b_exponent": as_int32([1, 0]),
    }
    a, b = as_int32([[[[10, 10]]]]), as_int32([[[[4, 4]]]])
    got = op.apply((a, b), params, CONTEXT)
    assert np.asarray(got.output).ravel().tolist() == [10 + 4 + 1, 5 + 2 + 1]


def test_flatten_goes_row_by_row():
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    got = np.asarray(Flatten().apply((as_int32(x),), {}, CONTEXT).output)
    assert got.tolist() == [x[i].ravel().tolist() for i in range(2)]


def requantised(y, bias, numbers, zero_point, limits, shortcut=None) -> np.ndarray:
    right = np.empty(y.shape, np.int64)
    for at in np.ndindex(y.shape):
        multiplier, exponent = (int(n[at[-1]]) for n in numbers)
        right[at] = oracle.output_code(
            int(y[at]),
            lambda v, m=multiplier, e=exponent: oracle.fixed_point(v, m, e),
            *limits,
            bias=int(bias[at[-1]]),
            shortcut=0 if shortcut is None else int(shortcut[at]),
            zero_point=zero_point,
        )
    return right


NUMBERS = (np.array([2**30, 2**31 - 1, 2**30 + 12345]), np.array([-1, 0, -4]))


@pytest.mark.parametrize("pad_code", [0, 6])
@pytest.mark.parametrize("with_shortcut", [False, True])
def test_conv(pad_code, with_shortcut):
    """Padding with the zero point, bias, shortcut, one multiplier per channel, clamp."""
    x, w = codes(1, (2, 5, 4, 4), 0, 15), codes(2, (3, 3, 2, 6), -8, 7)
    numbers = tuple(np.concatenate([n, n[::-1]]) for n in NUMBERS)
    bias = np.array([10, -20, 0, 70, 2**20, -(2**20)])
    window = {"stride": (2, 1), "groups": 2}
    op = Conv(
        Output("fixed_point", 3, 0, 15),
        padding=((1, 1), (2, 0)),
        pad_code=pad_code,
        shortcut_shift=2,
        **window,
    )
    shortcut = codes(4, (2, 3, 4, 6), 0, 15)
    inputs = (as_int32(x), as_int32(shortcut)) if with_shortcut else (as_int32(x),)
    params = {
        "weights": jnp.asarray(w.astype(np.int8)),
        "bias": as_int32(bias),
        "multiplier": as_int32(numbers[0]),
        "exponent": as_int32(numbers[1]),
    }
    got = op.apply(inputs, params, CONTEXT)

    padded = np.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)), constant_values=pad_code)
    y, stats = oracle.conv2d(padded, w, KNOWN, padding="VALID", **window)
    assert (np.asarray(got.accumulator) == y).all()
    assert totals(got.stats) == totals(stats)
    shortcut = shortcut * 4 if with_shortcut else None
    right = requantised(y, bias, numbers, 3, (0, 15), shortcut)
    assert len(set(right.ravel())) > 8
    assert (np.asarray(got.output) == right).all()


def test_dense():
    x, w = codes(5, (3, 40), 0, 15), codes(6, (40, 3), -8, 7)
    bias = np.array([5, -5, 1000])
    params = {
        "weights": jnp.asarray(w.astype(np.int8)),
        "bias": as_int32(bias),
        "multiplier": as_int32(NUMBERS[0]),
        "exponent": as_int32(NUMBERS[1]),
    }
    op = Dense(Output("fixed_point", -7, -128, 127))
    got = op.apply((as_int32(x),), params, CONTEXT)
    y, stats = oracle.matmul(x, w, KNOWN)
    assert (np.asarray(got.accumulator) == y).all()
    assert totals(got.stats) == totals(stats)
    right = requantised(y, bias, NUMBERS, -7, (-128, 127))
    assert (np.asarray(got.output) == right).all()
    assert len(set(right.ravel())) > 5


@pytest.mark.parametrize(("bias", "code"), [(1, 127), (2**31 - 1, 127)])
def test_a_bias_beyond_the_word_saturates(bias, code):
    """A saturated accumulator plus a bias must not come out negative."""
    chip = make_chip(
        act_bits=12,
        weight_bits=12,
        input_slice_bits=12,
        cell_bits=12,
        accumulator_overflow="saturate",
        adc_kind="none",
    )
    spec = chip.bitline()
    op = Dense(Output("shift", 0, -128, 127))
    params = {
        "weights": jnp.full((300, 1), 2047, jnp.int16),
        "bias": as_int32([bias]),
        "shift": jnp.int32(20),
    }
    x = as_int32(np.full((1, 300), 4095))
    got = op.apply((x,), params, Context(spec))
    assert np.asarray(got.accumulator).tolist() == [[2**31 - 1]]
    assert np.asarray(got.output).tolist() == [[code]]


def test_operations_are_static():
    """Frozen and hashable: a plan of them can be a static argument of jit."""
    assert len(set(OPS)) == len(OPS) >= 6
    first, second = (Conv(Output("shift", 0, 0, 255), stride=(2, 2)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    for op in OPS:
        assert op.__dataclass_params__.frozen
        assert "params" not in {field.name for field in fields(op)}
