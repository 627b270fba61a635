"""Fault models, one file each, and the table of them all."""

from pimjax.memory.faults.bit_flip import BitFlip
from pimjax.memory.faults.broken_lines import BrokenBitlines, BrokenWordlines, DeadMacros
from pimjax.memory.faults.clusters import Clusters
from pimjax.memory.faults.flip_cells import FlipCells
from pimjax.memory.faults.flip_count import FlipCount
from pimjax.memory.faults.read_disturb import ReadDisturb
from pimjax.memory.faults.retention import Retention
from pimjax.memory.faults.scrub import Scrub
from pimjax.memory.faults.sensing_errors import SensingErrors
from pimjax.memory.faults.stuck_at import StuckAt
from pimjax.memory.faults.write_errors import WriteErrors

FAULTS = (
    WriteErrors,
    BitFlip,
    FlipCount,
    FlipCells,
    Retention,
    ReadDisturb,
    Scrub,
    StuckAt,
    BrokenWordlines,
    BrokenBitlines,
    DeadMacros,
    Clusters,
    SensingErrors,
)
"""Every fault model: `pimjax faults` lists these, scenario files name them."""

Fault = (
    WriteErrors
    | BitFlip
    | FlipCount
    | FlipCells
    | Retention
    | ReadDisturb
    | Scrub
    | StuckAt
    | BrokenWordlines
    | BrokenBitlines
    | DeadMacros
    | Clusters
    | SensingErrors
)

__all__ = ["FAULTS", "Fault", *(fault.__name__ for fault in FAULTS)]
