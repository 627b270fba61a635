"""Codes that move, change their scale or are held; the digital sum of inputs."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.digital import input_term, input_term_bound
from pimjax.network.ops import (
    Clamp,
    Concat,
    Context,
    Flatten,
    Identity,
    Output,
    Pad,
    Rescale,
    Reshape,
    Slice,
    Spread,
    Take,
    Transpose,
)
from tests import oracle, plain
from tests.support import examples, make_chip

CODES = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 5)).astype(np.int32)

MOVES = [
    (Reshape((4, 15)), lambda x: [image.reshape(4, 15) for image in x]),
    (Reshape((-1, 6)), lambda x: [image.reshape(10, 6) for image in x]),
    (Flatten(), lambda x: [image.ravel() for image in x]),
    (Identity(), lambda x: x),
    (Transpose((2, 0, 1)), lambda x: [np.moveaxis(image, 2, 0) for image in x]),
    (Transpose((1, 0, 2)), lambda x: [np.swapaxes(image, 0, 1) for image in x]),
    (Slice((0, 1, 0), (3, 4, 5), (1, 2, 1)), lambda x: [image[:, 1:4:2] for image in x]),
    (Slice((2, 0, -2), (None, 4, None), (-1, 1, -2)), lambda x: [i[::-1, :, 3::-2] for i in x]),
    (Slice((1, 0, 0), (99, 4, -1), (1, 3, 1)), lambda x: [i[1:, ::3, :-1] for i in x]),
    (Take(0, (2, 0, 0)), lambda x: [np.stack([i[2], i[0], i[0]]) for i in x]),
    (Take(2, (4, 1)), lambda x: [np.stack([i[..., 4], i[..., 1]], axis=-1) for i in x]),
]


def applied(op, *inputs, **params) -> np.ndarray:
    arrays = {name: jnp.asarray(array) for name, array in params.items()}
    result = op.apply(tuple(jnp.asarray(x) for x in inputs), arrays, Context())
    assert result.accumulator is None
    assert result.stats is None
    return np.asarray(result.output)


@pytest.mark.parametrize(("op", "right"), MOVES, ids=[repr(op)[:40] for op, _ in MOVES])
def test_moves_are_exact_on_codes_and_on_real_numbers(op, right):
    for x in (CODES, CODES.astype(np.float32) / 7):
        got = applied(op, x)
        assert got.dtype == x.dtype
        assert got.tolist() == np.array(right(x)).tolist()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenation(axis):
    parts = CODES, CODES[:, :, :, ::-1] * 2, CODES + 1
    got = applied(Concat(axis), *parts)
    rows = [row for part in parts for row in np.moveaxis(part, axis + 1, 0)]
    assert got.tolist() == np.moveaxis(np.array(rows), 0, axis + 1).tolist()


@pytest.mark.parametrize("value", [0, -3])
def test_padding_and_cropping(value):
    got = applied(Pad(((1, 2), (0, -1), (-2, 3)), value), CODES)
    right = np.full((2, 6, 3, 6), value)
    right[:, 1:4, :, :3] = CODES[:, :, :3, 2:]
    assert got.dtype == np.int32
    assert got.tolist() == right.tolist()


@pytest.mark.parametrize(
    ("mode", "rows"), [("reflect", [2, 1, 0, 1, 2, 1]), ("edge", [0, 0, 0, 1, 2, 2])]
)
def test_padding_with_the_image_itself(mode, rows):
    got = applied(Pad(((2, 1), (0, 0), (0, 0)), mode=mode), CODES)
    assert got.tolist() == CODES[:, rows].tolist()


@pytest.mark.parametrize("gaps", [(0, 0), (1, 0), (2, 3)])
def test_gaps_between_neighbours(gaps):
    got = applied(Spread(gaps, 7), CODES)
    right = np.full((2, 3 + 2 * gaps[0], 4 + 3 * gaps[1], 5), 7)
    for i in range(3):
        for j in range(4):
            right[:, i * (gaps[0] + 1), j * (gaps[1] + 1)] = CODES[:, i, j]
    assert got.tolist() == right.tolist()


def test_a_clamp():
    assert applied(Clamp(-5, 90), CODES).tolist() == [
        [[[min(max(v, -5), 90) for v in c] for c in b] for b in a] for a in CODES.tolist()
    ]


@given(
    st.floats(2.0**-12, 2.0**8),
    st.integers(-128, 127),
    st.integers(-128, 127),
    st.sampled_from(((-128, 127), (0, 255), (-30, 30))),
)
def test_a_rescale(factor, in_zero, zero_point, limits):
    multiplier, exponent = plain.multiplier_and_exponent(factor)
    got = applied(
        Rescale(Output("fixed_point", zero_point, *limits), in_zero),
        CODES,
        multiplier=np.int32(multiplier),
        exponent=np.int32(exponent),
    )
    right = [
        oracle.output_code(
            int(code) - in_zero,
            lambda v: oracle.fixed_point(v, multiplier, exponent),
            *limits,
            zero_point=zero_point,
        )
        for code in CODES.ravel()
    ]
    assert got.ravel().tolist() == right


# The digital sum of inputs, for weights that are stored moved.

steps = st.builds(Fraction, st.integers(1, 300), st.integers(1, 300))


@examples(60)
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(-255, 255)), min_size=6, max_size=6), steps
)
def test_an_input_term_is_rounded_half_to_even(pairs, step):
    sums, shifts = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    got = input_term(jnp.asarray(sums), jnp.asarray(shifts), step)
    assert got.dtype == jnp.int32
    right = [oracle.round_rational(Fraction(x * w) / step, "half_even") for x, w in pairs]
    assert np.asarray(got).tolist() == right


@pytest.mark.parametrize(
    ("product", "step", "right"),
    [
        (5, Fraction(2), 2),
        (7, Fraction(2), 4),
        (-5, Fraction(2), -2),
        (-7, Fraction(2), -4),
        (3, Fraction(6, 5), 2),
        (-3, Fraction(6, 5), -2),
        (1, Fraction(1, 3), 3),
    ],
)
def test_ties_of_an_input_term(product, step, right):
    assert int(input_term(jnp.int32(product), jnp.int32(1), step)) == right


@examples(40)
@given(st.booleans(), st.integers(1, 12), st.integers(1, 5000), st.integers(1, 4095), steps)
def test_what_the_bound_allows_fits_32_bits(signed, bits, k, shift, step):
    spec = make_chip(act_bits=bits, act_signed=signed, adc_step=step).bitline()
    if input_term_bound(k, spec, shift) >= 2**31:
        return
    for x in spec.act_range:
        product = k * x * shift * step.denominator
        whole, rest = divmod(product, step.numerator)
        assert max(abs(product), abs(whole) + 1, 2 * rest) < 2**31
