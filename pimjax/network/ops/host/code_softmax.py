"""Softmax of codes with another runtime's float32 roundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result
from pimjax.numerics.division import divide


@dataclass(frozen=True)
class CodeSoftmax:
    """round half even(e steps / sum of e) + zero_point, held to `highest`, along the last axis.

    e is the entry of the image's table "exponentials" (codes,) float32 for the code moved up so
    that the largest of the row becomes the last one. The sum is taken from the first to the last.
    """

    place: ClassVar[Place] = "host"

    in_low: int
    steps: float
    zero_point: int
    low: int
    highest: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes of the shape of the input."""
        x, table = inputs[0], params["exponentials"]
        shift = table.shape[0] - 1 - jnp.max(x, axis=-1, keepdims=True)
        entries = jnp.take(table, x + jnp.broadcast_to(shift, x.shape), mode="clip")
        first = jnp.zeros(x.shape[:-1], jnp.float32)
        total, _ = jax.lax.scan(
            lambda sum_, entry: (sum_ + entry, None), first, jnp.moveaxis(entries, -1, 0)
        )
        share = divide(entries * jnp.float32(self.steps), total[..., None])
        codes = jnp.rint(share).astype(jnp.int32) + self.zero_point
        return Result(jnp.clip(codes, self.low, self.highest))
