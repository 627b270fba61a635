"""Quantised array layers before they are mapped to a chip: codes as the network has them.

Both ways into a chip meet here. An importer of quantised files writes these operations from the
file; quantisation of a float network writes them from calibration. `bind` turns them into the
array's own: unsigned or signed codes, folded zero points, the bias in accumulator units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax

from pimjax.array.geometry import Padding, Pair
from pimjax.network.ops.base import Context, Place, Result
from pimjax.network.ops.output import Output


@dataclass(frozen=True)
class QuantizedConv:
    """out = clamp(requant(sum (x - x_zero) (w - w_zero) + bias) + zero_point, low, high).

    x_zero is the zero point of the input's `TensorSpec`; padding counts as real zero. Arrays:

    - weights (kh, kw, c/g, n) integers as the file stores them,
    - weight_zero (n,) integers, left out where all are 0,
    - bias (n,) integers in units of in_scale * weight_scale,
    - factor (n,) float64: in_scale * weight_scale / out_scale, computed as the file's own runtime
      does; left out with the rule "none". "fixed_point" makes the 31-bit multiplier from it,
      "float32" rounds it to float32, "float64" takes it as it is.
    """

    place: ClassVar[Place] = "array"

    output: Output
    stride: Pair = (1, 1)
    padding: Padding = "SAME"
    dilation: Pair = (1, 1)
    groups: int = 1

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Refused: only a compiled program runs. Raises ValueError."""
        raise ValueError("a quantised model runs on a chip only: pimjax.compile(model, chip)")


@dataclass(frozen=True)
class QuantizedDense:
    """As `QuantizedConv` for x (b, ..., k) and weights (k, n)."""

    place: ClassVar[Place] = "array"

    output: Output

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """Refused: only a compiled program runs. Raises ValueError."""
        raise ValueError("a quantised model runs on a chip only: pimjax.compile(model, chip)")
