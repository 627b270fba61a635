"""Flattening: (b, h, w, c) codes to (b, h w c), in that order."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from einops import rearrange

from pimjax.network.ops.base import Context, Result


@dataclass(frozen=True)
class Flatten:
    """The pixels of an image as one vector."""

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Codes (b, h w c)."""
        return Result(rearrange(inputs[0], "b ... -> b (...)"))
