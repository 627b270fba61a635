"""The accumulator: the running sum of row groups in a register of finite width.

Inside a row group the adder tree is exact; after each group, and once more after the digital
term, the running sum is reduced. With overflow "error" it is known beforehand that nothing has to
be (see bounds.py), so reducing is then the identity. *Source:* SEMANTICS section 5.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pimjax.array.spec import Bitline
from pimjax.numerics import saturating, wide
from pimjax.numerics.wide import Wide


def wrap(value: jax.Array, bits: int) -> jax.Array:
    """int32 `value` modulo 2^bits, two's complement."""
    unused = 32 - bits
    return value if unused == 0 else (value << unused) >> unused


def add_group(running: jax.Array, group: jax.Array, spec: Bitline) -> jax.Array:
    """The running sum after one more row group whose exact sum is `group` (both int32)."""
    if spec.accumulator_overflow == "saturate":
        return jnp.clip(saturating.add(running, group), *spec.accumulator_range)
    total = running + group
    return wrap(total, spec.accumulator_bits) if spec.accumulator_overflow == "wrap" else total


def add_wide(running: jax.Array, term: Wide, spec: Bitline) -> jax.Array:
    """The same for a term that may need 64 bits."""
    if spec.accumulator_overflow == "saturate":
        total = wide.add(wide.from_int32(running), term)
        return wide.clamp(total, *spec.accumulator_range)
    return wrap(running + wide.low_word(term), spec.accumulator_bits)
