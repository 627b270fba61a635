"""The three requantisers against the oracle: ties, extremes, one number per channel."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.network.ops import Output
from pimjax.network.requantize import RULES, multiplier_and_exponent, requantize
from pimjax.numerics import saturating
from tests import oracle
from tests.support import examples

LOW, HIGH = -(2**31), 2**31 - 1
ROWS, CHANNELS = 12, 4

edges = st.sampled_from(
    [LOW, LOW + 1, HIGH, HIGH - 1, 0, 1, -1, 2**30, -(2**30), 2**24 + 1, -(2**24) - 1]
)
values = st.lists(
    st.one_of(edges, st.integers(LOW, HIGH), st.integers(-300, 300)),
    min_size=ROWS * CHANNELS,
    max_size=ROWS * CHANNELS,
)


def numbers_of(strategy):
    """One number for all channels, or one for each."""
    return st.one_of(
        strategy.map(lambda number: [number]),
        st.lists(strategy, min_size=CHANNELS, max_size=CHANNELS),
    )


def rescaled(flat, rule, **numbers) -> np.ndarray:
    """(ROWS, CHANNELS): the library's result; a single number is passed as a scalar."""
    dtype = np.float32 if rule == "float32" else np.int32
    arrays = {
        name: jnp.asarray(np.array(n if len(n) > 1 else n[0], dtype)) for name, n in numbers.items()
    }
    value = jnp.asarray(np.array(flat, np.int32).reshape(ROWS, CHANNELS))
    result = requantize(value, rule, arrays)
    assert result.dtype == jnp.int32
    return np.asarray(result)


