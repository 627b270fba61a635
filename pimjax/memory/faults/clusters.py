"""Defects that come in clusters: a Neyman-Scott process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pimjax.memory.effects import ClusterEffect, Stage, Surroundings
from pimjax.memory.faults.parameters import (
    parameter,
    plain_numbers,
    require_bit,
    require_number,
    require_probability,
)


@dataclass(frozen=True)
class Clusters:
    """Clusters of stuck cells: centres at random, Poisson many cells scattered around each.

    The expected share of cells hit (before overlaps, and what falls beyond the edge of a macro) is
    `rate`; a cluster has `mean_size` cells on average, at normally distributed distances of
    standard deviation `radius_cells` along either axis, rounded to whole cells. More clusters at
    a higher rate contain those of a lower one.

    *Source:* Neyman and Scott, J. R. Stat. Soc. B 20 (1958) 1, for the process. *Assumption:* every
    parameter; clustering of MTJ defects is not published.
    """

    stage: ClassVar[Stage] = Stage.STUCK
    source: ClassVar[str] = "Neyman and Scott, J. R. Stat. Soc. B 20 (1958) 1; values assumed"

    rate: float = parameter("expected share of cells in clusters", "1")
    mean_size: float = parameter("cells of a cluster, on average", "cells", 8.0)
    radius_cells: float = parameter("standard deviation of the distance, per axis", "cells", 2.0)
    value: int = parameter("what the cells read", "bit", 0)

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_probability("Clusters.rate", self.rate)
        require_number("Clusters.mean_size", self.mean_size, 1, 64)
        require_number("Clusters.radius_cells", self.radius_cells, 0, 64)
        require_bit("Clusters.value", self.value)
        if self.rate / self.mean_size > 2.0**-7:
            raise ValueError(
                f"Clusters.rate = {self.rate}: with clusters of {self.mean_size:g} cells at most "
                f"{self.mean_size / 128:g}; more is no pattern of clusters"
            )

    def effects(self, around: Surroundings) -> list[ClusterEffect]:
        """The density of centres, and their clusters."""
        density = self.rate / self.mean_size
        settings = density, self.mean_size, self.radius_cells, self.value
        return [ClusterEffect(self.stage, f"clusters at {self.value}", *settings)]
