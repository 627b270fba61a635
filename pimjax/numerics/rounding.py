"""Exact rounding of rationals to integers, in Python integers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

ROUNDINGS = ("half_even", "half_up", "floor")


def round_exact(value: Fraction, rounding: str) -> int:
    """`value` rounded: ties to even, ties toward plus infinity, or down."""
    if rounding == "half_even":
        return round(value)
    return floor(value + Fraction(1, 2)) if rounding == "half_up" else floor(value)


def first_integer_reaching(code: int, step: Fraction, offset: Fraction, rounding: str) -> int:
    """Smallest integer s with round((s - offset) / step) >= code, for step > 0."""
    if rounding == "floor":
        return ceil(code * step + offset)
    edge = (code - Fraction(1, 2)) * step + offset
    tie_goes_down = rounding == "half_even" and code % 2 == 1
    return floor(edge) + 1 if tie_goes_down else ceil(edge)
