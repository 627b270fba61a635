"""The requantiser in float64, by steps, against the product in Python's own float64."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.network.requantize import float64_steps, multiplier_and_exponent, requantize
from tests.support import examples

LOW, HIGH = -(2**31), 2**31 - 1


def right(value: int, factor: float) -> int:
    product = float(value) * factor
    whole = math.floor(abs(product))
    magnitude = whole + (abs(product) - whole >= 0.5)
    return max(-256, min(255, magnitude if product >= 0 else -magnitude))


def found(values, factors) -> list[list[int]]:
    steps = [float64_steps(factor) for factor in factors]
    numbers = {
        "above": jnp.asarray(np.stack([above for above, _ in steps])),
        "base": jnp.asarray(np.array([base for _, base in steps], np.int32)),
    }
    value = jnp.asarray(np.array(values, np.int64).astype(np.int32))
    return np.asarray(requantize(value, "float64", numbers)).tolist()


factors = st.one_of(
    st.floats(2.0**-40, 2.0**12),
    st.sampled_from([0.5, 0.25, 1.0, 1.5, 2.0**-31, 1 / 3, 2.0**-33, 300.0]),
)


@examples(100)
@given(st.lists(factors, min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_results_near_every_tie(factor, seed):
    rng = np.random.default_rng(seed)
    results = rng.integers(-260, 260, 60)
    values = np.array([(results + 0.5) / f for f in factor]).T
    values = np.rint(values) + rng.integers(-1, 2, values.shape)
    values = np.clip(values, LOW, HIGH).astype(np.int64)
    values = np.concatenate([values, [[LOW] * 4, [HIGH] * 4, [0] * 4, [1] * 4, [-1] * 4]])
    assert found(values, factor) == [
        [right(int(v), f) for v, f in zip(row, factor, strict=True)] for row in values
    ]


@examples(20)
@given(factors, st.lists(st.integers(LOW, HIGH), min_size=6, max_size=6))
def test_one_factor_for_all(factor, values):
    rows = np.reshape(values, (2, 1, 3))
    assert found(rows, [factor]) == [[[right(int(v), factor) for v in row[0]]] for row in rows]


def test_ties_go_away_from_zero():
    assert found([[-3, -2, -1, 0, 1, 2, 3]], [0.5]) == [[-2, -1, -1, 0, 1, 1, 2]]


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_factors_that_are_refused(factor):
    with pytest.raises(ValueError, match="a positive number expected"):
        float64_steps(factor)


def test_a_tie_between_two_multipliers_goes_up():
    """0.5 + 2^-33 lies between 2^30 and 2^30 + 1; C's round() goes away from zero."""
    assert multiplier_and_exponent(0.5 + 2.0**-32) == (2**30 + 1, 0)
