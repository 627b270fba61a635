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


def weight_codes(
    kernel: np.ndarray, spec: Bitline, smallest_scale: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Codes int32 like `kernel` (..., n), and scales (n,), for the chip's weights.

    The largest |w| of a channel is the end of the range; with fewer than 8 bits the shrunken range
    with the least squared error. Rounded half to even. Binary weights are signs, scaled by the mean
    |w|. An all-zero channel gets scale 1. `smallest_scale` (n,) holds the scales from below.
    """
    weights = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    low, high = spec.weight_range
    if spec.weight_encoding == "binary":
        scales = np.abs(weights).mean(axis=0)
    else:
        scales = np.abs(weights).max(axis=0) / high
        if high < _SEARCH_BELOW:
            scales = _least_error(weights, scales, low, high)
    scales = np.maximum(np.where(scales > 0, scales, 1.0), smallest_scale)
    if spec.weight_encoding == "binary":
        codes = np.where(weights < 0, -1, 1)
    else:
        codes = np.clip(np.rint(weights / scales), low, high)
    return codes.reshape(kernel.shape).astype(np.int32), scales


def _least_error(weights: np.ndarray, ends: np.ndarray, low: int, high: int) -> np.ndarray:
    best, best_error = ends, np.full(ends.shape, np.inf)
    for shrink in _SHRINKS:
        scales = np.where(ends > 0, ends * shrink, 1.0)
        codes = np.clip(np.rint(weights / scales), low, high)
        error = np.sum((codes * scales - weights) ** 2, axis=0)
        best = np.where(error < best_error, scales, best)
        best_error = np.minimum(best_error, error)
    return best
