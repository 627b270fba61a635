"""Integer codes: their legal ranges, their storage types, and the check at the border."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def code_range(bits: int, signed: bool) -> tuple[int, int]:
    """Smallest and largest code of `bits` bits, two's complement when `signed`."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def storage_dtype(low: int, high: int) -> Any:
    """Smallest of uint8, int8, int16 and int32 that holds every code from `low` to `high`."""
    for dtype in (jnp.uint8, jnp.int8, jnp.int16, jnp.int32):
        info = jnp.iinfo(dtype)
        if info.min <= low and high <= info.max:
            return dtype
    raise ValueError(f"codes from {low} to {high} do not fit 32 bits")


def is_traced(*arrays: Any) -> bool:
    """Whether any of the arrays has no value yet because it is being traced by JAX."""
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


def require_integers(name: str, array: Any) -> Any:
    """`array` itself (or as a NumPy array), refused unless its dtype is an integer one.

    Raises TypeError for floats, booleans and anything that is no array of numbers.
    """
    if not isinstance(array, jax.Array | np.ndarray):
        array = np.asarray(array)
    if array.dtype in (jnp.int2, jnp.uint2, jnp.int4, jnp.uint4):
        array = array.astype(jnp.int8)  # NumPy has no comparisons for these
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(
            f"{name}: dtype {array.dtype} given, but codes are integers; quantise first "
            f"and pass an integer dtype such as int32"
        )
    return array


def require_rank(name: str, array: Any, axes: str) -> None:
    """Refuses an array whose rank is not the number of words in `axes`, or that is empty."""
    rank = len(axes.split())
    if array.ndim != rank:
        raise ValueError(f"{name}: rank {array.ndim}, shape {array.shape} given; ({axes}) expected")
    if 0 in array.shape:
        raise ValueError(f"{name}: empty, shape {array.shape} given; every axis of ({axes}) >= 1")


def require_codes(name: str, array: Any, low: int, high: int, step: int = 1) -> jax.Array:
    """`array` in the storage type of the codes `low`, `low + step`, ..., `high`.

    A code out of range is refused with its index and value; nothing is clipped. While JAX is
    tracing there are no values to look at and the caller answers for the range.

    Raises ValueError.
    """
    dtype = storage_dtype(low, high)
    if is_traced(array):
        return array.astype(dtype)
    values = np.asarray(array)
    wrong = (values < low) | (values > high)
    if step != 1:
        wrong |= (values.astype(np.int64) - low) % step != 0
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        allowed = f"{low}..{high}" if step == 1 else f"{list(range(low, high + 1, step))}"
        raise ValueError(
            f"{name}{list(index)} = {int(values[index])} is out of range: "
            f"codes {allowed} are allowed ({int(wrong.sum())} of {values.size} are outside)"
        )
    return jnp.asarray(values.astype(dtype))
