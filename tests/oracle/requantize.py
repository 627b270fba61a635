"""From accumulator to output code (SEMANTICS 6), in exact integers and rationals."""

from collections.abc import Callable
from fractions import Fraction

from .adc import round_rational

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1

Requant = Callable[[int], int]


def _as_int32(name: str, value: int) -> int:
    if not _INT32_MIN <= value <= _INT32_MAX:
        raise OverflowError(f"{name} is {value}; it does not fit 32 bits")
    return value


def shift(v: int, s: int) -> int:
    """v / 2^s rounded half up: (v + (2^s >> 1)) >> s."""
    return (v + (2**s >> 1)) // 2**s


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """a * b / 2^31 as TensorFlow Lite rounds it; only (-2^31)^2 saturates, to 2^31 - 1.

    The nudge and the truncating division together round ties towards plus infinity.
    """
    if a == b == _INT32_MIN:
        return _INT32_MAX
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    magnitude = abs(nudged) // 2**31
    return magnitude if nudged >= 0 else -magnitude


def rounding_divide_by_pot(v: int, exponent: int) -> int:
    """v / 2^exponent with ties away from zero."""
    magnitude, rest = divmod(abs(v), 2**exponent)
    magnitude += 2 * rest >= 2**exponent and exponent > 0
    return magnitude if v >= 0 else -magnitude


def fixed_point(v: int, multiplier: int, exponent: int) -> int:
    """v * multiplier / 2^31 * 2^exponent by TensorFlow Lite's reference, two roundings.

    A positive exponent shifts left first, a negative one divides at the end. Raises
    `OverflowError` where the reference would leave 32 bits.
    """
    left, right = max(exponent, 0), max(-exponent, 0)
    shifted = _as_int32("the value shifted left", _as_int32("the value", v) * 2**left)
    high = saturating_rounding_doubling_high_mul(shifted, _as_int32("multiplier", multiplier))
    return rounding_divide_by_pot(high, right)


def to_float32(value: Fraction) -> Fraction:
    """The float32 nearest to an exact value, ties to even; `OverflowError` past its range."""
    if value == 0:
        return Fraction(0)
    magnitude_bits = value.numerator.bit_length() - value.denominator.bit_length()
    exponent = max(magnitude_bits - 25, -149)
    while abs(value) >= Fraction(2) ** (exponent + 24):
        exponent += 1
    unit = Fraction(2) ** exponent
    rounded = round_rational(value / unit, "half_even") * unit
    if abs(rounded) >= 2**128:
        raise OverflowError(f"{value} is past the range of float32")
    return rounded


def float32(v: int, scale: float) -> int:
    """round_half_even(float32(v) * float32(scale)), the product rounded to float32."""
    factor = to_float32(Fraction(float(scale)))
    return round_rational(to_float32(to_float32(Fraction(v)) * factor), "half_even")


def output_code(
    y: int,
    requant: Requant,
    lo: int,
    hi: int,
    bias: int = 0,
    shortcut: int = 0,
    zero_point: int = 0,
) -> int:
    """clamp(requant(y + bias + shortcut) + zero_point, lo, hi); the sum inside is exact."""
    return max(lo, min(hi, requant(y + bias + shortcut) + zero_point))


def add_branches(
    a: int,
    b: int,
    requant_a: Requant,
    requant_b: Requant,
    lo: int,
    hi: int,
    zero_point_a: int = 0,
    zero_point_b: int = 0,
    zero_point: int = 0,
) -> int:
    """clamp(requant_a(a - zero_point_a) + requant_b(b - zero_point_b) + zero_point, lo, hi)."""
    total = requant_a(a - zero_point_a) + requant_b(b - zero_point_b)
    return max(lo, min(hi, total + zero_point))
