"""What a run over labelled images gave: decisions, accuracy, conversions made and clipped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pimjax.demo.report import wilson_interval
from pimjax.network.run import Batch
from pimjax.network.text import aligned, shortened_apart


class Counts(NamedTuple):
    """Exact totals of one layer."""

    conversions: int = 0
    clipped_low: int = 0
    clipped_high: int = 0

    def plus(self, other: Counts) -> Counts:
        """The totals of both."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def clipped_percent(self) -> float:
        """Clipped conversions, low and high, in percent."""
        return 100 * (self.clipped_low + self.clipped_high) / max(1, self.conversions)


@dataclass(frozen=True)
class Outcome:
    """Decisions (n,), and totals of the layers in order of execution.

    `ranks` (n,): how many classes came before the right one; None without labels.
    """

    decisions: np.ndarray
    ranks: np.ndarray | None
    classes: int
    counts: dict[str, Counts]

    def top(self, k: int) -> int:
        """How many images have their label among the first k classes."""
        return 0 if self.ranks is None else int((self.ranks < k).sum())


def collect(results: Iterable[Batch], labels: np.ndarray | None, layers: Iterable[str]) -> Outcome:
    """The outcome of batches, of which nothing but decisions, ranks and totals is kept."""
    decisions, ranks = [], []
    counts: dict[str, Counts] = {}
    classes = done = 0
    for batch in results:
        scores = batch.codes.reshape(len(batch.codes), -1)
        classes = scores.shape[1]
        decisions.append(scores.argmax(axis=1))
        if labels is not None:
            ranks.append(rank_of(scores, labels[done : done + len(scores)]))
        done += len(scores)
        for name, stats in batch.stats.items():
            own = Counts(stats.conversions, stats.clipped_low, stats.clipped_high)
            counts[name] = counts.get(name, Counts()).plus(own)
    return Outcome(
        np.concatenate(decisions),
        None if labels is None else np.concatenate(ranks),
        classes,
        {name: counts[name] for name in layers if name in counts},
    )


def rank_of(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before each label (n,) by scores (n, c).

    Of equal scores the lower class is first.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    classes = np.arange(scores.shape[1])[None]
    ahead = (scores > own) | ((scores == own) & (classes < labels[:, None]))
    return ahead.sum(axis=1)


def accuracy_lines(outcome: Outcome) -> list[str]:
    """Top-1 and, from 20 classes on, top-5 with 95 % intervals; without labels the decisions."""
    images = len(outcome.decisions)
    if outcome.ranks is None:
        counts = np.bincount(outcome.decisions, minlength=outcome.classes)
        common = np.argsort(-counts, kind="stable")[:5]
        shown = ", ".join(f"{c} ({counts[c]})" for c in common if counts[c])
        return [f"no labels given; most frequent decisions: {shown}"]
    lines = []
    for k in (1, 5):
        if k == 1 or outcome.classes >= 20:
            right = outcome.top(k)
            low, high = wilson_interval(right, images)
            lines.append(
                f"top-{k} {100 * right / images:.2f} %  "
                f"(95 % interval {100 * low:.2f} .. {100 * high:.2f}, {right} of {images})"
            )
    return lines


def saturation_table(counts: dict[str, Counts]) -> list[str]:
    """Conversions and clipped ones by layer, in lines of text; a total at the end."""
    total = Counts()
    for own in counts.values():
        total = total.plus(own)
    if not counts:
        return ["no conversions: no layer is on the array"]
    if not total.conversions:
        return ["no conversions: this chip has no ADC"]
    rows = [*counts.values(), total]
    columns = {"layer": ["layer", *shortened_apart([*counts], 48), "all"]}
    for field in Counts._fields:
        title = field.replace("_", " ")
        columns[title] = [title, *(f"{getattr(row, field):,}" for row in rows)]
    columns["clipped %"] = ["clipped %", *(f"{row.clipped_percent:.4g}" for row in rows)]
    return aligned(columns, ("layer",))
