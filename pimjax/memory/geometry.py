"""The cells of a macro, spare ones included, and their numbers.

A *site* is one storage element: site = (wordline * bitlines + bitline) * levels + level, where the
spare lines come after the regular ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class MacroGeometry(NamedTuple):
    """Physical lines of a macro, and storage elements per cell."""

    wordlines: int
    bitlines: int
    levels: int
    macros_per_bank: int

    @property
    def sites(self) -> int:
        """Storage elements of a macro."""
        return self.wordlines * self.bitlines * self.levels

    def site(self, wordline: Any, bitline: Any, level: Any) -> Any:
        """The number of a storage element in its macro, elementwise."""
        return (wordline * self.bitlines + bitline) * self.levels + level

    def place(self, site: Any) -> tuple[Any, Any, Any]:
        """(wordline, bitline, level) of a site, elementwise."""
        cell, level = site // self.levels, site % self.levels
        return cell // self.bitlines, cell % self.bitlines, level
