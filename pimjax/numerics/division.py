"""Division of float32 numbers that is rounded once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def divide(value: jax.Array, divisor: ArrayLike) -> jax.Array:
    """value / float32(divisor), the float32 number nearest to the quotient.

    `divisor` is a number or an array that broadcasts to `value`.

    XLA makes a division by a scalar, broadcast or not, a product with its rounded reciprocal,
    which is off by one unit in the last place for a tenth to a third of all numbers; and of the
    quotient of a quotient, one division by a rounded product. It sees neither through a barrier.
    """
    divisors = jnp.full(value.shape, divisor, jnp.float32)
    return jax.lax.div(*jax.lax.optimization_barrier((value, divisors)))
