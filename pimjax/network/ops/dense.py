"""Fully connected layer on the array: a 1x1 convolution of a 1x1 image."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from pimjax.network.ops.base import Context, Result
from pimjax.network.ops.conv import Conv, Output


@dataclass(frozen=True)
class Dense:
    """A matrix product. Image: weights (k, n), bias (n,) int32, requantiser numbers."""

    output: Output

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Output codes (b, n), accumulators before the bias, exact statistics of x (b, k)."""
        as_kernel = {**params, "weights": params["weights"][None, None]}
        pixels = tuple(x[:, None, None, :] for x in inputs)
        result = Conv(self.output, padding="VALID").apply(pixels, as_kernel, context)
        assert result.accumulator is not None
        accumulator = result.accumulator[:, 0, 0, :]
        return Result(result.codes[:, 0, 0, :], accumulator, result.stats)
