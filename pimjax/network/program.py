"""A compiled network: a static plan and an image of what the memory holds.

The plan (hashable, static under jit) decides every shape and branch. The image is a pytree of
arrays: weight codes as the array reads them, biases, requantisation numbers. Faults and other
settings of a sweep change only the image, so a plan compiles once. The placement says where on the
chip the weights stand; it changes no result.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pimjax.array.spec import Bitline
from pimjax.chip.schema import Chip
from pimjax.network.graph import Graph, Image
from pimjax.network.placement import Placement

if TYPE_CHECKING:
    from pimjax.network.describe import Description


@dataclass(frozen=True)
class Plan:
    """The static half of a network on a chip.

    `engine` names the engine that runs the array's layers, "auto" for the fastest.
    """

    spec: Bitline
    graph: Graph
    engine: str = "auto"


@dataclass(frozen=True, eq=False)
class Program:
    """A plan, the image it runs on, the chip it was compiled for, and its place there.

    `placement_of` (pimjax.network.place) gives the default place of a program that has none.
    """

    plan: Plan
    image: Image
    chip: Chip
    placement: Placement | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in order of execution."""
        return tuple(layer.name for layer in self.plan.graph.layers)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that `save` writes, in hex: equal programs, equal digests."""
        from pimjax.network.save import program_digest

        return program_digest(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the program to a file that `load_program` reads, whole or not at all.

        Raises ProgramFileError (an OSError) where it cannot be written.
        """
        from pimjax.network.save import save_program

        save_program(self, path)

    def describe(self, width: int | None = None) -> Description:
        """The mapping layer by layer, as data; prints it as a table for lines of `width`.

        Without `width` that of the terminal, or 120 where there is none.
        """
        from pimjax.network.describe import describe

        description = describe(self)
        print(description.table(width or shutil.get_terminal_size((120, 24)).columns))
        return description


def weights(program: Program) -> dict[str, np.ndarray]:
    """Integer weight codes by layer as the array reads them now, int32.

    (kh, kw, c/groups, n) for convolutions, (k, n) for matrix products. Signed weights are two's
    complement integers, so that code XOR code shows flipped bits.
    """
    return {
        layer.name: np.asarray(program.image[layer.name]["weights"]).astype(np.int32)
        for layer in program.plan.graph.layers
        if layer.op.place == "array"
    }
