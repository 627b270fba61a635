"""Cells on both sides of a differential pair: every engine sums what is there, not the weight."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array import engines
from pimjax.array.convolve import convolve
from pimjax.array.geometry import resolve
from tests import oracle
from tests.support import EVERY_ENGINE, bitline_of, examples


def product(x, w, common, chip: oracle.OracleChip, engine: str):
    """(y (b, n), clipped low, clipped high) of the library."""
    spec = bitline_of(chip)
    geometry = resolve((len(x), 1, 1, len(w)), (1, 1, *w.shape), 1, "VALID", 1, 1)
    both = None if common is None else jnp.asarray(common, jnp.uint8)[None, None]
    image, kernel = jnp.asarray(x, jnp.int32)[:, None, None], jnp.asarray(w, jnp.int32)[None, None]
    result = convolve(image, kernel, spec, geometry, engines.select(engine, spec), both)
    low, high = (int(counts.sum()) for counts in result[1:])
    return np.asarray(result.y)[:, 0, 0], low, high


@st.composite
def faulty_pairs(draw):
    """x, w, common and a chip whose converter may clip, may round, or may do neither."""
    weight_bits = draw(st.integers(2, 5))
    encoding = "ternary" if weight_bits == 2 else "differential"
    chip = oracle.OracleChip(
        act_bits=draw(st.integers(1, 3)),
        act_signed=draw(st.booleans()),
        weight_bits=weight_bits,
        weight_encoding=encoding,
        differential_readout=draw(st.sampled_from(("separate", "paired"))),
        cell_bits=draw(st.integers(1, 3)),
        active_wordlines=draw(st.sampled_from((4, 7, 33))),
        adc_kind=draw(st.sampled_from(("uniform", "uniform", "none"))),
        adc_bits=draw(st.integers(1, 6)),
        adc_step=draw(st.sampled_from((Fraction(1), Fraction(1), Fraction(3, 2)))),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = oracle.act_range(chip)
    largest = 2 ** (weight_bits - 1) - 1
    x = rng.integers(low, high + 1, (3, 9))
    kept = rng.random((2, 9, 2)) < draw(st.floats(0, 1))
    sides = rng.integers(0, largest + 1, (2, 9, 2)) * kept
    return chip, x, sides[0] - sides[1], sides.min(axis=0)


@pytest.mark.parametrize("engine", EVERY_ENGINE)
@examples(3)
@given(case=faulty_pairs())
def test_cells_on_both_sides(engine, case):
    chip, x, w, common = case
    y, stats = oracle.matmul(x, w, chip, common)
    got, low, high = product(x, w, common, chip, engine)
    assert (got == y).all()
    assert (low, high) == (stats.clipped_low, stats.clipped_high)


@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_a_pair_that_weighs_nothing_still_clips(engine):
    chip = oracle.OracleChip(
        act_bits=1, weight_bits=3, weight_encoding="differential", adc_bits=2, active_wordlines=8
    )
    x, w = np.ones((1, 8), np.int64), np.zeros((8, 1), np.int64)
    w[0] = 1
    common = np.full((8, 1), 2)
    # Both second planes hold 8 active cells, converted to 3; the P column of the first has one.
    assert product(x, w, common, chip, engine) == (np.array([[1]]), 0, 2)
    assert product(x, w, None, chip, engine) == (np.array([[1]]), 0, 0)
    assert oracle.matmul(x, w, chip, common)[0].tolist() == [[1]]
