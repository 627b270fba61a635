"""The ADC's rule, from partial sum to code, in exact rationals (SEMANTICS 4)."""

from fractions import Fraction
from math import floor

from .config import OracleChip


def round_rational(value: Fraction, rounding: str) -> int:
    """The integer next to an exact value: "half_even", "half_up" (to plus infinity), "floor"."""
    below = floor(value)
    rest = value - below
    if rounding == "floor":
        return below
    if rest != Fraction(1, 2):
        return below + (rest > Fraction(1, 2))
    if rounding == "half_up":
        return below + 1
    if rounding == "half_even":
        return below + below % 2
    raise ValueError(f"unknown rounding {rounding!r}")


def code_range(chip: OracleChip) -> tuple[int, int]:
    """code_min and code_max; signed only for a paired differential readout."""
    if not chip.paired:
        return 0, 2**chip.adc_bits - 1
    half = 2 ** (chip.adc_bits - 1)
    return -half + (1 if chip.adc_symmetric else 0), half - 1


def step_and_offset(chip: OracleChip) -> tuple[Fraction, Fraction]:
    """The step and offset in force: 1 and 0 without an ADC."""
    if chip.adc_kind == "none":
        return Fraction(1), Fraction(0)
    return Fraction(chip.adc_step), Fraction(chip.adc_offset)


def convert(partial_sum: int, chip: OracleChip) -> tuple[int, bool, bool]:
    """(code, clipped_low, clipped_high) of one conversion.

    Clipping is judged on the rounded value before the clamp. Without an ADC the code is
    the partial sum and nothing clips.
    """
    if chip.adc_kind == "none":
        return partial_sum, False, False
    step, offset = step_and_offset(chip)
    rounded = round_rational((partial_sum - offset) / step, chip.adc_rounding)
    lowest, highest = code_range(chip)
    return max(lowest, min(highest, rounded)), rounded < lowest, rounded > highest


class AdcTable(dict):
    """`convert` remembered: table[partial_sum] is (code, clipped_low, clipped_high)."""

    def __init__(self, chip: OracleChip):
        super().__init__()
        self.chip = chip

    def __missing__(self, partial_sum: int) -> tuple[int, bool, bool]:
        self[partial_sum] = convert(partial_sum, self.chip)
        return self[partial_sum]
