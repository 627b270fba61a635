"""The constant part of products with codes whose zero point is known only as the network runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax

from pimjax.network.ops.base import Context, Place, Result


@dataclass(frozen=True)
class ZeroTerm:
    """v - zero sums, for accumulators v (b, ..., n) and a zero point for each image (b,).

    Image: "sums" int32 (n,) or (h, w, n): the sum of the weights that each output's inputs meet.
    """

    place: ClassVar[Place] = "digital"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """int32 accumulators of codes without their zero point."""
        value, zero = inputs
        sums = params["sums"].reshape(
            *[1] * (value.ndim - params["sums"].ndim), *params["sums"].shape
        )
        return Result(value - zero.reshape(-1, *[1] * (value.ndim - 1)) * sums)
