"""Post-training quantisation of a layer, against its definition in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.frontend.quantize import quantize_layer, weight_codes


@given(seed=st.integers(0, 999), bits=st.integers(2, 12))
def test_weight_codes_are_the_nearest(seed, bits):
    kernel = np.random.default_rng(seed).normal(size=(2, 3, 4))
    codes, scales = weight_codes(kernel, bits)
    assert (np.abs(codes).reshape(-1, 4).max(axis=0) == 2 ** (bits - 1) - 1).all()
    assert (np.abs(kernel - codes * scales) <= scales / 2 * (1 + 1e-12)).all()


def test_a_channel_of_zeros():
    codes, scales = weight_codes(np.zeros((5, 2)), 8)
    assert (codes == 0).all() and (scales == 1).all()


@given(
    seed=st.integers(0, 999), step=st.sampled_from([Fraction(1), Fraction(4), Fraction(255, 63)])
)
def test_layer_numbers_mean_what_they_should(seed, step):
    rng = np.random.default_rng(seed)
    kernel, bias = rng.normal(size=(6, 3)), rng.normal(size=3)
    layer = quantize_layer(kernel, bias, 0.02, 0.05, 8, step, (0, 255))
    _, scales = weight_codes(kernel, 8)
    unit = 0.02 * scales * float(step)
    assert (np.abs(np.asarray(layer.params["bias"]) - bias / unit) <= 0.5 + 1e-9).all()
    multiplier = np.asarray(layer.params["multiplier"], np.float64)
    factor = multiplier * 2.0 ** (np.asarray(layer.params["exponent"], np.float64) - 31)
    assert factor == pytest.approx(unit / 0.05, rel=2.0**-30)
    assert (layer.output.low, layer.output.high, layer.output.rule) == (0, 255, "fixed_point")


def test_a_bias_beyond_the_accumulator_is_refused():
    with pytest.raises(ValueError, match="bias"):
        quantize_layer(np.ones((2, 1)), np.ones(1), 1e-7, 1.0, 8, Fraction(1), (0, 255))
