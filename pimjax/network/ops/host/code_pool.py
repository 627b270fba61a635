"""Average pooling of codes by way of real numbers, with another runtime's float32 roundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.array.geometry import Pair
from pimjax.network.ops.base import Context, Place, Result
from pimjax.numerics.division import divide


@dataclass(frozen=True)
class CodeAveragePool:
    """clamp(round half even(mean / scale + zero_point), low, high) of dequantised codes.

    The window is summed row by row, each addition rounded to float32. Image: "reals" (codes,)
    float32 the numbers of the input's codes from `in_low` on, "counts" (1, h', w', 1) float32 what
    each sum is divided by. `pad` ((top, bottom), (left, right)) adds nothing.
    """

    place: ClassVar[Place] = "host"

    window: Pair
    stride: Pair
    pad: tuple[Pair, Pair]
    in_low: int
    scale: float
    zero_point: int
    low: int
    high: int
    dilation: Pair = (1, 1)

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h', w', c) of codes (b, h, w, c)."""
        reals = jnp.take(params["reals"], inputs[0] - self.in_low, mode="clip")
        reals = jnp.pad(reals, ((0, 0), *self.pad, (0, 0)))
        out = params["counts"].shape[1:3]
        total = jnp.zeros((reals.shape[0], *out, reals.shape[3]), jnp.float32)
        for i in range(self.window[0]):
            for j in range(self.window[1]):
                total = total + self._shifted(reals, (i, j), out)
        mean = divide(total, params["counts"])
        codes = jnp.rint(divide(mean, self.scale) + jnp.float32(self.zero_point))
        return Result(jnp.clip(codes, self.low, self.high).astype(jnp.int32))

    def _shifted(self, x: jax.Array, at: Pair, out: tuple[int, ...]) -> jax.Array:
        first = [tap * spread for tap, spread in zip(at, self.dilation, strict=True)]
        cuts = [
            slice(start, start + (count - 1) * step + 1, step)
            for start, count, step in zip(first, out, self.stride, strict=True)
        ]
        return x[:, cuts[0], cuts[1]]
