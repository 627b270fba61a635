"""Powers and logarithms in GF(2^m)."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def powers_and_logs(polynomial: int) -> tuple[np.ndarray, np.ndarray]:
    """(powers, logs), uint32, of the root x of a primitive polynomial of degree m over GF(2).

    `powers[i]` is x^i for i < 2 (2^m - 1), so that the sum of two logarithms needs no reduction;
    `logs[v]` is the i < 2^m - 1 with x^i = v. There is no logarithm of 0: `logs[0]` is 0.
    """
    degree = polynomial.bit_length() - 1
    order = (1 << degree) - 1
    powers = np.zeros(2 * order, np.uint32)
    logs = np.zeros(order + 1, np.uint32)
    value = 1
    for exponent in range(order):
        powers[exponent] = powers[exponent + order] = value
        logs[value] = exponent
        value <<= 1
        value ^= polynomial if value >> degree else 0
    return powers, logs
