"""Plain integer formulas of quantised layers: NumPy int64 and Python, slow and obvious."""

from fractions import Fraction

import numpy as np

from tests import oracle
from tests.oracle.window import window_positions


def convolution(x, w, x_zero, w_zero, **window) -> np.ndarray:
    """sum (x - x_zero) (w - w_zero), int64, for x (b, h, w, c) and w (kh, kw, c/g, n).

    What lies on the padding is real zero and adds nothing. `w_zero` is one number per channel n.
    """
    groups = window.pop("groups", 1)
    centred = np.asarray(x, np.int64) - x_zero
    weights = np.asarray(w, np.int64) - w_zero
    kh, kw, cin, n = weights.shape
    positions = window_positions(x.shape[1:3], (kh, kw), **window)
    y = np.zeros((len(x), len(positions), len(positions[0]), n), np.int64)
    for row, line in enumerate(positions):
        for column, taps in enumerate(line):
            for tap, at in enumerate(taps):
                if at is None:
                    continue
                for o in range(n):
                    first = o // (n // groups) * cin
                    pixels = centred[:, at[0], at[1], first : first + cin]
                    y[:, row, column, o] += pixels @ weights[tap // kw, tap % kw, :, o]
    return y


def multiplier_and_exponent(factor: float) -> tuple[int, int]:
    """The m in 2^30 .. 2^31 - 1 and e with m 2^(e - 31) nearest to a positive factor."""
    exact, exponent = Fraction(factor), -40
    while oracle.round_rational(exact * 2**31 / Fraction(2) ** exponent, "half_up") >= 2**31:
        exponent += 1
    return oracle.round_rational(exact * 2**31 / Fraction(2) ** exponent, "half_up"), exponent


def requantized(v, rule: str, factors, zero_point: int, low: int, high: int) -> np.ndarray:
    """clamp(requant(v) + zero_point, low, high) of v (..., n) with one real factor per channel."""
    factors = np.broadcast_to(np.asarray(factors, np.float64), v.shape[-1:])
    numbers = [multiplier_and_exponent(float(factor)) for factor in factors]
    right = np.empty(v.shape, np.int64)
    for at in np.ndindex(v.shape):
        value = int(v[at])
        if rule == "fixed_point":
            code = oracle.fixed_point(value, *numbers[at[-1]])
        else:
            code = oracle.float32(value, float(np.float32(factors[at[-1]])))
        right[at] = max(low, min(high, code + zero_point))
    return right


def half_even(numbers: np.ndarray, step: Fraction) -> np.ndarray:
    """Integers divided by a rational step and rounded half to even, int64."""
    flat = [oracle.round_rational(Fraction(int(v)) / step, "half_even") for v in numbers.ravel()]
    return np.array(flat, np.int64).reshape(numbers.shape)
