"""Division by a scalar is rounded once, as NumPy does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pimjax.network.ops import Context, Quantize
from pimjax.network.tensor import TensorSpec
from pimjax.numerics.division import divide


@pytest.mark.parametrize("divisor", [1.5, 0.1, 0.0078431, 3.0, 255.0])
@pytest.mark.parametrize("compiled", [False, True])
def test_quotients_are_the_nearest(divisor, compiled):
    x = (np.random.default_rng(0).normal(size=20000) * 100).astype(np.float32)

    def function(value):
        return divide(value, divisor)

    found = (jax.jit(function) if compiled else function)(jnp.asarray(x))
    assert (np.asarray(found) == x / np.float32(divisor)).all()


def test_codes_just_below_a_tie():
    """A reciprocal would take -14.249999 / 1.5 for -9.5."""
    spec = TensorSpec(1.5, 0, -128, 127)
    x = np.nextafter(np.float32([-14.25, 14.25]), np.float32(0))
    codes = Quantize(spec).apply((jnp.asarray(x),), {}, Context()).output
    assert np.asarray(codes).tolist() == spec.codes_of(x).tolist() == [-9, 9]


def test_a_quotient_of_a_quotient():
    """XLA would divide once, by the rounded product of the divisors."""
    x = (np.random.default_rng(1).normal(size=20000) * 100).astype(np.float32)
    found = jax.jit(lambda value: divide(divide(value, 3.0), 0.1))(jnp.asarray(x))
    assert (np.asarray(found) == x / np.float32(3) / np.float32(0.1)).all()
