"""Words of an error correcting code on a wordline: which bitlines hold data, which parity.

Letters: n cells of a word, k of them data; d data bitline, b physical bitline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WordLayout:
    """Words of n cells side by side along a wordline, each its k data cells, then its parity.

    Data bitlines are numbered without gaps over the words. What is left behind the last whole word
    stays free. Without a code, a word is one cell of data.

    *Assumption:* words are not interleaved; no chip of this kind has published its layout.
    """

    n: int
    k: int
    bitlines: int

    @property
    def words(self) -> int:
        """Words on a wordline."""
        return self.bitlines // self.n

    @property
    def data_bitlines(self) -> int:
        """Bitlines of a macro that hold data."""
        return self.words * self.k

    def physical_bitline(self, d: Any) -> Any:
        """b = (d // k) n + d mod k, elementwise."""
        return (d // self.k) * self.n + d % self.k

    def data_bitline(self, b: Any) -> tuple[Any, Any]:
        """(d, whether b holds data), elementwise; d means nothing where it does not."""
        word, position = b // self.n, b % self.n
        return word * self.k + position, (position < self.k) & (word < self.words)

    def parity(self, b: Any) -> tuple[Any, Any, Any]:
        """(word, position among its parity cells, whether b holds parity), elementwise."""
        word, position = b // self.n, b % self.n
        return word, position - self.k, (position >= self.k) & (word < self.words)


def word_layout(ecc: str, bitlines: int) -> WordLayout:
    """The layout of a chip's `mram.ecc`, such as "secded-72-64", on so many bitlines.

    Raises ValueError where they do not hold one word.
    """
    n, k = (1, 1) if ecc == "none" else map(int, ecc.split("-")[1:])
    if n > bitlines:
        raise ValueError(
            f"array.bitlines = {bitlines}: a word of mram.ecc = {ecc!r} takes {n} cells of one "
            f"wordline; use macros of at least {n} bitlines, or a shorter code"
        )
    return WordLayout(n, k, bitlines)
