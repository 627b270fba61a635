"""Spare lines that stand in for bad ones, and macros that are given up: what a test map decides.

Axis letters: m macro, r wordline, b bitline (regular ones).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Repair:
    """Which physical line does the work of each regular one.

    `wordlines` (m, r) and `bitlines` (m, b) int32 by global macro number: physical line numbers,
    spare ones following the regular ones. `bad` (m,) bool: macros that spare lines did not save.
    """

    wordlines: np.ndarray
    bitlines: np.ndarray
    bad: np.ndarray

    def lines(
        self, macro: np.ndarray, wordline: np.ndarray, bitline: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The physical lines of regular ones, elementwise."""
        return self.wordlines[macro, wordline], self.bitlines[macro, bitline]

    def regular(
        self, macro: np.ndarray, wordline: np.ndarray, bitline: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(wordline, bitline, whether they are in use) of physical lines, elementwise."""
        row, used_row = _inverse(self.wordlines, macro, wordline)
        column, used_column = _inverse(self.bitlines, macro, bitline)
        return row, column, used_row & used_column


def _inverse(
    lines: np.ndarray, macro: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which regular line a physical one stands in for, and whether it does for any."""
    match = lines[macro] == line[:, None]
    return match.argmax(axis=1), match.any(axis=1)