def by_oracle(flat, rule, *numbers) -> np.ndarray:
    per_channel = [list(n) * (CHANNELS // len(n)) for n in numbers]
    right = [rule(value, *(n[i % CHANNELS] for n in per_channel)) for i, value in enumerate(flat)]
    return np.array(right, np.int64).reshape(ROWS, CHANNELS)


@examples(150)
@given(values, numbers_of(st.integers(0, 31)))
def test_shift(flat, places):
    got = rescaled(flat, "shift", shift=places)
    assert (got == by_oracle(flat, oracle.shift, places)).all()


@pytest.mark.parametrize("places", range(32))
def test_shift_at_every_tie(places):
    half = 2**places >> 1
    around = [half + d for d in (-1, 0, 1)] + [-half + d for d in (-1, 0, 1)]
    flat = [
        v for v in [*around, 3 * half, -3 * half, LOW, HIGH, HIGH - half, 0] if LOW <= v <= HIGH
    ]
    flat = (flat * 5)[: ROWS * CHANNELS]
    got = rescaled(flat, "shift", shift=[places])
    assert (got == by_oracle(flat, oracle.shift, [places])).all()


multipliers = st.one_of(
    st.just(0), st.sampled_from([2**30, 2**30 + 1, HIGH, HIGH - 1]), st.integers(2**30, HIGH)
)


@examples(200)
@given(
    values,
    st.lists(multipliers, min_size=CHANNELS, max_size=CHANNELS),
    st.lists(st.integers(-31, 30), min_size=CHANNELS, max_size=CHANNELS),
)
def test_fixed_point(flat, multiplier, exponent):
    """A value is made small enough that its shift to the left stays within 32 bits."""
    flat = [v >> max(exponent[i % CHANNELS], 0) for i, v in enumerate(flat)]
    got = rescaled(flat, "fixed_point", multiplier=multiplier, exponent=exponent)
    assert (got == by_oracle(flat, oracle.fixed_point, multiplier, exponent)).all()


@pytest.mark.parametrize("exponent", [0, -1, -2, -15, -30, -31])
@pytest.mark.parametrize("multiplier", [2**30, HIGH, 2**30 + 2**29])
def test_fixed_point_at_ties(multiplier, exponent):
    tie = 2 ** (-exponent)
    flat = [
        s * v + d for v in (0, 1, 3, tie, 3 * tie, 5 * tie) for s in (-1, 1) for d in (-1, 0, 1)
    ]
    flat = [max(LOW, min(HIGH, v)) for v in flat] + [LOW, HIGH]
    flat = (flat * 2)[: ROWS * CHANNELS]
    got = rescaled(flat, "fixed_point", multiplier=[multiplier], exponent=[exponent])
    assert (got == by_oracle(flat, oracle.fixed_point, [multiplier], [exponent])).all()


def float32_held(value, scale):
    return max(-(2**30), min(2**30, oracle.float32(value, scale)))


scales = st.one_of(
    st.sampled_from([1.0, 0.5, 0.25, 2.0, 1.5, 2.0**-31, 2.0**-33, 2.0**30]),
    st.floats(2.0**-40, 2.0**40, width=32),
    st.floats(2.0**-12, 1.0, width=32),
)


@examples(200)
@given(values, numbers_of(scales))
def test_float32(flat, scale):
    got = rescaled(flat, "float32", scale=scale)
    assert (got == by_oracle(flat, float32_held, scale)).all()


def test_float32_rounds_ties_to_even():
    flat = (list(range(-12, 12)) * 2)[: ROWS * CHANNELS]
    assert rescaled(flat, "float32", scale=[0.5])[:3].ravel().tolist() == [
        -6, -6, -5, -4, -4, -4, -3, -2, -2, -2, -1, 0
    ]  # fmt: skip


def test_the_rules_are_the_promised_ones():
    assert set(RULES) == {"none", "shift", "fixed_point", "float32", "float64"}


@examples(300)
@given(st.floats(2.0**-32, 2.0**30, exclude_max=True))
def test_multipliers_are_the_nearest(real):
    try:
        multiplier, exponent = multiplier_and_exponent(real)
    except ValueError:
        # Only a number that rounds up to 2^30 itself has no exponent of 30 or less.
        assert real > 2.0**30 - 1
        return
    assert 2**30 <= multiplier < 2**31
    assert -31 <= exponent <= 30
    nearest = multiplier * 2.0 ** (exponent - 31)
    for neighbour in (multiplier - 1, multiplier + 1):
        assert abs(real - nearest) <= abs(real - neighbour * 2.0 ** (exponent - 31))


@pytest.mark.parametrize(
    ("real", "pair"),
    [
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (0.75, (3 * 2**29, 0)),
        (2.0**29, (2**30, 30)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (1e-300, (0, 0)),
        (1 - 2.0**-53, (2**30, 1)),
    ],
)
def test_multipliers_by_hand(real, pair):
    assert multiplier_and_exponent(real) == pair


@pytest.mark.parametrize(
    "real", [0.0, -1.0, 2.0**30, 2.0**30 * (1 - 2**-53), float("inf"), float("nan"), float("-inf")]
)
def test_factors_without_a_multiplier(real):
    with pytest.raises(ValueError, match=r"requantisation factor .*: a positive number below"):
        multiplier_and_exponent(real)


zero_points = st.sampled_from([0, 5, -128, 127, 255])


@examples(100)
@given(values, st.integers(0, 31), zero_points, st.sampled_from([(-128, 127), (0, 255), (0, 6)]))
def test_output_codes_are_clamped_never_wrapped(flat, places, zero_point, limits):
    out = Output("shift", zero_point, *limits)
    value = jnp.asarray(np.array(flat, np.int32).reshape(ROWS, CHANNELS))
    got = np.asarray(out.codes(value, {"shift": jnp.int32(places)}))

    def right(v):
        return oracle.output_code(
            v, lambda t: oracle.shift(t, places), *limits, zero_point=zero_point
        )

    assert (got == by_oracle(flat, right)).all()


@examples(100)
@given(values, values)
def test_saturating_addition(a, b):
    right = [max(LOW, min(HIGH, x + y)) for x, y in zip(a, b, strict=True)]
    got = saturating.add(*(jnp.asarray(np.array(v, np.int32)) for v in (a, b)))
    assert np.asarray(got).tolist() == right
