"""Fully connected layer on the array: a 1x1 convolution of a 1x1 image."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import jax

from pimjax.array.spec import Adc
from pimjax.network.ops.array.conv import Conv
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output


@dataclass(frozen=True)
class Dense:
    """A matrix product. Image: weights (k, n), bias (n,) int32, requantiser numbers.

    The other settings are those of `Conv`.
    """

    place: ClassVar[Place] = "array"

    output: Output
    in_shift: int = 0
    weight_shift: bool = False
    adc: Adc | None = None

    @property
    def as_conv(self) -> Conv:
        """The convolution with a 1x1 kernel that computes the same."""
        shared = {item.name: getattr(self, item.name) for item in fields(self)}
        return Conv(padding="VALID", **shared)

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Output codes (b, ..., n), accumulators before the bias, statistics of x (b, ..., k)."""
        as_kernel = {
            name: array[None, None] if name in ("weights", "weights_common") else array
            for name, array in params.items()
        }
        leading = inputs[0].shape[:-1]
        pixels = tuple(x.reshape(leading[0], -1, 1, x.shape[-1]) for x in inputs)
        result = self.as_conv.apply(pixels, as_kernel, context)
        assert result.accumulator is not None
        shape = (*leading, result.output.shape[-1])
        return Result(result.output.reshape(shape), result.accumulator.reshape(shape), result.stats)
