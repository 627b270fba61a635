"""The addresses of a layer's stored bits as a table, for people and for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from pimjax.array.stored import stored_bits
from pimjax.die.addresses import AddressMap, flat_weight, known_layer
from pimjax.network.program import Program
from pimjax.network.text import aligned

_SHOWN = 40


@dataclass(frozen=True, eq=False)
class AddressTable:
    """A line for each stored bit. As text its first lines, as `csv` all of them.

    `columns` are integer arrays by title: the axes of the weights array (`kh`, `kw`, `c`, `n`, or
    `k`, `n`), `plane`, then `chip`, `bank`, `macro`, `wordline`, `bitline`, `level`.
    """

    layer: str
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        """Stored bits."""
        return len(self.columns["plane"])

    @property
    def csv(self) -> str:
        """A line of titles, then one a stored bit; the first column is the layer's name."""
        quoted = '"' + self.layer.replace('"', '""') + '"'
        lines = [",".join(["layer", *self.columns])]
        rows = zip(*(column.tolist() for column in self.columns.values()), strict=True)
        lines += [",".join([quoted, *map(str, row)]) for row in rows]
        return "\n".join(lines) + "\n"

    def table(self, lines: int = _SHOWN) -> str:
        """The first so many lines as plain text; a last one says how many are left out."""
        shown = {
            title: [title, *map(str, column[:lines].tolist())]
            for title, column in self.columns.items()
        }
        more = len(self) - lines
        return "\n".join(
            [
                f"{self.layer}: {len(self)} stored bits",
                *aligned(shown, ()),
                *([f"... and {more} more; csv has all"] if more > 0 else []),
            ]
        )

    def __str__(self) -> str:
        return self.table()


def address_table(
    program: Program,
    layer: str,
    weights: Iterable[int | tuple[int, ...]] | None = None,
    planes: Iterable[int] | None = None,
) -> AddressTable:
    """The addresses of a layer's stored bits, by weight, then plane, as data.

    `weights` are index tuples or flat numbers, `planes` numbers of stored bits; all by default.
    `print` shows it, `csv` is text for a file. Raises ValueError for what is not there.
    """
    addresses = AddressMap(program)
    shape = program.image[known_layer(layer, addresses.layers)]["weights"].shape
    if weights is None:
        flat = np.arange(prod(shape))
    else:
        flat = np.array([flat_weight(layer, shape, weight) for weight in weights], np.int64)
    every = range(stored_bits(program.plan.spec))
    chosen = np.array(list(every if planes is None else planes), np.int64)
    weight, plane = np.repeat(flat, len(chosen)), np.tile(chosen, len(flat))
    sites, array = addresses.sites(layer, weight, plane), program.chip.array
    axes = ("k", "n") if len(shape) == 2 else ("kh", "kw", "c", "n")
    bank = sites.macro // array.macros_per_bank
    columns = dict(zip(axes, np.unravel_index(weight, shape), strict=True))
    columns |= {
        "plane": plane,
        "chip": bank // array.banks,
        "bank": bank % array.banks,
        "macro": sites.macro % array.macros_per_bank,
        "wordline": sites.wordline,
        "bitline": sites.bitline,
        "level": sites.level,
    }
    return AddressTable(layer, columns)
