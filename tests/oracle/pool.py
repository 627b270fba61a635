"""Pooling on output codes (SEMANTICS 6)."""

from collections.abc import Callable

import numpy as np

from .codes import to_ints
from .window import pair, window_positions


def _pool(x, window, stride, padding, value_of: Callable[[list[int]], int]) -> np.ndarray:
    images, (b, height, width, channels) = to_ints("x", x, 4)
    positions = window_positions((height, width), pair("window", window), stride, padding)
    pooled = []
    for image in images:
        for line in positions:
            for taps in line:
                inside = [image[at[0]][at[1]] for at in taps if at is not None]
                if not inside:
                    raise ValueError("a pooling window lies wholly on the padding")
                pooled.append([value_of([p[c] for p in inside]) for c in range(channels)])
    shape = (b, len(positions), len(positions[0]) if positions else 0, channels)
    return np.array(pooled, dtype=np.int64).reshape(shape)


def max_pool(x, window, stride, padding="VALID") -> np.ndarray:
    """The largest code of each window, x (b, h, w, c) -> (b, h', w', c); padding never wins."""
    return _pool(x, window, stride, padding, max)


def average_pool(
    x,
    window,
    stride,
    requant: Callable[[int, int], int],
    lo: int,
    hi: int,
    padding="VALID",
    zero_point_in: int = 0,
    zero_point: int = 0,
) -> np.ndarray:
    """clamp(requant(sum of (code - zero_point_in), count) + zero_point, lo, hi) per window.

    The sum is exact and `requant`, which also divides, is called once. `count` is the
    number of taps on the image; a rule that counts the padding too ignores it.
    """

    def value_of(codes: list[int]) -> int:
        total = sum(code - zero_point_in for code in codes)
        return max(lo, min(hi, requant(total, len(codes)) + zero_point))

    return _pool(x, window, stride, padding, value_of)
