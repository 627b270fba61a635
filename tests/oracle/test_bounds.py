"""Ranges of the running sum, by hand and against the accumulator's own refusal."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import (
    OracleChip,
    act_range,
    bits_needed,
    largest_running_sum,
    matmul,
    running_sum_range,
    running_sum_range_any_weights,
    weight_codes,
)
from tests.oracle.strategies import act_codes, chips, codes

NO_ADC = OracleChip(act_bits=2, weight_bits=2, adc_kind="none")


def test_running_sum_range_by_hand():
    chip = replace(NO_ADC, active_wordlines=1)
    assert running_sum_range([[1], [-2]], chip) == (-6, 3)  # 3 after the first row, then 3 - 6
    assert largest_running_sum([[1], [-2]], chip) == 6
    assert running_sum_range([[1], [-2]], replace(chip, active_wordlines=2)) == (-6, 3)
    assert running_sum_range([[1], [1]], chip) == (0, 6)
    assert running_sum_range_any_weights(2, chip) == (-12, 6)
    # One conversion clipped to 1 per plane and slice: 3 at most for weight 1.
    clipped = OracleChip(act_bits=2, weight_bits=2, adc_bits=1)
    assert running_sum_range([[1], [1]], clipped) == (0, 3)
    # Offset binary passes 3 * (1 + 2) = 9 before D = -2 * 3 brings it to 3.
    offset = replace(NO_ADC, weight_encoding="offset_binary")
    assert running_sum_range([[1]], offset) == (0, 9)
    assert [bits_needed(*ends) for ends in ((-128, 127), (0, 128), (-129, 0), (0, 0))] == [
        8,
        9,
        9,
        1,
    ]


@settings(max_examples=40)
@given(st.data())
def test_error_is_raised_exactly_past_the_range(data):
    chip = data.draw(chips(act_bits=2, adc_bits=3))
    x, w = codes(data.draw, act_codes(chip), (1, 3)), codes(data.draw, weight_codes(chip), (3, 1))
    bits = bits_needed(*running_sum_range(w, chip))
    wide, _ = matmul(x, w, chip)
    assert np.array_equal(matmul(x, w, replace(chip, accumulator_bits=bits))[0], wide)
    if bits > 1:
        with pytest.raises(OverflowError):
            every = np.array(list(np.ndindex(4, 4, 4))) + act_range(chip)[0]
            matmul(every, w, replace(chip, accumulator_bits=bits - 1))
