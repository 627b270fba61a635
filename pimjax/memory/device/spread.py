"""Cells are not alike: a frozen weakness per cell, in classes whose means are integrals.

A cell draws a 32-bit word from its address, once and for all. As a fraction of 2^32 the word is
the cell's quantile u: the part of all cells that is weaker, so that a small u is a weak cell and
z = Phi^-1(u) a standard normal variate. Whatever varies over cells is a function of z.

Cells of nearly the same u are one class. A class is a half-open interval of words that share the
position of the leading one and the next five bits, like the exponent and mantissa of a float:
class 32 z + m has z leading zeros and next bits m, for z < 24; words below 2^8 (z >= 24) are cut
into 32 equal parts, m = word >> 3. So the weakest 2^-29 of all cells are still told apart from the
next 2^-29, and within a class nothing varies by much. The probability of a class is exact, and so
is the average over all cells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import within

OCTAVES = 25
PARTS = 32
CLASSES = OCTAVES * PARTS

_NODES = 12
_LAST_Z = 38.0  # the density of the normal law is a positive float64 up to here
_PANEL_Z = 0.125


def quantile(u: ArrayLike) -> np.ndarray:
    """Phi^-1(u), the standard normal variate below which a part u lies; -inf at 0, inf at 1."""
    part = within("u", u, 0.0, 1.0)
    normal = NormalDist()

    def of_one(value: float) -> float:
        return normal.inv_cdf(value) if 0 < value < 1 else (np.inf if value else -np.inf)

    return np.vectorize(of_one, otypes=[np.float64])(part)


def class_words() -> np.ndarray:
    """(CLASSES, 2) int64: the first word of each class, and the first beyond it; up to 2^32."""
    part = np.arange(PARTS + 1, dtype=np.int64)
    octave = np.arange(OCTAVES - 1, dtype=np.int64)
    # 2^(31-z) (1 + m/32), all of them integers since z <= 23.
    octaves = (PARTS + part) << (26 - octave)[:, None]
    edges = np.concatenate([octaves, (part << 3)[None]])
    return np.stack([edges[:, :-1], edges[:, 1:]], axis=-1).reshape(CLASSES, 2)


def class_edges() -> np.ndarray:
    """(CLASSES, 2) float64: the quantile interval (a, b) of each class, exact dyadic numbers."""
    return class_words() / 2.0**32


def class_probabilities() -> np.ndarray:
    """(CLASSES,) float64: the part of all cells in each class, exact; they sum to 1."""
    low, high = class_edges().T
    return high - low


def class_mean(
    f: Callable[[np.ndarray], np.ndarray], mean: float = 0.0, sigma: float = 1.0
) -> np.ndarray:
    """(CLASSES, ...) float64: the average of f(mean + sigma Phi^-1(u)) over each class.

    `f` takes (n,) float64 and returns (n, ...) float64. Accurate to about 1e-9 where ln f changes
    by less than 40 per unit of Phi^-1(u), as every law here does.
    """
    z, weights, starts = _class_nodes()
    values = np.asarray(f(within("mean", mean) + within("sigma", sigma, 0.0) * z))
    summed = np.add.reduceat(_weighted(values, weights), starts, axis=0)
    return summed / class_probabilities().reshape(-1, *(1,) * (values.ndim - 1))


def normal_mean(
    f: Callable[[np.ndarray], np.ndarray], mean: float = 0.0, sigma: float = 1.0
) -> np.ndarray:
    """The average of f(mean + sigma z) over all cells, z standard normal; `f` as in class_mean."""
    z, weights = _panels(np.arange(-_LAST_Z, _LAST_Z + _PANEL_Z / 2, _PANEL_Z))
    values = np.asarray(f(within("mean", mean) + within("sigma", sigma, 0.0) * z))
    return np.sum(_weighted(values, weights), axis=0)


def log_normal_factor(z: np.ndarray, sigma: float) -> np.ndarray:
    """exp(-sigma z - sigma^2 / 2): mean 1 over all cells, large for weak cells (small z)."""
    log_sigma = float(within("sigma", sigma, 0.0))
    return np.exp(-log_sigma * z - log_sigma**2 / 2)


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return values * weights.reshape(-1, *(1,) * (values.ndim - 1))


def _panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (both flat) that integrate against the normal density over the panels."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    low, high = edges[:-1, None], edges[1:, None]
    z = (low + high) / 2 + (high - low) / 2 * nodes
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z.ravel(), ((high - low) / 2 * weights * density).ravel()


@cache
def _class_nodes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights and the index of each class's first node."""
    pieces = []
    for low, high in quantile(class_edges()):
        first, last = max(low, -_LAST_Z), min(high, _LAST_Z)
        pieces.append(
            _panels(np.linspace(first, last, 1 + int(np.ceil((last - first) / _PANEL_Z))))
        )
    z, weights = (np.concatenate(part) for part in zip(*pieces, strict=True))
    sizes = [len(piece[0]) for piece in pieces]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for array in (z, weights, starts):
        array.setflags(write=False)
    return z, weights, starts
