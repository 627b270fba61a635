"""Shapes and chips where peers went wrong, or where a word, a row group or a register ends."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import pimjax as pj
from tests import oracle
from tests.support import (
    EVERY_ENGINE,
    assert_same,
    check_matmul,
    make_chip,
    operands,
    totals,
)

every_engine = pytest.mark.parametrize("engine", EVERY_ENGINE)

PRODUCTS = {
    "one of each": ({}, 1, 1, 1),
    "a word less one": ({"act_bits": 2, "weight_bits": 3}, 6, 31, 6),
    "a word": ({"act_bits": 2, "weight_bits": 3}, 6, 32, 6),
    "a word and one": ({"act_bits": 2, "weight_bits": 3}, 6, 33, 6),
    "a row group less one": ({"act_bits": 2, "weight_bits": 3}, 6, 127, 6),
    "a row group": ({"act_bits": 2, "weight_bits": 3}, 6, 128, 6),
    "a row group and one": ({"act_bits": 2, "weight_bits": 3}, 6, 129, 6),
    "192 channels, 128 rows": ({"act_bits": 2, "weight_bits": 3}, 6, 192, 6),
    "256 channels, 127 rows": (
        {"act_bits": 2, "weight_bits": 3, "active_wordlines": 127},
        6,
        256,
        6,
    ),
    "256 channels, 255 rows": (
        {"act_bits": 2, "weight_bits": 2, "active_wordlines": 255},
        2,
        256,
        2,
    ),
    "one row a group": (
        {"act_bits": 2, "weight_bits": 2, "active_wordlines": 1, "adc_step": Fraction(2)},
        6,
        5,
        6,
    ),
    "rows without a word": (
        {"act_bits": 2, "weight_bits": 2, "active_wordlines": 33, "adc_bits": 4},
        6,
        100,
        6,
    ),
    "600 row groups": ({"act_bits": 1, "weight_bits": 2, "active_wordlines": 1}, 3, 600, 3),
    "widths of one bit": (
        {"act_bits": 1, "weight_bits": 1, "adc_bits": 1, "active_wordlines": 4},
        6,
        9,
        6,
    ),
    "signed activations of one bit": (
        {"act_bits": 1, "act_signed": True, "weight_bits": 1, "adc_bits": 2},
        6,
        9,
        6,
    ),
    "digits of twelve bits": (
        {
            "act_bits": 12,
            "weight_bits": 12,
            "weight_encoding": "offset_binary",
            "input_slice_bits": 12,
            "cell_bits": 12,
            "active_wordlines": 30,
            "accumulator_overflow": "wrap",
            "adc_bits": 16,
            "adc_step": Fraction(2**17 + 1, 16),
            "adc_offset": Fraction(-1, 3),
        },
        6,
        40,
        6,
    ),
}


@cache
def product(name: str):
    fields, batch, k, n = PRODUCTS[name]
    chip = make_chip(**fields)
    x, w = operands(chip, batch, k, n, seed=k)
    return chip, x, w, oracle.matmul(x, w, oracle.from_chip(chip))


@every_engine
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(engine, name):
    chip, x, w, want = product(name)
    assert_same(pj.matmul(x, w, chip, engine=engine), want)


CONVOLUTIONS = {
    "3x3x192, 128 rows": ({}, (1, 3, 3, 192), (3, 3, 192, 2), {"padding": "VALID"}),
    "3x3x64 by words": (
        {"active_wordlines": 96, "adc_bits": 5},
        (1, 2, 2, 64),
        (3, 3, 64, 2),
        {},
    ),
    "3x3x64, channel by channel": (
        {"active_wordlines": 9, "row_order": "channel_kernel", "adc_bits": 3},
        (1, 2, 2, 64),
        (3, 3, 64, 2),
        {},
    ),
    "3x3x64, 576 row groups": (
        {"active_wordlines": 1, "act_bits": 1, "adc_step": Fraction(2)},
        (1, 2, 1, 64),
        (3, 3, 64, 2),
        {},
    ),
    "one pixel": ({}, (1, 1, 1, 1), (1, 1, 1, 1), {}),
    "a kernel larger than the image": ({}, (2, 1, 2, 3), (3, 3, 3, 2), {}),
    "depthwise": ({"adc_bits": 3}, (2, 5, 4, 7), (3, 3, 1, 7), {"groups": 7}),
    "depthwise, two each": (
        {"adc_bits": 2, "active_wordlines": 5},
        (1, 4, 4, 3),
        (3, 2, 1, 6),
        {"groups": 3, "stride": 2},
    ),
    "two groups of 32": (
        {"adc_bits": 4, "active_wordlines": 32},
        (1, 2, 2, 64),
        (2, 2, 32, 4),
        {"groups": 2},
    ),
    "stride beyond the kernel": ({}, (1, 7, 7, 2), (1, 2, 2, 2), {"stride": (3, 4)}),
    "dilation": (
        {"adc_bits": 3},
        (1, 6, 5, 3),
        (3, 2, 3, 2),
        {"dilation": (2, 3), "stride": (2, 1)},
    ),
    "uneven padding": (
        {"adc_offset": Fraction(1, 2)},
        (2, 3, 3, 2),
        (2, 2, 2, 2),
        {"padding": ((0, 3), (2, 1)), "stride": 2},
    ),
}


@cache
def convolution(name: str):
    fields, x_shape, w_shape, window = CONVOLUTIONS[name]
    chip = make_chip(**{"act_bits": 3, "weight_bits": 3, **fields})
    batch, pixels, k = x_shape[0], int(np.prod(x_shape[1:])), int(np.prod(w_shape[:3]))
    x, _ = operands(chip, batch, pixels, 1, seed=pixels)
    _, w = operands(chip, 1, k, w_shape[3], seed=k)
    x, w = x.reshape(x_shape), w.reshape(w_shape)
    return chip, x, w, window, oracle.conv2d(x, w, oracle.from_chip(chip), **window)


@every_engine
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(engine, name):
    chip, x, w, window, want = convolution(name)
    assert_same(pj.conv2d(x, w, chip, engine=engine, **window), want)


@pytest.mark.parametrize("name", pj.chip_names())
def test_shipped_chips(name):
    chip = pj.load_chip(name)
    x, w = operands(chip, 3, 300, 4)
    check_matmul("auto", chip, x, w)


@every_engine
@pytest.mark.parametrize("ones", [7, 8, 9])
@pytest.mark.parametrize("readout", ["twos_complement", "separate", "paired"])
def test_columns_that_just_pass_the_adc(engine, readout, ones):
    """3 bits end at 7 ones in a column; a pair of columns with 4 bits at -8 and 7."""
    paired = readout == "paired"
    encoding = {}
    if readout != "twos_complement":
        encoding = {"weight_encoding": "differential", "differential_readout": readout}
    chip = make_chip(
        act_bits=2, weight_bits=3, active_wordlines=32, adc_bits=3 + paired, **encoding
    )
    positive, negative = np.zeros((40, 3), np.int64), np.zeros((40, 3), np.int64)
    positive[:ones, 0], positive[3:5, 1], positive[:2, 2] = 3, 1, 2
    negative[3 : 3 + ones, 0], negative[:2, 1] = -1, -2
    x = np.stack([np.full(40, 3), np.zeros(40, np.int64), np.arange(40) % 4])
    for w, clips in ((positive, ones > 7), (negative, ones > (8 if paired else 7))):
        check_matmul(engine, chip, x, w)
        _, stats = pj.matmul(x, w, chip, engine=engine)
        low = paired and w is negative
        assert (stats.clipped_low > 0) == (clips and low)
        assert (stats.clipped_high > 0) == (clips and not low)


WIDE = {
    "act_bits": 12,
    "weight_bits": 12,
    "input_slice_bits": 5,
    "cell_bits": 4,
    "active_wordlines": 300,
    "accumulator_overflow": "saturate",
    "adc_kind": "none",
}


@pytest.mark.slow
@pytest.mark.parametrize("accumulator_bits", [8, 32])
def test_saturation_sees_sums_beyond_32_bits(accumulator_bits):
    """300 * 4095 * 2048 = 2.5e9: only an engine with 64-bit sums saturates rightly."""
    chip = make_chip(**WIDE, accumulator_bits=accumulator_bits)
    assert pj.engines(chip) == ("reference",)
    x, w = operands(chip, 3, 302, 3)
    for engine in ("reference", "auto"):
        check_matmul(engine, chip, x, w)
    for engine in ("popcount", "dot"):
        with pytest.raises(ValueError, match=rf"engine '{engine}'.*'saturate'.*'reference'"):
            pj.matmul(x, w, chip, engine=engine)


@pytest.mark.slow
@every_engine
def test_wrapping_needs_no_wide_sums(engine):
    chip = make_chip(
        **{**WIDE, "accumulator_overflow": "wrap", "weight_encoding": "offset_binary"},
        accumulator_bits=30,
    )
    assert engine in (*pj.engines(chip), "auto")
    check_matmul(engine, chip, *operands(chip, 3, 302, 3))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["popcount", "reference"])
def test_columns_that_cancel_are_added_exactly(engine):
    """Every code is 65000 or more, so some columns sum to far more than a whole row group."""
    chip = make_chip(
        act_bits=4,
        weight_bits=12,
        active_wordlines=1024,
        accumulator_overflow="wrap",
        adc_bits=16,
        adc_offset=Fraction(-65000),
    )
    check_matmul(engine, chip, *operands(chip, 3, 1024, 3))


@every_engine
@pytest.mark.parametrize(
    ("overflow", "offset"), [("wrap", Fraction(2**20)), ("saturate", Fraction(-(2**20)))]
)
def test_digital_terms_of_any_size(engine, overflow, offset):
    """offset / step is 2^40 and the weights of all conversions sum to 2^24: past 64 bits."""
    chip = make_chip(
        act_bits=12,
        weight_bits=12,
        weight_encoding="offset_binary",
        input_slice_bits=6,
        cell_bits=6,
        accumulator_overflow=overflow,
        adc_offset=offset,
        adc_step=Fraction(1, 2**20),
    )
    check_matmul(engine, chip, *operands(chip, 3, 3, 3))


@every_engine
@pytest.mark.parametrize("step", [Fraction(3, 1031), Fraction(2**20, 2**20 - 1)])
def test_converters_with_a_far_offset(engine, step):
    """The numerator of the exact rule leaves 32 bits although every code is small."""
    chip = make_chip(
        act_bits=8,
        weight_bits=8,
        weight_encoding="offset_binary",
        input_slice_bits=8,
        cell_bits=8,
        active_wordlines=32,
        accumulator_overflow="wrap",
        adc_bits=4,
        adc_step=step,
        adc_offset=Fraction(2**20),
    )
    x, w = np.zeros((4, 32), np.int64), np.full((32, 2), 127)
    # 255 (16 * 255 + 32) + 16 = 2^20: partial sums one below the offset, on it, one above.
    x[:, 0], x[:, 1:17], x[:, 17], x[3] = [15, 16, 17, 0], 255, 32, 255
    w[0], w[::2, 1] = -127, -128
    check_matmul(engine, chip, x, w)
    sums = np.einsum("k,bk->b", w[:, 0] + 128, x)
    assert sums[:3].tolist() == [2**20 - 1, 2**20, 2**20 + 1]


def test_engines_agree_with_the_table():
    chip = pj.load_chip("mram-pim-8b")
    assert sorted(pj.engines(chip)) == sorted(set(EVERY_ENGINE) - {"auto"})
    assert pj.engines(pj.load_chip("mram-pim-digital"))[0] == "dot"
    assert pj.engines(pj.load_chip("mram-pim-8b", {"array.readout": "digital"}))[0] == "dot"
    assert pj.engines(pj.load_chip("mram-pim-8b", {"adc.noise_sigma_lsb": 0.5})) == ()


@pytest.mark.slow
def test_every_engine_gives_the_statistics_of_every_other():
    """Known by hand: all bits of 15 and of -1 are ones, 128 rows, so all 16 conversions clip."""
    chip = make_chip(act_bits=4, weight_bits=4)
    x, w = np.full((2, 256), 15), np.full((256, 3), -1)
    x[1] = 0
    results = [pj.matmul(x, w, chip, engine=engine) for engine in EVERY_ENGINE]
    for y, stats in results:
        assert np.asarray(y).tolist() == [[-15 * 63 * 2] * 3, [0] * 3]
        assert totals(stats) == (2 * 3 * 2 * 16, 0, 3 * 2 * 16)
        assert stats == results[0][1]
