"""Words that are read, corrected and written back, before errors add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pimjax.memory.effects import ScrubEffect, Stage, Surroundings


@dataclass(frozen=True)
class Scrub:
    """One pass over the memory: every word is read through its code and written back corrected.

    No fault but a cure, in its place among the faults at rest: `[Retention(...), Scrub(),
    Retention(...)]` is a scrub between two intervals. Words with errors that are detected and not
    corrected stay as they are. Stuck cells are read as they are stuck, and written in vain.
    Weak cells stay weak: they fail again, at the same rate, in the next interval. *Assumption:*
    writing back makes no errors (add WriteErrors to see what programming does).

    *Source:* scrubbing as for STT-MRAM caches (an 80 Mb array scrubbed every 5 s, IBM).
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "periodic scrubbing with a word code"

    def effects(self, around: Surroundings) -> list[ScrubEffect]:
        """The pass. Raises ValueError for a chip whose words have no code."""
        if around.device.ecc == "none":
            raise ValueError(
                "Scrub: mram.ecc = 'none' has nothing to correct words with; choose a code, such "
                "as 'secded-72-64', and array.readout = 'digital'"
            )
        return [ScrubEffect(self.stage)]
