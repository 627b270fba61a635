"""A function of two codes, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.digital.arithmetic import code_pair


@dataclass(frozen=True)
class PairTable:
    """out = table[a - lows[0], b - lows[1]]. Image: table (codes of a, codes of b) integers.

    With one input the image also has the "constant" codes of the other, with the tensor's rank;
    `constant_first` makes them a. Shapes broadcast as in NumPy.
    """

    place: ClassVar[Place] = "digital"

    lows: tuple[int, int]
    constant_first: bool = False

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The entry of every pair."""
        pair = code_pair(inputs, params, self.constant_first)
        rows, columns = (code - low for code, low in zip(pair, self.lows, strict=True))
        table = params["table"]
        index = rows * table.shape[1] + columns
        return Result(jnp.take(table.reshape(-1), index, mode="clip").astype(jnp.int32))
