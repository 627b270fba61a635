"""How the weights of one layer lie on macros: which block of cells stands where.

A *tile* is the block of cells of one convolution group, one row group and a run of outputs: as many
wordlines as the row group has rows, and for each output one bitline per cell column of a weight.
Only a tile's own wordlines are driven in one step, so tiles of other groups and row groups may
stand above it in the same bitlines, and beside it on the same wordlines; no cell is spent on the
zeros between convolution groups.

Macros are counted within the layer, from 0; which physical ones they are is settled elsewhere.

Axis letters: i tile, p shelf.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from pimjax.array.encoding import conversions, is_paired
from pimjax.array.spec import Bitline


def columns_per_weight(spec: Bitline) -> int:
    """Cell columns of one weight: its planes, or digits; both sides of a differential pair.

    Column order is that of `encoding.conversions`, least significant first; a differential pair is
    two neighbours, the positive side first.
    """
    return len(conversions(spec)) * (2 if is_paired(spec) else 1)


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles of a layer: one entry a tile in each array, (i,) int64.

    Column c of the weight of row r of the row group and output `first_output` + o is the cell at
    wordline `wordline` + r and bitline `bitline` + o * columns_per_weight + c of macro `macro`,
    for r < `rows` and o < `outputs`. Row groups and outputs are counted within their convolution
    group; row r of row group t is number k = t * active_wordlines + r of the dot product.
    """

    group: np.ndarray
    row_group: np.ndarray
    first_output: np.ndarray
    outputs: np.ndarray
    rows: np.ndarray
    macro: np.ndarray
    wordline: np.ndarray
    bitline: np.ndarray

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.macro)


class _Band(NamedTuple):
    """`row_groups` of each convolution group, from `first` on, all of `rows` rows."""

    rows: int
    first: int
    row_groups: int


class _Shelves(NamedTuple):
    """Where the shelves of a band stand, (p,) int64 each."""

    macro: np.ndarray
    wordline: np.ndarray


@dataclass(frozen=True)
class LayerMapping:
    """A layer of `groups` convolution groups, each k rows x `outputs`, on macros of one size.

    The packing is by shelves, runs of wordlines of one macro as high as a row group. Row groups of
    equal height form a sequence of weight columns (by convolution group, row group, output), which
    fills shelf after shelf with as many whole weights as the bitlines hold: a row group that meets
    the end of a shelf goes on at the start of the next, as another tile. The shelves of full row
    groups are stacked first, then those of the last, shorter ones, each in the first macro that
    has enough free wordlines (first fit, decreasing height).
    """

    groups: int
    k: int
    outputs: int
    active_wordlines: int
    columns_per_weight: int
    wordlines: int
    bitlines: int

    @property
    def row_groups(self) -> int:
        """Row groups of one convolution group."""
        return -(-self.k // self.active_wordlines)

    @property
    def columns(self) -> int:
        """Cell columns of all outputs of the layer."""
        return self.groups * self.outputs * self.columns_per_weight

    @property
    def cells(self) -> int:
        """Cells that hold weights."""
        return self.k * self.columns

    @property
    def macros(self) -> int:
        """Macros that hold at least one tile."""
        return max(int(shelves.macro.max()) for shelves in self._shelves) + 1

    @property
    def utilisation(self) -> float:
        """Cells that hold weights as a share of all cells of the macros taken."""
        return self.cells / (self.macros * self.wordlines * self.bitlines)

    def tiles(self) -> Tiles:
        """Every tile, full row groups first, in the order of the packing."""
        bands = zip(self._bands, self._shelves, strict=True)
        parts = [self._tiles_of(band, shelves) for band, shelves in bands]
        return Tiles(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    @property
    def _weights_per_shelf(self) -> int:
        return self.bitlines // self.columns_per_weight

    @property
    def _bands(self) -> list[_Band]:
        full, rest = divmod(self.k, self.active_wordlines)
        bands = [_Band(self.active_wordlines, 0, full), _Band(rest, full, 1)]
        return [band for band in bands if band.rows and band.row_groups]

    @cached_property
    def _shelves(self) -> list[_Shelves]:
        """The shelves of every band, stacked in macros."""
        used = np.zeros(0, np.int64)
        stacked = []
        for band in self._bands:
            weights = self.groups * band.row_groups * self.outputs
            count = -(-weights // self._weights_per_shelf)
            missing = max(0, count - int(((self.wordlines - used) // band.rows).sum()))
            opened = -(-missing // (self.wordlines // band.rows))
            used = np.concatenate([used, np.zeros(opened, np.int64)])
            room = (self.wordlines - used) // band.rows
            ends = np.cumsum(room)
            shelf = np.arange(count)
            macro = np.searchsorted(ends, shelf, side="right")
            height = shelf - (ends - room)[macro]
            stacked.append(_Shelves(macro, used[macro] + height * band.rows))
            used = used + band.rows * np.bincount(macro, minlength=len(used))
        return stacked

    def _tiles_of(self, band: _Band, shelves: _Shelves) -> tuple[np.ndarray, ...]:
        """The arrays of `Tiles` for one band: its sequence, cut at row groups and at shelves."""
        end = self.groups * band.row_groups * self.outputs
        cuts = np.arange(0, end, self.outputs), np.arange(0, end, self._weights_per_shelf)
        start = np.union1d(*cuts)
        row_group, first_output = np.divmod(start, self.outputs)
        group, row_group = np.divmod(row_group, band.row_groups)
        shelf, place = np.divmod(start, self._weights_per_shelf)
        return (
            group,
            band.first + row_group,
            first_output,
            np.diff(start, append=end),
            np.full(len(start), band.rows),
            shelves.macro[shelf],
            shelves.wordline[shelf],
            place * self.columns_per_weight,
        )


def map_layer(
    weights_shape: tuple[int, ...], groups: int, spec: Bitline, wordlines: int, bitlines: int
) -> LayerMapping:
    """The mapping of weights (kh, kw, c/g, n) or (k, n) on macros of wordlines x bitlines.

    Raises ValueError where a macro cannot hold one weight of a full row group.
    """
    columns = columns_per_weight(spec)
    if columns > bitlines:
        raise ValueError(
            f"array.bitlines = {bitlines}: one weight takes {columns} columns side by side "
            f"(precision.weight_bits = {spec.weight_bits}, {spec.weight_encoding}, "
            f"precision.cell_bits = {spec.cell_bits}); use macros of at least {columns} bitlines, "
            f"or fewer weight bits"
        )
    if spec.active_wordlines > wordlines:
        raise ValueError(
            f"array.wordlines = {wordlines}: fewer than array.active_wordlines = "
            f"{spec.active_wordlines}"
        )
    *rows, outputs = weights_shape
    return LayerMapping(
        groups=groups,
        k=prod(rows),
        outputs=outputs // groups,
        active_wordlines=spec.active_wordlines,
        columns_per_weight=columns,
        wordlines=wordlines,
        bitlines=bitlines,
    )
