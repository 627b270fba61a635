"""Fault effects as compiled code takes them: what is static, and what is data.

A *step* has a static form (hashable: which kind of draw, from which stream) and arrays (levels,
places). Sweeps over rates, times and dies change arrays only; `common_forms` of several settings
serve them all.

Letters: q class of a cell: layer * (planes + 1) + plane, parity cells having the last plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from pimjax.memory.effects import (
    CellEffect,
    ClusterEffect,
    Effect,
    LineEffect,
    ScrubEffect,
    Stage,
    WeakCellEffect,
)
from pimjax.memory.hits import BOTTOM, first_slab
from pimjax.memory.levels import Levels, levels, needs_rest, probability_words


@dataclass(frozen=True)
class Form:
    """The static half of a step.

    `kind`: "cell", "weak", "line", "cluster", "place" or "scrub". `becomes`: the value that cells
    take, or None for a flip. Of a "cell" step: the `first` slab of hits to draw, whether cells have
    a draw of their own for the `rest`, and over how many `banks` its levels run.
    """

    kind: str
    stage: Stage
    stream: str = ""
    becomes: int | None = None
    first: int = BOTTOM
    rest: bool = False
    banks: int = 1
    line: str = ""
    weakness: str = ""
    mean_size: float = 0.0
    radius_cells: float = 0.0

    @property
    def sparse(self) -> bool:
        """Whether a list of cells is all there is to it."""
        return self.kind in ("place", "cluster") or (self.kind == "cell" and not self.rest)


@dataclass(frozen=True)
class Listed:
    """Listed cells as (macro number, site) (i, 2) int64, and what they become; None for flips."""

    stage: Stage
    name: str
    places: np.ndarray
    becomes: np.ndarray | None = None


class Drawn(NamedTuple):
    """Levels of a "cell" step, or words of a "weak" one, and the epoch of the draws () uint32."""

    epoch: Any
    levels: Any


class Step(NamedTuple):
    """A form and its arrays: `Drawn` with `Levels` (q banks 2,), words, or places, by the kind."""

    form: Form
    arrays: Any


def step_of(effect: Effect | Listed) -> Step:
    """The step of one effect; counts and addresses must have become `Listed` (`die.counted`)."""
    if isinstance(effect, CellEffect):
        return _cells(effect)
    if isinstance(effect, WeakCellEffect):
        form = Form("weak", effect.stage, effect.stream, weakness=effect.weakness)
        words = probability_words(effect.probabilities)
        return Step(form, Drawn(np.uint32(effect.epoch), words))
    if isinstance(effect, LineEffect):
        form = Form("line", effect.stage, effect.stream, becomes=effect.becomes, line=effect.line)
        return Step(form, probability_words(effect.probability))
    if isinstance(effect, ClusterEffect):
        form = Form(
            "cluster",
            effect.stage,
            effect.stream,
            becomes=effect.becomes,
            first=first_slab(effect.centres_per_cell),
            mean_size=effect.mean_size,
            radius_cells=effect.radius_cells,
        )
        return Step(form, levels(effect.centres_per_cell))
    if isinstance(effect, ScrubEffect):
        return Step(Form("scrub", effect.stage, "scrub"), None)
    assert isinstance(effect, Listed)
    return Step(Form("place", effect.stage, effect.name), (effect.places, effect.becomes))


def common_forms(settings: Sequence[Sequence[Step]]) -> list[Form]:
    """Forms that serve every one of several lists of steps of the same faults.

    Raises ValueError for lists that differ in more than numbers.
    """
    shared = [step.form for step in settings[0]]
    for steps in settings[1:]:
        if len(steps) != len(shared):
            raise ValueError("the settings of a sweep have different faults")
        for i, (form, other) in enumerate(zip(shared, steps, strict=True)):
            first, rest = min(form.first, other.form.first), form.rest or other.form.rest
            shared[i] = replace(form, first=first, rest=rest)
            if replace(other.form, first=first, rest=rest) != shared[i]:
                raise ValueError(
                    f"the settings of a sweep differ in more than rates: {other.form.stream!r}"
                )
    return shared


def _cells(effect: CellEffect) -> Step:
    largest = float(np.max(effect.probabilities, initial=0.0))
    form = Form(
        "cell",
        effect.stage,
        effect.stream,
        effect.becomes,
        first=first_slab(largest),
        rest=needs_rest(largest),
        banks=effect.probabilities.shape[2],
    )
    return Step(form, Drawn(np.uint32(effect.epoch), _flat(levels(effect.probabilities))))


def _flat(found: Levels) -> Levels:
    """Levels (l, j, k, u) as (q banks 2,)."""
    return Levels(*(type(pair)(*(word.reshape(-1) for word in pair)) for pair in found))
