"""One physical chip: a design and a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pimjax.chip.schema import Chip
from pimjax.network.program import Program
from pimjax.numerics.threefry import Words, words

if TYPE_CHECKING:
    from pimjax.die.repair import Repair


@dataclass(frozen=True)
class Die:
    """One physical chip: equal designs and seeds are equal chips, cell by cell.

    Its defects belong to physical addresses, not to networks. For a program that is spread over
    several chips the seed stands for the set: chips of other numbers are other silicon. `repair`
    says which spare lines stand in for which others (`pimjax.die.repair`).
    """

    chip: Chip
    seed: int = 0
    repair: Repair | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.chip, Chip):
            raise TypeError(
                f"die: {type(self.chip).__name__} given as its chip; pass what pj.load_chip returns"
            )
        if isinstance(self.seed, bool) or not hasattr(self.seed, "__index__"):
            raise TypeError(f"die: seed = {self.seed!r}: an integer expected")
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"die: seed = {self.seed}: an integer from 0 to 2^64 - 1 expected")
        object.__setattr__(self, "seed", int(self.seed))

    @property
    def key(self) -> Words:
        """The key of everything that is drawn for this die."""
        return words(self.seed, self.seed >> 32)

    def require_own(self, program: Program) -> None:
        """Refuses a program of another chip. Raises ValueError.

        Converters and energies may differ (a sweep over ADC bits stays on its dies); name, array
        and memory may not.
        """
        mine, other = self.chip, program.chip
        if mine.name != other.name:
            raise ValueError(
                f"the die is a {mine.name!r}, but the program was compiled for {other.name!r}; "
                f"make the die with pj.Die(program.chip, seed)"
            )
        same = (mine.array, mine.mram, mine.precision.cell_bits)
        if same != (other.array, other.mram, other.precision.cell_bits):
            raise ValueError(
                f"the die and the program are both of {mine.name!r}, but their arrays or memories "
                f"differ; make the die with pj.Die(program.chip, seed)"
            )
