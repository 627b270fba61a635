"""What an operation of a network is, and what it may know."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax

from pimjax.array.engines import Engine
from pimjax.array.spec import Bitline
from pimjax.chip.stats import Stats


class Context(NamedTuple):
    """The readout and the engine that array operations run on."""

    spec: Bitline
    engine: Engine


class Result(NamedTuple):
    """Output codes (int32); for an array operation also its accumulators and statistics."""

    codes: jax.Array
    accumulator: jax.Array | None = None
    stats: Stats | None = None


class Op(Protocol):
    """A frozen dataclass with the static settings of one operation."""

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The operation on int32 codes; `params` are the layer's arrays in the image."""
        ...
