"""The cells of clusters of defects: centres, sizes and distances, drawn by address.

Axis letters: m macro, i centre, n cell of the cluster.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

from pimjax.memory.geometry import MacroGeometry
from pimjax.memory.hits import come_before, draw_hits, poisson_until
from pimjax.memory.levels import Levels
from pimjax.numerics.threefry import Words, below, derived, threefry2x32

_SIZE, _PLACE = 5, 6


def cluster_sites(
    key: Words,
    macros: Any,
    geometry: MacroGeometry,
    first: int,
    density: Levels,
    mean_size: float,
    radius_cells: float,
) -> tuple[Any, Any]:
    """(sites (m, i n) int32, whether there is one) of all clusters with centres on macros (m,).

    Centres are the hits of slabs from `first` on that come before `density`. Cells beyond the edge
    of the macro do not exist. NumPy or JAX arrays, whichever the macros are.
    """
    centres = draw_hits(key, macros, geometry.sites, first)
    there = come_before(centres, density)
    drawn = threefry2x32(derived(key, _SIZE), Words(macros[:, None], centres.number))
    until = _sizes(mean_size)
    exists = ~below(Words(drawn.a[..., None], drawn.b[..., None]), until) & there[..., None]
    cell = np.arange(until.a.shape[-1], dtype=np.uint32)[None, None]
    which = Words(macros[:, None, None], centres.number[..., None])
    draws = threefry2x32(threefry2x32(derived(key, _PLACE), Words(cell, cell)), which)
    wordline, bitline, level = (part[..., None] for part in geometry.place(centres.site))
    wordline = wordline + _offset(draws.a, radius_cells)
    bitline = bitline + _offset(draws.b, radius_cells)
    exists = exists & (wordline >= 0) & (wordline < geometry.wordlines)
    exists = exists & (bitline >= 0) & (bitline < geometry.bitlines)
    site = geometry.site(wordline, bitline, level) * exists.astype(np.int32)
    return site.reshape(len(macros), -1), exists.reshape(len(macros), -1)


def _offset(word: Any, radius_cells: float) -> Any:
    """A normal distance rounded to whole cells, int32, of a random word."""
    edges, lowest = _distances(radius_cells)
    total = np.int32(lowest)
    for edge in edges:
        total = total + (word >= edge).astype(np.int32)
    return total


@lru_cache(maxsize=32)
def _distances(radius_cells: float) -> tuple[tuple[np.uint32, ...], int]:
    """The words from which on the distance is one more, and the lowest distance."""
    if radius_cells == 0:
        return (), 0
    reach = math.ceil(6.5 * radius_cells)
    law = NormalDist(0, radius_cells)
    edges = [round(law.cdf(k + 0.5) * 2**32) for k in range(-reach, reach)]
    lowest = -reach + sum(edge <= 0 for edge in edges)
    return tuple(np.uint32(edge) for edge in edges if 0 < edge < 1 << 32), lowest


@lru_cache(maxsize=32)
def _sizes(mean_size: float) -> Words:
    until = poisson_until(Decimal(mean_size))
    high = np.array([number >> 32 for number in until], np.uint32)
    low = np.array([number & 0xFFFFFFFF for number in until], np.uint32)
    return Words(high[None, None], low[None, None])
