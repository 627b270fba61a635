"""The word codes by name. All are linear and systematic: data bits first, then parity bits."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from pimjax.memory.ecc import columns


@dataclass(frozen=True)
class Code:
    """A linear code of n bits, k of them data, whose decoder corrects up to `t` errors.

    `columns[i]` is the syndrome (n - k bits) of an error in bit i of the word alone; the bits
    k .. n-1 are the parity bits, and `columns[k + i]` is 1 << i. Any two code words differ in at
    least `distance` bits, so that up to `distance - t - 1` errors are never miscorrected.
    """

    name: str
    n: int
    k: int
    t: int
    distance: int
    columns: tuple[int, ...]

    @property
    def parity_bits(self) -> int:
        """n - k, the bits stored beside the data; at most 24 here."""
        return self.n - self.k

    @property
    def detects(self) -> int:
        """The largest number of errors that is always corrected or detected."""
        return self.distance - self.t - 1


def _code(name: str, t: int, distance: int, data_columns: tuple[int, ...]) -> Code:
    n, k = (int(number) for number in name.split("-")[1:])
    parity_columns = tuple(1 << i for i in range(n - k))
    return Code(name, n, k, t, distance, (*data_columns, *parity_columns))


CODES: dict[str, Code] = {
    code.name: code
    for code in (
        _code("secded-39-32", 1, 4, columns.odd_weight(7, 32)),
        _code("secded-72-64", 1, 4, columns.odd_weight(8, 64)),
        _code("secded-137-128", 1, 4, columns.odd_weight(9, 128)),
        _code("hamming-71-64", 1, 3, columns.counting(64)),
        _code("bch-44-32", 2, 5, columns.remainders(0x1539, 32)),
        _code("bch-78-64", 2, 5, columns.remainders(0x4377, 64)),
        _code("bch-144-128", 2, 5, columns.remainders(0x16F63, 128)),
        _code("bch-152-128", 3, 7, columns.remainders(0x1BBA1B5, 128)),
    )
}
"""Every code by the name that a chip's `mram.ecc` gives it."""


def find_code(name: str) -> Code:
    """The code of that name; raises ValueError for a name that `CODES` does not list."""
    if name in CODES:
        return CODES[name]
    near = difflib.get_close_matches(str(name), CODES, 1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"ecc = {name!r}: {', '.join(map(repr, CODES))} allowed{guess}")
