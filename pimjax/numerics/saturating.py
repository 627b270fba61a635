"""32-bit addition that stops at the ends instead of wrapping."""

from __future__ import annotations

import jax
import jax.numpy as jnp

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def add(a: jax.Array, b: jax.Array) -> jax.Array:
    """The int32 sum a + b, held at -2^31 and 2^31 - 1."""
    total = a + b
    # Two numbers of one sign whose sum has the other sign went past the word.
    passed = ((a ^ total) & (b ^ total)) < 0
    return jnp.where(passed, jnp.where(a < 0, jnp.int32(INT32_MIN), jnp.int32(INT32_MAX)), total)
