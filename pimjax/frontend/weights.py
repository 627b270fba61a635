"""Weight codes and scales of a float kernel, one scale per output channel.

A real weight is scale * code; codes have zero point 0. The range of codes is the chip's: it depends
on the weight encoding, and a binary one has no 0.
"""

from __future__ import annotations

import numpy as np

from pimjax.array.spec import Bitline

_SHRINKS = np.linspace(1.0, 0.3, 29)
_SEARCH_BELOW = 127
"""With 8 bits the largest weight is as good an end as any; with fewer the end is searched for."""

_VANISHING = 2.0**-100
"""Below what any requantiser resolves."""


def weight_codes(
    kernel: np.ndarray, spec: Bitline, smallest_scale: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Codes int32 like `kernel` (..., n), and scales (n,), for the chip's weights.

    The largest |w| of a channel is the end of the range; with fewer than 8 bits the shrunken range
    with the least squared error. Rounded half to even. Binary weights are signs, scaled by the mean
    |w|. `smallest_scale` (n,) holds the scales from below. A channel of zeros gets that scale;
    where it is 0 as well, 1, or with binary weights, which have no code 0, next to nothing.

    Raises ValueError for an encoding that has no positive code.
    """
    weights = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    low, high = spec.weight_range
    binary = spec.weight_encoding == "binary"
    if high < 1:
        raise ValueError(
            f"precision.weight_bits = {spec.weight_bits}: {spec.weight_encoding!r} codes are "
            f"{low}..{high}, too few for a float network; choose more bits or 'binary'"
        )
    if binary:
        scales = np.abs(weights).mean(axis=0)
    else:
        scales = np.abs(weights).max(axis=0) / high
        if high < _SEARCH_BELOW:
            scales = _least_error(weights, scales, low, high)
    scales = np.maximum(scales, smallest_scale)
    scales = np.where(scales > 0, scales, _VANISHING if binary else 1.0)
    if binary:
        codes = np.where(weights < 0, -1, 1)
    else:
        codes = np.clip(np.rint(weights / scales), low, high)
    return codes.reshape(kernel.shape).astype(np.int32), scales


def _least_error(weights: np.ndarray, ends: np.ndarray, low: int, high: int) -> np.ndarray:
    best, best_error = ends, np.full(ends.shape, np.inf)
    for shrink in _SHRINKS:
        scales = ends * shrink
        codes = np.clip(np.rint(weights / np.where(scales > 0, scales, 1.0)), low, high)
        error = np.sum((codes * scales - weights) ** 2, axis=0)
        best = np.where(error < best_error, scales, best)
        best_error = np.minimum(best_error, error)
    return best
