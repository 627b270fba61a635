"""What faults can do to cells: the few forms that every fault model is written in.

A fault model turns its physics into these, on the host; `pimjax.die` applies them. Probabilities
are float64 here and become integers (`memory.levels`) before anything is drawn.

Axis letters: l layer, j plane of a weight (the last one stands for the parity cells of a word
code), k bank (or one entry for all banks), u stored bit before (0, 1), v weakness class.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np


class Stage(IntEnum):
    """When in the life of a stored bit a fault acts; faults are applied in this order."""

    WRITE = 0
    REST = 1
    STUCK = 2
    SENSE = 3


@dataclass(frozen=True)
class Surroundings:
    """What a fault may know of the program and the chip it acts on.

    `count_reads` counts the reads of every cell of a layer for one image, by layer. `device` and
    `timing` are the chip's `[mram]` and `[timing]` tables.
    """

    layers: tuple[str, ...]
    planes: int
    banks: int
    count_reads: Callable[[], tuple[float, ...]]
    device: Any
    timing: Any
    readout: str = "bitline"


@dataclass(frozen=True)
class CellEffect:
    """Each cell on its own, alike wherever the probabilities are: p (l, j, k, u).

    The cell flips, or takes the value `becomes`. Equal `stream` and `epoch`, equal draws; one that
    `repeats` draws afresh every time it is listed.
    """

    stage: Stage
    stream: str
    probabilities: np.ndarray
    becomes: int | None = None
    epoch: int = 0
    repeats: bool = False


@dataclass(frozen=True)
class WeakCellEffect:
    """Flips of cells that differ: p (l, v, u) by the class of each cell's frozen weakness.

    The weakness belongs to the cell and to the stream of that name; the event is drawn afresh every
    time one that `repeats` is listed.
    """

    stage: Stage
    stream: str
    probabilities: np.ndarray
    weakness: str
    epoch: int = 0
    repeats: bool = True


@dataclass(frozen=True)
class LineEffect:
    """Whole wordlines, bitlines or macros that read as `becomes`, each with `probability`."""

    stage: Stage
    stream: str
    line: str
    probability: float
    becomes: int


@dataclass(frozen=True)
class ClusterEffect:
    """Clusters of cells that read as `becomes`: see `faults.clusters`."""

    stage: Stage
    stream: str
    centres_per_cell: float
    mean_size: float
    radius_cells: float
    becomes: int


@dataclass(frozen=True)
class PlaceEffect:
    """Listed cells, each once: they flip, or take the values `becomes` (i,) uint8.

    `places` (i, 5) int64: bank, macro in it, wordline, bitline, level.
    """

    stage: Stage
    places: np.ndarray
    becomes: np.ndarray | None = None


@dataclass(frozen=True)
class CountEffect:
    """Exactly `count` cells of the layers and planes chosen (l, j), those that fail first."""

    stage: Stage
    stream: str
    count: int
    chosen: np.ndarray


@dataclass(frozen=True)
class ScrubEffect:
    """Words are read through their code, with stuck cells as they are, and written back."""

    stage: Stage


Effect = (
    CellEffect
    | WeakCellEffect
    | LineEffect
    | ClusterEffect
    | PlaceEffect
    | CountEffect
    | ScrubEffect
)


def spread_over_cells(
    stage: Stage,
    stream: str,
    weakness: str,
    by_class: np.ndarray,
    sigma: float,
    around: Surroundings,
) -> CellEffect | WeakCellEffect:
    """Flips in all layers with p (v, u) by weakness class, drawn afresh every time.

    Without a spread over cells (`sigma` 0) all classes are alike, and cells need no weakness.
    """
    layers = len(around.layers)
    if sigma == 0:
        alike = np.broadcast_to(by_class[0], (layers, around.planes + 1, 1, 2))
        return CellEffect(stage, stream, alike, repeats=True)
    every = np.broadcast_to(by_class, (layers, *by_class.shape))
    return WeakCellEffect(stage, stream, every, weakness)


def in_order(effects: Sequence[Effect]) -> list[Effect]:
    """The effects by stage, equal cell effects united into one.

    Two effects of one stream and epoch are two causes for the same cells: a cell fails by either,
    1 - (1 - p)(1 - q), and never twice. The order in which they were given is of no consequence.
    """
    united: dict[Any, Effect] = {}
    for number, effect in enumerate(effects):
        key: Any = number
        if isinstance(effect, CellEffect):
            key = (effect.stage, effect.stream, effect.epoch, effect.becomes)
            other = united.get(key)
            if isinstance(other, CellEffect):
                both = 1 - (1 - other.probabilities) * (1 - effect.probabilities)
                effect = replace(effect, probabilities=both)
        united[key] = effect
    # Of stuck cells those that conduct win over those that do not: a short is a short.
    return sorted(united.values(), key=lambda effect: (effect.stage, _value(effect)))


def _value(effect: Effect) -> int:
    value = getattr(effect, "becomes", None)
    return value if isinstance(value, int) else 0


def chosen_cells(
    fault: str,
    around: Surroundings,
    layers: Sequence[str] | None,
    planes: Sequence[int] | None,
    banks: Sequence[int] | None = None,
) -> np.ndarray:
    """Which cells a choice of layers, planes and banks means, (l, j, k) bool; None means all.

    A choice of planes leaves parity cells out. Raises ValueError for one that is not there.
    """
    by_layer = np.ones(len(around.layers), bool)
    if layers is not None:
        for name in layers:
            if name not in around.layers:
                near = difflib.get_close_matches(name, around.layers, n=1)
                there = f"there are {', '.join(around.layers)}"
                hint = f"did you mean {near[0]!r}?" if near else there
                raise ValueError(f"{fault}.layers: no layer {name!r} on the array; {hint}")
        by_layer = np.array([name in layers for name in around.layers])
    by_plane = np.ones(around.planes + 1, bool)
    if planes is not None:
        by_plane = _marked(f"{fault}.planes", planes, around.planes, around.planes + 1)
    by_bank = np.ones(1, bool)
    if banks is not None:
        by_bank = _marked(f"{fault}.banks", banks, around.banks, around.banks)
    return by_layer[:, None, None] & by_plane[None, :, None] & by_bank[None, None]


def _marked(what: str, numbers: Sequence[int], end: int, size: int) -> np.ndarray:
    marked = np.zeros(size, bool)
    for number in numbers:
        if not 0 <= number < end:
            raise ValueError(f"{what}: {number} given; allowed 0..{end - 1}")
        marked[number] = True
    return marked
