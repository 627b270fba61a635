"""Shelves stacked in macros of one size: first fit.

Axis letters: p shelf.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Stack:
    """Macros of `wordlines` wordlines, numbered from 0 and opened as they are needed.

    `used` counts the wordlines taken in each macro, from wordline 0 up.
    """

    wordlines: int
    used: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def macros(self) -> int:
        """Macros opened so far."""
        return len(self.used)

    def put(self, heights: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """(macro, first wordline) of shelves of these heights (p,), int64 (p,) each.

        Each goes, in order, into the first macro from number `first` on that has room.
        """
        macros, wordlines = [heights[:0]], [heights[:0]]
        # All of a run of equal heights at once: a macro takes as many as still fit.
        starts = np.flatnonzero(np.diff(heights, prepend=-1))
        for rows, count in zip(heights[starts], np.diff(starts, append=len(heights)), strict=True):
            self._open(int(rows), int(count), first)
            used = self.used[first:]
            room = (self.wordlines - used) // rows
            ends = np.cumsum(room)
            shelf = np.arange(count)
            macro = np.searchsorted(ends, shelf, side="right")
            above = shelf - (ends - room)[macro]
            macros.append(first + macro)
            wordlines.append(used[macro] + above * rows)
            self.used[first:] += rows * np.bincount(macro, minlength=len(used))
        return np.concatenate(macros), np.concatenate(wordlines)

    def _open(self, rows: int, count: int, first: int) -> None:
        """Opens macros until `count` more shelves of `rows` have room from `first` on."""
        missing = max(0, count - int(((self.wordlines - self.used[first:]) // rows).sum()))
        opened = -(-missing // (self.wordlines // rows))
        self.used = np.concatenate([self.used, np.zeros(opened, np.int64)])
