"""A function of one code, as a table.

So arithmetic that no formula in integers repeats (another runtime's float32, with its order of
roundings) is exact on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result


@dataclass(frozen=True)
class Table:
    """out = table[code - low]. Image: table (n,) integers, one entry for each code from `low` up.

    Or (n, c), with a column for each channel (last axis).
    """

    place: ClassVar[Place] = "digital"

    low: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The entry of every code."""
        table = params["table"]
        index = inputs[0] - self.low
        if table.ndim == 2:
            channels = table.shape[1]
            channel = jnp.arange(channels, dtype=jnp.int32)
            index = index * channels + channel.reshape(*[1] * (index.ndim - 1), channels)
        return Result(jnp.take(table.reshape(-1), index, mode="clip").astype(jnp.int32))
