"""Laws that hold whatever the numbers are, and results that are known without an oracle."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from tests import oracle
from tests.support import EVERY_ENGINE, examples, make_chip, operands, totals

every_engine = pytest.mark.parametrize("engine", EVERY_ENGINE)


def random_codes(chip, x_shape, w_shape, seed):
    known = oracle.from_chip(chip)
    rng = np.random.default_rng(seed)
    low, high = oracle.act_range(known)
    w = rng.choice(np.array(oracle.weight_codes(known)), w_shape)
    return rng.integers(low, high + 1, x_shape), w


LOSSLESS = {
    "no converter": {"adc_kind": "none"},
    "8 bits hold 128 ones": {"adc_bits": 8},
    "a step of a third": {"adc_bits": 10, "adc_step": Fraction(1, 3)},
    "signed": {"act_signed": True, "adc_bits": 8},
    "offset binary": {"weight_encoding": "offset_binary", "adc_bits": 8},
    "pairs, offset": {
        "weight_encoding": "differential",
        "differential_readout": "paired",
        "adc_bits": 9,
        "adc_offset": Fraction(5),
    },
    "digits": {"input_slice_bits": 3, "cell_bits": 2, "adc_bits": 13, "act_signed": True},
    "binary": {"weight_encoding": "binary", "weight_bits": 1, "act_bits": 12, "adc_bits": 8},
    "12 bits": {"act_bits": 12, "weight_bits": 12, "adc_kind": "none", "active_wordlines": 32},
}


def scale_of(chip) -> int:
    """Codes per active cell of a converter that loses nothing."""
    return 1 if chip.adc.kind == "none" else int(1 / chip.adc.step)


@pytest.mark.parametrize("engine", ["auto", "popcount"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_matmul_is_numpys(name, engine):
    fields = {"act_bits": 5, "weight_bits": 4, **LOSSLESS[name]}
    chip = make_chip(**fields)
    x, w = random_codes(chip, (5, 200), (200, 4), seed=1)
    y, stats = pj.matmul(x, w, chip, engine=engine)
    assert (np.asarray(y) == scale_of(chip) * (x @ w)).all()
    assert (stats.clipped_low, stats.clipped_high) == (0, 0)
    assert stats.clipped_share == 0


IMAGES = {
    # lossless chip, (h, w, c), (kh, kw, n), window
    "same": ("no converter", (7, 6, 4), (3, 3, 8), {}),
    "groups": ("8 bits hold 128 ones", (7, 6, 4), (3, 3, 8), {"stride": (2, 1), "groups": 2}),
    "dilation": ("a step of a third", (7, 6, 4), (3, 3, 8), {"dilation": (1, 2)}),
    "uneven": ("signed", (7, 6, 4), (3, 3, 8), {"padding": ((2, 0), (1, 3))}),
    "depthwise": ("offset binary", (7, 6, 4), (3, 3, 8), {"groups": 4}),
    "stride": ("pairs, offset", (7, 6, 4), (3, 3, 8), {"stride": 3}),
    "valid": ("binary", (7, 6, 4), (3, 3, 8), {"padding": "VALID"}),
    "wide": ("12 bits", (7, 6, 4), (3, 3, 8), {}),
    "larger": ("no converter", (25, 19, 16), (3, 3, 40), {}),
    "larger, strided": ("signed", (25, 19, 16), (5, 3, 24), {"stride": 2}),
    "one tap, padded": ("signed", (1, 1, 33), (1, 1, 2), {"padding": ((0, 0), (0, 1))}),
    "one line": ("8 bits hold 128 ones", (1, 40, 33), (1, 3, 5), {}),
}


@pytest.mark.parametrize("name", IMAGES)
def test_lossless_conv2d_is_jax_int32_convolution(name):
    fields, image, (kh, kw, n), window = IMAGES[name]
    chip = make_chip(**{"act_bits": 5, "weight_bits": 4, **LOSSLESS[fields]})
    groups = window.get("groups", 1)
    x, w = random_codes(chip, (2, *image), (kh, kw, image[2] // groups, n), seed=2)
    y, stats = pj.conv2d(x, w, chip, **window)

    def pair(value):
        return value if isinstance(value, tuple) else (value, value)

    right = jax.lax.conv_general_dilated(
        jnp.asarray(x, jnp.int32),
        jnp.asarray(w, jnp.int32),
        window_strides=pair(window.get("stride", 1)),
        padding=window.get("padding", "SAME"),
        rhs_dilation=pair(window.get("dilation", 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    assert y.dtype == right.dtype == jnp.int32
    assert (np.asarray(y) == scale_of(chip) * np.asarray(right)).all()
    assert (stats.clipped_low, stats.clipped_high) == (0, 0)


LOSSY = {"act_bits": 4, "weight_bits": 4, "adc_bits": 3, "active_wordlines": 20}


@every_engine
def test_neighbours_in_the_batch_do_not_matter(engine):
    """The same image among other images, last instead of first, and alone."""
    chip = make_chip(**LOSSY, adc_step=Fraction(3, 2))
    x, w = random_codes(chip, (4, 3, 3, 8), (3, 3, 8, 3), seed=3)
    y, stats = pj.conv2d(x, w, chip, engine=engine)
    among_others = x.copy()
    among_others[1:] = [np.zeros((3, 3, 8)), np.full((3, 3, 8), 15), x[0]]
    y2, stats2 = pj.conv2d(among_others, w, chip, engine=engine)
    alone, stats_alone = pj.conv2d(x[:1], w, chip, engine=engine)
    assert (np.asarray(y[0]) == np.asarray(y2[0])).all()
    assert (np.asarray(y[0]) == np.asarray(y2[3])).all()
    assert (np.asarray(y[0]) == np.asarray(alone[0])).all()
    assert (np.asarray(y2[1]) == 0).all()
    for image in (stats.first(1), stats2.first(1)):
        assert image == stats_alone
    assert stats_alone.clipped_high > 0


@every_engine
def test_the_order_of_row_groups_and_rows_does_not_matter(engine):
    """With a wide accumulator; rows within a row group never matter."""
    chip = make_chip(**LOSSY)
    x, w = random_codes(chip, (5, 100), (100, 4), seed=4)
    right = pj.matmul(x, w, chip, engine=engine)
    rng = np.random.default_rng(5)
    groups = rng.permutation(5)
    order = np.concatenate([20 * t + rng.permutation(20) for t in groups])
    assert (order != np.arange(100)).sum() > 90
    y, stats = pj.matmul(x[:, order], w[order], chip, engine=engine)
    assert (np.asarray(y) == np.asarray(right[0])).all()
    assert stats == right[1]
    assert stats.clipped_high > 0


@every_engine
def test_the_order_of_row_groups_matters_to_a_narrow_accumulator(engine):
    """By hand: 127 + 100 stays at 127, then - 100 is 27; but 127 - 100 + 100 is 127."""
    fields = {"act_bits": 1, "active_wordlines": 1, "accumulator_bits": 8, "adc_kind": "none"}
    chip = make_chip(**fields, accumulator_overflow="saturate")
    w = np.array([[127, 127, -128], [100, -100, -100], [-100, 100, 100]])
    y, _ = pj.matmul(np.ones((1, 3), np.int64), w, chip, engine=engine)
    assert np.asarray(y).tolist() == [[27, 127, -28]]
    wrapping = make_chip(**fields, accumulator_overflow="wrap")
    y, _ = pj.matmul(np.ones((1, 3), np.int64), w, wrapping, engine=engine)
    assert np.asarray(y).tolist() == [[127, 127, -128]]


@examples(8)
@given(st.integers(0, 2**32 - 1))
def test_permuted_outputs_images_and_channels(seed):
    """One compilation: the shapes stay, the order changes."""
    chip = make_chip(**LOSSY, row_order="kernel_channel")
    x, w = random_codes(chip, (3, 4, 3, 20), (2, 2, 20, 3), seed)
    y, stats = pj.conv2d(x, w, chip)
    rng = np.random.default_rng(seed)
    images, outputs, channels = (rng.permutation(n) for n in (3, 3, 20))
    # 20 channels are one row group: their order within it does not matter.
    moved, moved_stats = pj.conv2d(x[images][..., channels], w[:, :, channels][..., outputs], chip)
    assert (np.asarray(moved) == np.asarray(y)[images][..., outputs]).all()
    assert moved_stats == stats


@pytest.mark.parametrize("slices", [1, 3])
def test_encodings_agree_where_nothing_is_lost(slices):
    """Two's complement, offset binary and differential hold the same weights."""
    results = []
    for encoding in ("twos_complement", "offset_binary", "differential"):
        chip = make_chip(
            act_bits=6,
            weight_bits=5,
            weight_encoding=encoding,
            input_slice_bits=slices,
            adc_bits=12,
        )
        x, _ = random_codes(chip, (4, 300), (1, 1), seed=6)
        w = np.random.default_rng(7).integers(-15, 16, (300, 4))
        results.append(pj.matmul(x, w, chip, engine="popcount"))
    for y, _ in results:
        assert (np.asarray(y) == x @ w).all()
    conversions = [stats.conversions for _, stats in results]
    per_column = 4 * 4 * 3 * (6 // slices)
    assert conversions == [per_column * columns for columns in (5, 5, 8)]


def test_zero_weights_and_zero_inputs_give_zero():
    chip = make_chip(**LOSSY)
    x, w = operands(chip, 4, 50, 3)
    y, stats = pj.matmul(np.zeros_like(x), w, chip)
    assert (np.asarray(y) == 0).all()
    assert totals(stats) == (4 * 3 * 3 * 16, 0, 0)
    y, stats = pj.matmul(x, np.zeros_like(w), chip)
    assert (np.asarray(y) == 0).all()
    assert totals(stats) == (4 * 3 * 3 * 16, 0, 0)


COUNTS = {
    # fields, conversions per output and row group, row groups of 90 rows
    "8 x 8 bits": ({}, 64, 1),
    "three row groups": ({"active_wordlines": 40}, 64, 3),
    "slices of 3 bits": ({"input_slice_bits": 3}, 3 * 8, 1),
    "signed slices": ({"input_slice_bits": 3, "act_signed": True}, 4 * 8, 1),
    "cells of 3 bits": ({"cell_bits": 3}, 8 * 4, 1),
    "unsigned cells": ({"cell_bits": 3, "weight_encoding": "offset_binary"}, 8 * 3, 1),
    "separate": ({"weight_encoding": "differential"}, 8 * 14, 1),
    "paired": ({"weight_encoding": "differential", "differential_readout": "paired"}, 8 * 7, 1),
    "binary": ({"weight_encoding": "binary", "weight_bits": 1}, 8, 1),
    "ternary": ({"weight_encoding": "ternary", "weight_bits": 2}, 16, 1),
    "no converter": ({"adc_kind": "none"}, 0, 1),
}


@pytest.mark.parametrize("name", COUNTS)
def test_conversions_are_counted(name):
    """Partly filled row groups and spatial padding count. No input, no compilation: shapes only."""
    fields, per_group, groups = COUNTS[name]
    chip = make_chip(**fields)
    x, w = jnp.zeros((2, 4, 5, 10), jnp.uint8), jnp.ones((3, 3, 10, 3), jnp.int8)
    stats = jax.eval_shape(lambda x, w: pj.conv2d(x, w, chip)[1], x, w)
    assert stats.conversions == 2 * 4 * 5 * 3 * per_group * groups


def test_statistics_add_up():
    chip = make_chip(**LOSSY)
    x, w = random_codes(chip, (4, 100), (100, 4), seed=8)
    _, whole = pj.matmul(x, w, chip)
    _, left = pj.matmul(x[:2], w, chip)
    _, right = pj.matmul(x[2:], w, chip)
    assert left + right == whole
    assert hash(left + right) == hash(whole)
    assert totals(left + right) == totals(whole)
    assert left != whole
    assert whole.clipped_share == whole.clipped_high / whole.conversions > 0
    assert repr(whole) == (
        f"Stats(conversions={4 * 4 * 5 * 16}, clipped_low=0, clipped_high={whole.clipped_high})"
    )
    with pytest.raises(ValueError, match="different layers"):
        left + pj.matmul(x[:2, :20], w[:20], chip)[1]


def test_counts_pass_32_bits():
    """Totals are Python integers: four rows of 2^30 clipped conversions are 2^32."""
    counts = jnp.full((2, 2), 2**30, jnp.int32)
    stats = pj.Stats(counts, counts, per_row=2**31 - 1)
    assert totals(stats) == (4 * (2**31 - 1), 2**32, 2**32)
