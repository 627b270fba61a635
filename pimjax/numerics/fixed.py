"""The two roundings of fixed-point kernels: a doubled high product, and a power of two.

*Source:* the fixed-point functions of gemmlowp, which TensorFlow Lite's reference kernels use.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pimjax.numerics import wide


def high_product(a: jax.Array, b: jax.Array) -> jax.Array:
    """a b / 2^31 rounded half up, for int32 arrays of equal shape that are not both -2^31."""
    exact = wide.add(wide.multiply(a, b), wide.constant(1 << 30))
    return wide.low_word(wide.shift_right(exact, 31))


def divide_by_power(value: jax.Array, places: jax.Array) -> jax.Array:
    """value / 2^places (int32, 0 <= places) rounded half away from zero; 0 beyond 31 places."""
    kept = jnp.minimum(places, 31)
    mask = (jnp.left_shift(jnp.int32(1), kept) - 1).astype(jnp.int32)
    threshold = (mask >> 1) + (value < 0).astype(jnp.int32)
    rounded = (value >> kept) + ((value & mask) > threshold).astype(jnp.int32)
    return jnp.where(places > 31, 0, rounded)
