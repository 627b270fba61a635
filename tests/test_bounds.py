"""Bounds of the running sum: never too small, and exact where nothing is lost.

The oracle tries out all activations (and all weights), so cases are tiny.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.array.bounds import Bound, bound_by_shape, bound_by_weights
from pimjax.array.geometry import resolve
from pimjax.chip.arithmetic import require_fitting
from tests import oracle
from tests.oracle import OracleChip
from tests.oracle.strategies import chips, codes
from tests.support import bitline_of, check_matmul, examples, make_chip

adc_fields = {
    "adc_bits": st.integers(1, 5),
    "adc_step": st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2), Fraction(3, 2)]),
    "adc_offset": st.sampled_from([Fraction(0), Fraction(1), Fraction(-3), Fraction(-1, 2)]),
    "adc_symmetric": st.booleans(),
}


@st.composite
def tiny_chips(draw, lossless: bool) -> OracleChip:
    """Few enough codes to try them all. Differential weights of one bit do not exist."""
    chip = draw(chips(act_bits=draw(st.integers(1, 2)), active_wordlines=draw(st.integers(1, 3))))
    assume(chip.weight_bits <= 3)
    assume(chip.weight_encoding != "differential" or chip.weight_bits > 1)
    values = {name: getattr(chip, name) for name in chip.__dataclass_fields__}
    if not lossless:
        values |= {name: draw(strategy) for name, strategy in adc_fields.items()}
    elif draw(st.booleans()):
        values["adc_kind"] = "none"
    else:
        values |= {"adc_bits": 16, "adc_step": Fraction(1, draw(st.integers(1, 5)))}
    return OracleChip(**values)


@st.composite
def tiny_cases(draw, lossless: bool):
    chip = draw(tiny_chips(lossless))
    k = draw(st.integers(1, 5))
    return chip, codes(draw, oracle.weight_codes(chip), (k, draw(st.integers(1, 3))))


@examples(150)
@given(tiny_cases(lossless=True))
def test_known_weights_without_loss_are_bounded_exactly(case):
    chip, w = case
    bound = bound_by_weights(bitline_of(chip), w)
    assert (bound.low, bound.high) == oracle.running_sum_range(w, chip)


@pytest.mark.slow
@examples(150)
@given(tiny_cases(lossless=False))
def test_known_weights_are_never_bounded_too_tightly(case):
    chip, w = case
    bound = bound_by_weights(bitline_of(chip), w)
    lowest, highest = oracle.running_sum_range(w, chip)
    assert bound.low <= lowest
    assert highest <= bound.high
    by_shape = bound_by_shape(bitline_of(chip), len(w))
    assert by_shape.low <= lowest
    assert highest <= by_shape.high


def brute_force_by_shape(chip: OracleChip, k: int) -> tuple[int, int]:
    trials = len(oracle.weight_codes(chip)) ** k * 2 ** (chip.act_bits * k)
    assume(trials <= 5000)
    return oracle.running_sum_range_any_weights(k, chip)


@examples(250)
@given(tiny_chips(lossless=True), st.integers(1, 3))
def test_shapes_without_loss_are_bounded_exactly(chip, k):
    bound = bound_by_shape(bitline_of(chip), k)
    assert (bound.low, bound.high) == brute_force_by_shape(chip, k)


@examples(250)
@given(tiny_chips(lossless=False), st.integers(1, 3))
def test_shapes_are_never_bounded_too_tightly(chip, k):
    bound = bound_by_shape(bitline_of(chip), k)
    lowest, highest = brute_force_by_shape(chip, k)
    assert bound.low <= lowest
    assert highest <= bound.high


@given(tiny_chips(lossless=False), st.integers(1, 4), st.integers(1, 4))
def test_one_row_group_lies_within_its_bound(chip, rows, k):
    """`group` is what engines rely on when they carry a row group's sum in few bits."""
    values = {**chip.__dict__, "active_wordlines": rows, "weight_encoding": "twos_complement"}
    alone = OracleChip(**{**values, "weight_bits": 2, "adc_offset": Fraction(0)})
    bound = bound_by_shape(bitline_of(alone), k)
    lowest, highest = brute_force_by_shape(alone, min(k, rows))
    assert max(-lowest, highest) <= bound.group


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 0, 3), (-128, 127, 8), (0, 128, 9)],
)
def test_widths_by_hand(low, high, bits):
    assert Bound(low, high, 0).bits == bits == oracle.bits_needed(low, high)


@examples(200)
@given(tiny_cases(lossless=True), st.integers(8, 12))
def test_a_layer_is_refused_exactly_when_its_sums_do_not_fit(case, width):
    """The tiny sums are scaled past 8 bits by repeating the rows of a row group."""
    chip, w = case
    assume(chip.adc_kind == "none")
    lowest, highest = oracle.running_sum_range(w, chip)
    copies = 40
    values = {**chip.__dict__, "active_wordlines": chip.active_wordlines * copies}
    spec = bitline_of(OracleChip(**{**values, "accumulator_bits": width}))
    kernel = np.repeat(w, copies, axis=0)[None, None]
    geometry = resolve((1, 1, 1, kernel.shape[2]), kernel.shape, 1, "VALID", 1, 1)
    if oracle.bits_needed(lowest * copies, highest * copies) <= width:
        require_fitting(spec, geometry, kernel)
    else:
        with pytest.raises(ValueError, match=r"precision\.accumulator_bits = .* needs \d+ bits"):
            require_fitting(spec, geometry, kernel)


@pytest.mark.parametrize(("value", "fits"), [(63, True), (64, False)])
def test_weights_decide_where_the_shape_does_not(value, fits):
    """One row a group: 2 activations of 1 sum to 2 * value; 8 bits end at 127."""
    chip = make_chip(
        act_bits=1, weight_bits=8, active_wordlines=1, adc_kind="none", accumulator_bits=8
    )
    w = np.array([[value], [value]])
    if fits:
        check_matmul("auto", chip, np.ones((1, 2), np.int64), w)
        return
    with pytest.raises(ValueError, match=r"accumulator_bits = 8.* k = 2 .*0\.\.128.* 9 bits"):
        pj.matmul(np.ones((1, 2), np.int64), w, chip)


@pytest.mark.parametrize(("bits", "fits"), [(9, True), (8, False)])
def test_a_chip_that_cannot_overflow_is_accepted(bits, fits):
    """Signed 4 x 4 bits on 3 rows: -168 .. 192, and no activations and weights give more."""
    fields = {
        "act_bits": 4,
        "act_signed": True,
        "weight_bits": 4,
        "active_wordlines": 3,
        "adc_kind": "none",
    }
    if fits:
        chip = make_chip(**fields, accumulator_bits=bits)
        check_matmul("auto", chip, [[-8, -8, -8], [7, 7, 7]], [[-8, 7], [-8, 7], [-8, 7]])
        return
    with pytest.raises(ValueError, match=r"precision\.accumulator_bits = 8: .*-168\.\.192"):
        make_chip(**fields, accumulator_bits=bits)
