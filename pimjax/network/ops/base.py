"""What an operation of a network is, and what it may know."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Protocol

import jax

from pimjax.array.engines import Engine, select
from pimjax.array.spec import Adc, Bitline
from pimjax.chip.stats import Stats

Place = Literal["array", "digital", "host"]


class Context(NamedTuple):
    """The readout and the engine that array operations run on; None where there is no array.

    images (b,): the numbers of the images, int32 or uint32, which the noise of conversions is
    drawn by; needed where conversions are noisy.
    """

    spec: Bitline | None = None
    engine: str = "auto"
    images: jax.Array | None = None

    def readout(self, adc: Adc | None, columns: bool = False) -> tuple[Bitline, Engine]:
        """The readout with a layer's own converter settings, and the engine for it.

        `columns`: for columns that are not ideal.
        """
        if self.spec is None:
            raise ValueError("an array operation needs a chip: compile the model for one")
        spec = self.spec if adc is None else replace(self.spec, adc=adc)
        return spec, select(self.engine, spec, columns)


class Result(NamedTuple):
    """What an operation puts out: int32 codes, or float32 real numbers.

    For an array operation also its accumulators (before bias and requantisation) and statistics.
    """

    output: jax.Array
    accumulator: jax.Array | None = None
    stats: Stats | None = None


class Op(Protocol):
    """A frozen dataclass with the static settings of one operation.

    `place` says where it is done: "array" (through the bitlines), "digital" (integers beside the
    array, or codes that only move), "host" (real numbers outside the chip).
    """

    place: ClassVar[Place]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The operation on int32 codes or float32 numbers, batch first, channels last.

        `params` are the layer's arrays in the image.
        """
        ...
