"""What the codes of a tensor stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pimjax.numerics.codes import storage_dtype


@dataclass(frozen=True)
class TensorSpec:
    """Affine codes: real value = scale (code - zero_point), codes from `low` to `high`."""

    scale: float
    zero_point: int
    low: int
    high: int

    @property
    def dtype(self) -> Any:
        """The smallest integer type that holds every code."""
        return storage_dtype(self.low, self.high)

    def codes_of(self, values: Any, name: str = "images", first: int = 0) -> np.ndarray:
        """Codes of real numbers: round half even(x / scale) + zero point, held to the range.

        In float32, as ONNX's QuantizeLinear. Raises ValueError as `require_finite` does.
        """
        values = require_finite(values, name, first)
        with np.errstate(over="ignore"):
            codes = np.rint(values / np.float32(self.scale)) + np.float32(self.zero_point)
        return np.clip(codes, self.low, self.high).astype(self.dtype)

    def values_of(self, codes: Any) -> np.ndarray:
        """Real numbers of codes, float32, as ONNX's DequantizeLinear."""
        centred = np.asarray(codes).astype(np.int32) - self.zero_point
        return centred.astype(np.float32) * np.float32(self.scale)


def require_finite(values: Any, name: str = "images", first: int = 0) -> np.ndarray:
    """`values` as float32, refused with the first index that is not finite.

    `first` is the index of values[0] in what the caller was given. Raises ValueError.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        values = np.asarray(values).astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
        number = values[tuple(index)]
        if index:
            index[0] += first
        raise ValueError(f"{name}{index} = {number}: finite float32 numbers expected")
    return values
