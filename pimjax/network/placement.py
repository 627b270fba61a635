"""Where the shelves of a program stand: static data of a program, saved with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Strip:
    """The shelves of columns `first_column` .. + `columns` of a layer, in order.

    Shelf i lies in macro `macros[i]`, from wordline `wordlines[i]` up. Macros have global numbers:
    chip * banks * macros_per_bank + bank * macros_per_bank + macro within the bank.
    """

    layer: str
    first_column: int
    columns: int
    macros: tuple[int, ...]
    wordlines: tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """The strips of every array layer, by layer in order of execution, then by column.

    `policy` is the name of the rule that chose them.
    """

    policy: str
    strips: tuple[Strip, ...]

    @property
    def macros(self) -> tuple[int, ...]:
        """Macros taken, each once, in order of their numbers."""
        return tuple(sorted({macro for strip in self.strips for macro in strip.macros}))
