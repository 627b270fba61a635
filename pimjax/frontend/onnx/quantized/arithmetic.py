"""The float32 arithmetic of ONNX Runtime's 8-bit operators (CPU, x86-64), in NumPy.

Every order of operations and every fused multiply-add here was found by comparing all codes with
ONNX Runtime 1.32 under many scales; `tests/test_onnx_quantized.py` repeats that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from pimjax.network.tensor import TensorSpec

Function = Callable[[np.ndarray], np.ndarray]


def codes(tensor: TensorSpec) -> np.ndarray:
    """Every code of the tensor, int32 in rising order."""
    return np.arange(tensor.low, tensor.high + 1, dtype=np.int32)


def rounded(values: np.ndarray, tensor: TensorSpec) -> np.ndarray:
    """Codes of numbers in units of the scale that already hold the zero point."""
    return np.clip(np.rint(values), tensor.low, tensor.high).astype(tensor.dtype)


def unary_table(x: TensorSpec, y: TensorSpec, function: Function) -> np.ndarray:
    """Codes of y for every code of x: dequantised, the function in float32, quantised.

    (codes,), or (codes, c) for a function whose result has channels along the last axis.
    """
    return y.codes_of(function(x.values_of(codes(x))), "table")


def add_table(a: TensorSpec, b: TensorSpec, y: TensorSpec, b_first: bool = False) -> np.ndarray:
    """(codes of a, codes of b) codes of the sum, as QLinearAdd.

    With r the scales over that of y, fixed = zero - (r_a zero_a + r_b zero_b) and the sum is
    r_a a + (r_b b + fixed), the products of a and b fused with the additions. `b_first` swaps the
    roles of a and b: where a is a single number for each run of b.
    """
    if b_first:
        return add_table(b, a, y).T
    ratio_a, ratio_b = (np.float32(x.scale) / np.float32(y.scale) for x in (a, b))
    zero_b = ratio_b * np.float32(b.zero_point)
    fixed = np.float32(y.zero_point) - fused(ratio_a, np.float32(a.zero_point), zero_b)
    inner = fused(codes(b), ratio_b, fixed)
    return rounded(fused(codes(a)[:, None], ratio_a, inner[None]), y)


def multiply_table(a: TensorSpec, b: TensorSpec, y: TensorSpec) -> np.ndarray:
    """(codes of a, codes of b) codes of the product, as QLinearMul.

    zero + (s_a s_b / s) times the exact product of the codes, with no fused operation.
    """
    ratio = np.float32(a.scale) * np.float32(b.scale) / np.float32(y.scale)
    product = (codes(a) - a.zero_point)[:, None] * (codes(b) - b.zero_point)[None]
    return rounded(product.astype(np.float32) * ratio + np.float32(y.zero_point), y)


def fused(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> np.ndarray:
    """The float32 nearest to a b + c, of float32 numbers of which a has at most 24 bits.

    The product is exact in float64; the sum is rounded to odd there, which leaves the second
    rounding, to float32, what it would be for the exact sum.
    """
    product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    addend = np.asarray(c, np.float64)
    total = np.asarray(product + addend)
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    is_odd = (total.view(np.int64) & 1).astype(bool)
    toward = np.where(lost > 0, np.inf, -np.inf)
    odd = np.where((lost != 0) & ~is_odd, np.nextafter(total, toward), total)
    return odd.astype(np.float32)
