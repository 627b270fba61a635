"""The array's arithmetic against hand-worked vectors and laws that use none of its code."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import (
    OracleChip,
    Stats,
    act_digits,
    act_range,
    conversion_weights,
    convert,
    from_chip,
    matmul,
    round_rational,
    slice_weights,
    weight_cells,
    weight_codes,
)
from tests.oracle.strategies import act_codes, chips, draw_operands

HALF = Fraction(1, 2)


# Codes, digits and cells


def test_code_ranges_by_hand():
    def ends(**fields):
        legal = weight_codes(OracleChip(**fields))
        return legal[0], legal[-1], len(legal)

    assert ends(weight_bits=4) == (-8, 7, 16)
    assert ends(weight_bits=4, weight_encoding="offset_binary") == (-8, 7, 16)
    assert ends(weight_bits=4, weight_encoding="differential") == (-7, 7, 15)
    assert ends(weight_bits=1, weight_encoding="binary") == (-1, 1, 2)
    assert ends(weight_bits=2, weight_encoding="ternary") == (-1, 1, 3)
    assert act_range(OracleChip()) == (0, 255)
    assert act_range(OracleChip(act_signed=True)) == (-128, 127)


def test_digits_of_inputs_by_hand():
    unsigned = OracleChip(act_bits=5, input_slice_bits=2)
    assert act_digits(0b11001, unsigned) == [1, 2, 1]
    assert slice_weights(unsigned) == [1, 4, 16]
    signed = OracleChip(act_bits=4, act_signed=True, input_slice_bits=2)
    assert act_digits(-3, signed) == [1, 1, 1]  # 1101: low digit 01, narrow digit 1, sign 1
    assert slice_weights(signed) == [1, 4, -8]


@pytest.mark.parametrize(
    ("fields", "w", "cells", "weights"),
    [
        ({"weight_bits": 4}, -3, [1, 0, 1, 1], [1, 2, 4, -8]),
        ({"weight_bits": 4, "cell_bits": 2}, -3, [1, 1, 1], [1, 4, -8]),
        ({"weight_bits": 4, "weight_encoding": "offset_binary"}, -3, [1, 0, 1, 0], [1, 2, 4, 8]),
        (
            {"weight_bits": 4, "weight_encoding": "offset_binary", "cell_bits": 3},
            7,
            [7, 1],
            [1, 8],
        ),
        (
            {"weight_bits": 4, "weight_encoding": "differential"},
            -5,
            [0, 0, 0, 1, 0, 1],
            [1, 2, 4, -1, -2, -4],
        ),
        (
            {
                "weight_bits": 4,
                "weight_encoding": "differential",
                "differential_readout": "paired",
                "cell_bits": 2,
            },
            6,
            [2, 1, 0, 0],
            [1, 4],
        ),
        ({"weight_bits": 1, "weight_encoding": "binary"}, 1, [1], [2]),
        ({"weight_bits": 1, "weight_encoding": "binary"}, -1, [0], [2]),
        ({"weight_bits": 2, "weight_encoding": "ternary"}, -1, [0, 1], [1, -1]),
    ],
)
def test_cells_of_weights_by_hand(fields, w, cells, weights):
    chip = OracleChip(**fields)
    assert weight_cells(w, chip) == cells
    assert conversion_weights(chip) == weights


@given(chips(), st.data())
def test_digits_and_cells_spell_the_code(chip, data):
    x = data.draw(st.sampled_from(act_codes(chip)))
    drive = act_digits(x, chip)
    assert sum(a * b for a, b in zip(drive, slice_weights(chip), strict=True)) == x
    assert all(0 <= digit < 2**chip.input_slice_bits for digit in drive)
    w = data.draw(st.sampled_from(weight_codes(chip)))
    cells = weight_cells(w, chip)
    assert all(0 <= cell < 2**chip.cell_bits for cell in cells)
    weights = conversion_weights(chip)
    if chip.paired:
        weights = weights + [-weight for weight in weights]
    added = {"binary": -1, "offset_binary": -(2 ** (chip.weight_bits - 1))}
    spelled = sum(a * b for a, b in zip(cells, weights, strict=True))
    assert spelled + added.get(chip.weight_encoding, 0) == w


def test_codes_out_of_range_are_refused_with_name_index_value_and_range():
    differential = OracleChip(weight_bits=4, weight_encoding="differential")
    with pytest.raises(ValueError, match=r"w\[1, 0\] is -8; allowed codes: -7\.\.7"):
        matmul([[0, 0]], [[1], [-8]], differential)
    with pytest.raises(ValueError, match=r"x\[0, 0\] is 256; allowed codes: 0\.\.255"):
        matmul([[256]], [[1]], OracleChip())
    with pytest.raises(ValueError, match=r"w\[0, 0\] is 0; allowed codes: -1, 1"):
        matmul([[1]], [[0]], OracleChip(weight_bits=1, weight_encoding="binary"))
    with pytest.raises(TypeError, match="float64"):
        matmul([[1.0]], [[1]], OracleChip())


# The ADC


@pytest.mark.parametrize(
    ("value", "half_even", "half_up", "floor"),
    [
        (Fraction(-5, 2), -2, -2, -3),
        (Fraction(-3, 2), -2, -1, -2),
        (Fraction(-1, 2), 0, 0, -1),
        (Fraction(1, 2), 0, 1, 0),
        (Fraction(3, 2), 2, 2, 1),
        (Fraction(5, 2), 2, 3, 2),
        (Fraction(-7, 4), -2, -2, -2),
        (Fraction(-5, 4), -1, -1, -2),
        (Fraction(7, 4), 2, 2, 1),
        (Fraction(-3), -3, -3, -3),
    ],
)
def test_three_roundings(value, half_even, half_up, floor):
    assert round_rational(value, "half_even") == half_even
    assert round_rational(value, "half_up") == half_up
    assert round_rational(value, "floor") == floor


@given(st.fractions(min_value=-50, max_value=50, max_denominator=12))
def test_half_even_is_pythons_round(value):
    assert round_rational(value, "half_even") == round(value)


def test_clipping_is_judged_on_the_rounded_value():
    chip = OracleChip(adc_bits=2, adc_step=Fraction(4))
    assert convert(14, chip) == (3, False, True)  # 3.5 -> 4
    assert convert(13, chip) == (3, False, False)  # 3.25 -> 3
    low = OracleChip(adc_bits=2, adc_offset=HALF)
    assert convert(0, low) == (0, False, False)  # -0.5 -> 0
    assert convert(0, replace(low, adc_rounding="floor")) == (0, True, False)  # -0.5 -> -1
    assert convert(9, replace(low, adc_kind="none")) == (9, False, False)


def test_symmetric_drops_the_lowest_code_of_the_signed_range_only():
    paired = OracleChip(
        adc_bits=3, weight_encoding="differential", differential_readout="paired", weight_bits=4
    )
    assert convert(-4, paired) == (-4, False, False)
    assert convert(-5, paired) == (-4, True, False)
    assert convert(4, paired) == (3, False, True)
    assert convert(-4, replace(paired, adc_symmetric=True)) == (-3, True, False)
    unsigned = OracleChip(adc_bits=3, adc_symmetric=True)
    assert convert(0, unsigned) == (0, False, False)
    assert convert(7, unsigned) == (7, False, False)


def test_rational_step_meets_full_scale():
    chip = OracleChip(adc_bits=6, adc_step=Fraction(255, 63))
    assert convert(255, chip) == (63, False, False)
    assert convert(2, chip) == (0, False, False)  # 126 / 255 is below one half
    assert convert(3, chip) == (1, False, False)


# Matrix products by hand


def test_a_saturating_product_by_hand():
    chip = OracleChip(act_bits=2, weight_bits=2, active_wordlines=2, adc_bits=1)
    x, w = [[3, 3, 1]], [[1], [-1], [-2]]
    # Rows 0, 1: plane 0 sums 2 in both slices and clips to 1, plane 1 sums 1: (1 - 2) (1 + 2).
    # Row 2: plane 1 alone, slice 0: -2.
    y, stats = matmul(x, w, chip)
    assert y.tolist() == [[-5]]
    assert stats == Stats(conversions=8, clipped_low=0, clipped_high=2)
    assert matmul(x, w, replace(chip, adc_bits=2))[0].tolist() == [[-2]]


def test_separate_and_paired_columns_by_hand():
    chip = OracleChip(
        act_bits=1, weight_bits=2, weight_encoding="differential", adc_bits=1, active_wordlines=4
    )
    x, w = [[1, 1, 1, 1]], [[1, -1], [1, -1], [-1, -1], [1, -1]]
    y, stats = matmul(x, w, chip)  # P = 3, 0 and N = 1, 4, each at most 1
    assert y.tolist() == [[0, -1]]
    assert stats == Stats(4, 0, 2)
    y, stats = matmul(x, w, replace(chip, differential_readout="paired"))  # 2 and -4 in -1..0
    assert y.tolist() == [[0, -1]]
    assert stats == Stats(2, 1, 1)
    wide = replace(chip, differential_readout="paired", adc_bits=3)
    assert matmul(x, w, wide)[0].tolist() == [[2, -4]]
    y, stats = matmul(x, w, replace(wide, adc_symmetric=True))
    assert (y.tolist(), stats) == ([[2, -3]], Stats(2, 1, 0))


def test_digital_terms_by_hand():
    chip = OracleChip(act_bits=2, weight_bits=1, weight_encoding="binary", adc_step=Fraction(2))
    x, w = [[3, 1, 2]], [[1], [-1], [1]]
    # Slices sum 1 and 2: codes round(1/2) = 0 and 1, so 2 * (0 + 2 * 1) - 6 / 2.
    assert matmul(x, w, chip)[0].tolist() == [[1]]
    # Offset 1/2, floor: codes 0 and 0; D = -3 + 1/4 * 2 * (1 + 2) = -3/2, to even -2.
    offset = replace(chip, adc_offset=HALF, adc_rounding="floor")
    assert matmul(x, w, offset)[0].tolist() == [[-2]]
    assert matmul(x, w, replace(offset, adc_kind="none"))[0].tolist() == [[4]]
    # Offset binary, W = 2: u = 3, 1 -> plane 0 sums 2, plane 1 sums 1; D = -2 * 2 / 3 = -4/3.
    third = OracleChip(
        act_bits=1, weight_bits=2, weight_encoding="offset_binary", adc_step=Fraction(3)
    )
    assert matmul([[1, 1]], [[1], [-1]], third)[0].tolist() == [[0]]  # 1 + 2 * 0 - 1


def test_offset_constant_counts_row_groups_and_signed_weights():
    chip = OracleChip(
        act_bits=2, act_signed=True, weight_bits=3, active_wordlines=2, adc_offset=Fraction(1)
    )
    # All codes clip low from -1 to 0. Weights sum to (1 - 2) * (1 + 2 - 4) = 1 per row group.
    y, stats = matmul([[0, 0, 0]], [[0], [0], [0]], chip)
    assert y.tolist() == [[2]]
    assert stats == Stats(12, 12, 0)
    separate = replace(chip, weight_encoding="differential")
    assert matmul([[0, 0, 0]], [[0], [0], [0]], separate)[0].tolist() == [[0]]
    paired = replace(separate, differential_readout="paired")
    # Code -1 in every conversion: (1 - 2) * (1 + 2) * (-1) = 3 per group, D takes it back.
    y, stats = matmul([[0, 0, 0]], [[0], [0], [0]], paired)
    assert (y.tolist(), stats) == ([[0]], Stats(8, 0, 0))


@pytest.mark.parametrize(
    ("overflow", "x", "w", "y"),
    [
        ("wrap", [255, 255], [1, 1], -2),
        ("saturate", [255, 255], [1, 1], 127),
        ("wrap", [255, 255], [1, -1], 0),
        ("saturate", [255, 255], [1, -1], -128),
        ("saturate", [127, 1], [1, 1], 127),
        ("wrap", [127, 1], [1, 1], -128),
        ("wrap", [128, 0], [-1, 0], -128),
        ("error", [128, 0], [-1, 0], -128),
    ],
)
def test_accumulator_reduces_after_each_row_group(overflow, x, w, y):
    chip = OracleChip(accumulator_bits=8, accumulator_overflow=overflow, active_wordlines=1)
    assert matmul([x], [[w[0]], [w[1]]], chip)[0].tolist() == [[y]]


def test_accumulator_error_and_the_reduction_after_the_digital_term():
    chip = OracleChip(accumulator_bits=8, active_wordlines=1)
    with pytest.raises(OverflowError, match="128 does not fit 8 bits"):
        matmul([[127, 1]], [[1], [1]], chip)
    # u = 2 + 128: 2 * 255 = 33150 before D = -32640 takes it to 510.
    offset = replace(chip, weight_encoding="offset_binary", accumulator_overflow="saturate")
    assert matmul([[255]], [[2]], offset)[0].tolist() == [[-128]]
    assert matmul([[255]], [[2]], replace(offset, accumulator_overflow="wrap"))[0].tolist() == [
        [-2]
    ]


# Laws


@given(st.data())
def test_lossless_products_are_integer_products(data):
    chip = data.draw(chips(adc_bits=9, adc_symmetric=data.draw(st.booleans())))
    x, w = draw_operands(data.draw, chip)
    y, stats = matmul(x, w, chip)
    assert np.array_equal(y, x @ w)
    groups = -(-x.shape[1] // chip.active_wordlines)
    per_group = len(slice_weights(chip)) * len(conversion_weights(chip))
    assert stats == Stats(x.shape[0] * w.shape[1] * groups * per_group, 0, 0)
    y, stats = matmul(x, w, replace(chip, adc_kind="none", adc_step=Fraction(3)))
    assert np.array_equal(y, x @ w)
    assert stats == Stats()


@given(st.data())
def test_unclipped_results_lie_within_half_a_step_per_conversion(data):
    step = data.draw(st.fractions(min_value=HALF, max_value=5, max_denominator=7))
    offset = data.draw(st.fractions(min_value=-3, max_value=0, max_denominator=5))
    chip = data.draw(chips(adc_bits=10, adc_step=step, adc_offset=offset))
    x, w = draw_operands(data.draw, chip)
    y, stats = matmul(x, w, chip)
    assert (stats.clipped_low, stats.clipped_high) == (0, 0)
    groups = -(-x.shape[1] // chip.active_wordlines)
    weights = sum(map(abs, slice_weights(chip))) * sum(map(abs, conversion_weights(chip))) * groups
    per_conversion = 1 if chip.adc_rounding == "floor" else HALF
    for got, exact in zip(y.ravel().tolist(), (x @ w).ravel().tolist(), strict=True):
        assert abs(got - exact / step) <= weights * per_conversion + HALF


@given(st.data())
def test_a_saturating_product_never_passes_the_exact_one_plane_by_plane(data):
    chip = data.draw(chips(weight_encoding="ternary", weight_bits=2, adc_bits=1, act_signed=False))
    x, w = draw_operands(data.draw, chip)
    positive = np.abs(w)
    y, stats = matmul(x, positive, chip)
    assert (y <= x @ positive).all()
    if not stats.clipped_high:
        assert np.array_equal(y, x @ positive)
    if stats.clipped_high:
        assert (y < x @ positive).any()


@given(st.data())
def test_wrap_is_the_exact_sum_modulo_the_width(data):
    chip = data.draw(chips(adc_bits=9, accumulator_overflow="wrap", accumulator_bits=8))
    x, w = draw_operands(data.draw, chip)
    y, _ = matmul(x, w, chip)
    assert ((y - x @ w) % 256 == 0).all()
    assert ((y >= -128) & (y < 128)).all()


# Config


def test_from_chip_reads_every_field():
    precision = SimpleNamespace(
        act_bits=4,
        act_signed=True,
        weight_bits=3,
        weight_encoding="differential",
        differential_readout="paired",
        input_slice_bits=2,
        cell_bits=3,
        accumulator_bits=20,
        accumulator_overflow="wrap",
    )
    array = SimpleNamespace(active_wordlines=9, row_order="channel_kernel")
    adc = SimpleNamespace(
        kind="uniform", bits=5, step="255/63", offset=-1, rounding="half_up", symmetric=True
    )
    assert from_chip(SimpleNamespace(precision=precision, array=array, adc=adc)) == OracleChip(
        act_bits=4,
        act_signed=True,
        weight_bits=3,
        weight_encoding="differential",
        differential_readout="paired",
        input_slice_bits=2,
        cell_bits=3,
        accumulator_bits=20,
        accumulator_overflow="wrap",
        active_wordlines=9,
        row_order="channel_kernel",
        adc_bits=5,
        adc_step=Fraction(85, 21),
        adc_offset=Fraction(-1),
        adc_rounding="half_up",
        adc_symmetric=True,
    )
    adc.noise_sigma_lsb = 0.5
    with pytest.raises(ValueError, match="noise_sigma_lsb"):
        from_chip(SimpleNamespace(precision=precision, array=array, adc=adc))


@pytest.mark.parametrize(
    "fields",
    [
        {"weight_encoding": "binary"},
        {"weight_encoding": "ternary"},
        {"adc_step": 0.5},
        {"adc_step": Fraction(0)},
        {"adc_rounding": "nearest"},
        {"act_bits": 0},
    ],
)
def test_impossible_chips_are_refused(fields):
    with pytest.raises(ValueError):
        OracleChip(**fields)
