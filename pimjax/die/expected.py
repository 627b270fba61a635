"""How many cells faults are expected to change: the sum of the probabilities of their effects.

Exact for what is counted: a cell that changed before changes back as a rule says, and the frozen
weakness that two effects share is not averaged twice. Cells of clusters count with their overlaps
and the edges of macros.

Axis letters: l layer, j plane (the last one is parity), k bank, v weakness class, s bit as it was
programmed, u bit as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from pimjax.die.outcomes import expected_words
from pimjax.die.steps import Listed
from pimjax.memory.device.spread import class_probabilities
from pimjax.memory.ecc import Code
from pimjax.memory.effects import (
    CellEffect,
    ClusterEffect,
    Effect,
    LineEffect,
    ScrubEffect,
    Stage,
    WeakCellEffect,
)
from pimjax.memory.geometry import MacroGeometry


class Expected(NamedTuple):
    """Expected numbers of cells: changed by each effect, and in error after all of them."""

    changed: tuple[float, ...]
    errors: float


def expected_counts(
    effects: Sequence[Effect | Listed],
    cells: np.ndarray,
    geometry: MacroGeometry,
    code: Code | None = None,
) -> Expected:
    """What effects in order do to so many `cells` (l, j, k, u) float64 by their class and bit.

    Listed places stand for flips of any of the cells. k may be 1 where no effect tells banks apart.
    A scrub with the `code` is taken to leave the share of errors that a decoder leaves where cells
    fail independently of each other, and not to meet stuck ones.
    """
    state = np.zeros((*cells.shape[:3], 1, 2, 2))
    for bit in (0, 1):
        state[..., 0, bit, bit] = cells[..., bit]
    total, weakness, changed = float(cells.sum()), "", []
    for effect in effects:
        if isinstance(effect, WeakCellEffect) and effect.weakness != weakness:
            state = state.sum(axis=3, keepdims=True)
            state = state * class_probabilities()[:, None, None]
            weakness = effect.weakness
        if effect.stage == Stage.WRITE:  # whatever an earlier write left is written over
            state = _as_programmed(state)
        if isinstance(effect, ScrubEffect):
            assert code is not None
            undone = 1 - _left(code, _errors(state) / max(1.0, total))
            changed.append(undone * _errors(state))
            state = state * (1 - undone) + _as_programmed(state) * undone
            continue
        flips = state * _chance(effect, total, geometry)
        becomes = getattr(effect, "becomes", None)
        if isinstance(becomes, int):
            flips[..., becomes] = 0
        changed.append(float(flips.sum()))
        state = state - flips + flips[..., ::-1]
    return Expected(tuple(changed), _errors(state))


def cluster_share(effect: ClusterEffect, geometry: MacroGeometry) -> float:
    """The probability that a cell of a macro, averaged over them, is in a cluster.

    Of centres with t per cell, Poisson sizes of mean S and the probability q of a distance, cell c
    is in none with the probability exp(-t sum_d (1 - exp(-S q(d)))), over the centres c - d that
    the macro has.
    """
    down, across = (
        _near(lines, effect.radius_cells) for lines in (geometry.wordlines, geometry.bitlines)
    )
    hit = -np.expm1(-effect.mean_size * np.outer(down.share, across.share))
    sums = np.zeros((hit.shape[0] + 1, hit.shape[1] + 1))
    sums[1:, 1:] = hit.cumsum(axis=0).cumsum(axis=1)
    by_row = sums[down.last] - sums[down.first]
    near = by_row[:, across.last] - by_row[:, across.first]
    density = -math.log1p(-effect.centres_per_cell)
    return float(np.mean(-np.expm1(-density * near)))


def _errors(state: np.ndarray) -> float:
    return float(state[..., 0, 1].sum() + state[..., 1, 0].sum())


def _as_programmed(state: np.ndarray) -> np.ndarray:
    return state.sum(axis=-1, keepdims=True) * np.eye(2)


def _left(code: Code, rate: float) -> float:
    """The share of wrong bits that a decoder leaves."""
    return expected_words(code, 1, rate)[1] / (rate * code.k) if rate else 0.0


class _Near(NamedTuple):
    """Probabilities of distances (d,), and which of them lead from a centre to each line."""

    share: np.ndarray
    first: np.ndarray
    last: np.ndarray


def _near(lines: int, radius_cells: float) -> _Near:
    reach = math.ceil(6.5 * radius_cells)
    share = np.ones(1)
    if reach:
        law = NormalDist(0, radius_cells)
        edges = np.array([law.cdf(k + 0.5) for k in range(-reach, reach)])
        share = np.diff(np.concatenate([[0.0], edges, [1.0]]))
    line = np.arange(lines)
    first = np.maximum(0, line - (lines - 1) + reach)
    last = np.minimum(2 * reach, line + reach) + 1
    return _Near(share, np.minimum(first, last), last)


def _chance(effect: Effect | Listed, total: float, geometry: MacroGeometry) -> np.ndarray:
    """The probability of a hit, broadcast to (l, j, k, v, s, u)."""
    if isinstance(effect, CellEffect):
        return effect.probabilities[:, :, :, None, None, :]
    if isinstance(effect, WeakCellEffect):
        return effect.probabilities[:, None, None, :, None, :]
    if isinstance(effect, LineEffect):
        return np.full(1, effect.probability)
    if isinstance(effect, ClusterEffect):
        return np.full(1, cluster_share(effect, geometry))
    assert isinstance(effect, Listed)
    return np.full(1, len(effect.places) / max(1.0, total))
