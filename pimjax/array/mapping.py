"""How the weights of one layer lie on shelves: which cell holds which column of which weight.

A *strip* is a run of neighbouring cell columns of every weight of a layer, side by side: all of
them, or one plane. A *shelf* is a run of wordlines of one macro, as high as a row group, that holds
a piece of a strip. Only the wordlines of one row group are driven in one step, so shelves of other
groups and row groups may stand above it in the same bitlines, and no cell is spent on the zeros
between convolution groups. Which macro a shelf stands in is a matter of placement.

Axis letters: p shelf, t row group, r row in a group, g convolution group, o output of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from pimjax.array.encoding import conversions, is_paired
from pimjax.array.spec import Bitline
from pimjax.array.words import WordLayout


def columns_per_conversion(spec: Bitline) -> int:
    """Cell columns that one conversion reads: 2 where a pair is subtracted before it, else 1."""
    return 2 if is_paired(spec) else 1


def columns_per_weight(spec: Bitline) -> int:
    """Cell columns of one weight: its planes, or digits; both sides of a differential pair.

    Column order is that of `encoding.conversions`, least significant first; a differential pair is
    two neighbours, the positive side first.
    """
    return len(conversions(spec)) * columns_per_conversion(spec)


@dataclass(frozen=True)
class StripMapping:
    """Columns `first_column` .. + `columns` of the weights of a layer, on shelves.

    The layer has `groups` convolution groups, each of k = taps x channels rows and `outputs`
    outputs; its weights are (kh, kw, channels, groups x outputs), kh kw = taps. The k rows, in
    `row_order`, are cut into row groups of `active_wordlines`. The weights of all full row groups
    form a sequence (by convolution group, row group, output), which fills shelf after shelf with
    floor(data_bitlines / columns) weights each; then those of the shorter last row groups do the
    same on lower shelves of their own.
    """

    groups: int
    taps: int
    channels: int
    outputs: int
    row_order: str
    active_wordlines: int
    first_column: int
    columns: int
    data_bitlines: int

    @property
    def k(self) -> int:
        """Rows of one convolution group: the length of a dot product."""
        return self.taps * self.channels

    @property
    def row_groups(self) -> int:
        """Row groups of one convolution group."""
        return -(-self.k // self.active_wordlines)

    @property
    def weights(self) -> int:
        """Weights of the layer."""
        return self.k * self.groups * self.outputs

    @property
    def cells(self) -> int:
        """Cells that hold columns of weights."""
        return self.weights * self.columns

    @property
    def weights_per_shelf(self) -> int:
        """Weights beside each other on a shelf."""
        return self.data_bitlines // self.columns

    @property
    def shelves(self) -> int:
        """Shelves of the strip."""
        return sum(self._band_shelves)

    @property
    def shelf_rows(self) -> np.ndarray:
        """Wordlines of every shelf, (p,) int64: the full row groups' first."""
        return np.repeat([self.active_wordlines, self._rest], self._band_shelves)

    @property
    def shelf_weights(self) -> np.ndarray:
        """Weights beside each other on every shelf, (p,) int64."""
        counts = np.full(self.shelves, self.weights_per_shelf)
        ends = np.cumsum(self._band_shelves) - 1
        rows = self._all_outputs * self._full, self._all_outputs if self._rest else 0
        for end, shelves, weights in zip(ends, self._band_shelves, rows, strict=True):
            if shelves:
                counts[end] = weights - (shelves - 1) * self.weights_per_shelf
        return counts

    def locate(self, weight: Any, column: Any, xp: Any = np) -> tuple[Any, Any, Any]:
        """(shelf, row in the shelf, data bitline) of a cell, elementwise on arrays of `xp`.

        `weight` is the index into the layer's weights array, flat in C order; `column` is counted
        in the layer. Integers of any type that holds the number of weights, int32 for instance.
        """
        row, output = weight // self._all_outputs, weight % self._all_outputs
        if self.row_order == "channel_kernel":
            row = row % self.channels * self.taps + row // self.channels
        group, output = output // self.outputs, output % self.outputs
        row_group, row = row // self.active_wordlines, row % self.active_wordlines
        full = row_group < self._full
        place = xp.where(full, group * self._full + row_group, group) * self.outputs + output
        shelf = place // self.weights_per_shelf + xp.where(full, 0, self._band_shelves[0])
        bitline = place % self.weights_per_shelf * self.columns + (column - self.first_column)
        return shelf, row, bitline

    def content(self, shelf: Any, row: Any, bitline: Any, xp: Any = np) -> tuple[Any, Any, Any]:
        """(weight, column, whether the cell is used): the inverse of `locate`.

        For shelves of this strip, rows from 0 and data bitlines of a macro. Weight and column of a
        free cell are 0.
        """
        full = shelf < self._band_shelves[0]
        beside, column = bitline // self.columns, bitline % self.columns
        band_shelf = shelf - xp.where(full, 0, self._band_shelves[0])
        place = band_shelf * self.weights_per_shelf + beside
        row_groups = xp.where(full, max(1, self._full), 1)
        height = xp.where(full, self.active_wordlines, self._rest)
        used = (beside < self.weights_per_shelf) & (row < height)
        used &= place < self.groups * self.outputs * row_groups
        row_group, output = place // self.outputs, place % self.outputs
        group, row_group = row_group // row_groups, row_group % row_groups
        row = (row_group + xp.where(full, 0, self._full)) * self.active_wordlines + row
        if self.row_order == "channel_kernel":
            row = row % self.taps * self.channels + row // self.taps
        weight = row * self._all_outputs + group * self.outputs + output
        return xp.where(used, weight, 0), xp.where(used, column + self.first_column, 0), used

    @property
    def _all_outputs(self) -> int:
        return self.groups * self.outputs

    @property
    def _full(self) -> int:
        """Full row groups of a convolution group."""
        return self.k // self.active_wordlines

    @property
    def _rest(self) -> int:
        """Rows of the shorter last row group, or 0."""
        return self.k % self.active_wordlines

    @property
    def _band_shelves(self) -> tuple[int, int]:
        """Shelves of the full row groups, and of the shorter ones."""
        full = -(-self._all_outputs * self._full // self.weights_per_shelf)
        return full, -(-self._all_outputs // self.weights_per_shelf) if self._rest else 0


def map_strips(
    weights_shape: tuple[int, ...],
    groups: int,
    spec: Bitline,
    wordlines: int,
    words: WordLayout,
    columns: int | None = None,
) -> tuple[StripMapping, ...]:
    """The strips of weights (kh, kw, c/g, n) or (k, n), each `columns` wide, all by default.

    Raises ValueError where a macro cannot hold one weight's columns of a full row group.
    """
    every = columns_per_weight(spec)
    columns = every if columns is None else columns
    if columns > words.data_bitlines:
        room = f"array.bitlines = {words.bitlines}"
        if words.n > 1:
            room += f" ({words.data_bitlines} of them for data)"
        raise ValueError(
            f"{room}: one weight takes {columns} columns side by side "
            f"(precision.weight_bits = {spec.weight_bits}, {spec.weight_encoding}, "
            f"precision.cell_bits = {spec.cell_bits}); use macros of at least {columns} bitlines, "
            f"or fewer weight bits"
        )
    if spec.active_wordlines > wordlines:
        raise ValueError(
            f"array.wordlines = {wordlines}: fewer than array.active_wordlines = "
            f"{spec.active_wordlines}"
        )
    *window, channels, outputs = weights_shape
    return tuple(
        StripMapping(
            groups=groups,
            taps=prod(window),
            channels=channels,
            outputs=outputs // groups,
            row_order=spec.row_order,
            active_wordlines=spec.active_wordlines,
            first_column=first,
            columns=columns,
            data_bitlines=words.data_bitlines,
        )
        for first in range(0, every, columns)
    )
