"""Real numbers whose bits do not depend on what else is compiled beside them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

_LARGEST = float(np.finfo(np.float32).max)


def held(value: jax.Array) -> jax.Array:
    """`value` (float32) rounded where it stands; infinite numbers become the largest finite ones.

    Compilers contract a product and the sum behind it into one operation with one rounding where
    both end up in one loop. That depends on shapes and on which tensors are asked for, so a batch
    of one and a batch of eight would differ in the last bit. The limits stand in between; XLA
    drops its own barriers too early for that.
    """
    return jnp.clip(value, -_LARGEST, _LARGEST)


def total(value: jax.Array, axes: tuple[int, ...], keep: bool = False) -> jax.Array:
    """The sum over `axes`: halves are added to each other until one number is left.

    A fixed order: XLA's own depends on the length of the other axes.
    """
    last = tuple(range(value.ndim - len(axes), value.ndim))
    moved = jnp.moveaxis(value, axes, last)
    rest = moved.reshape(*moved.shape[: last[0]], math.prod(moved.shape[last[0] :]))
    while rest.shape[-1] > 1:
        half = rest.shape[-1] // 2
        paired = rest[..., :half] + rest[..., half : 2 * half]
        rest = jnp.concatenate([paired, rest[..., 2 * half :]], axis=-1)
    summed = rest[..., 0]
    return jnp.expand_dims(summed, sorted(axes)) if keep else summed
