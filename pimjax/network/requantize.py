"""From the accumulator to output codes, in integers. *Source:* SEMANTICS section 6.

A requantiser is one of a few rules with its numbers, scalars or one per output channel (last
axis). The rule is static, the numbers are data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.numerics.fixed import divide_by_power, high_product

Numbers = dict[str, jax.Array]


def shift(value: jax.Array, numbers: Numbers) -> jax.Array:
    """Round half up, (v + (2^s >> 1)) >> s, for `numbers["shift"]` s in 0..31."""
    s = _along_last(numbers["shift"], value)
    below = jnp.maximum(s - 1, 0)
    # floor(v / 2^s) plus the highest dropped bit: the same, and the sum cannot overflow.
    dropped = jnp.where(s > 0, (value >> below) & 1, 0)
    return (value >> s) + dropped


def fixed_point(value: jax.Array, numbers: Numbers) -> jax.Array:
    """v * multiplier * 2^(exponent - 31) with the two roundings of TensorFlow Lite.

    `numbers["multiplier"]` is int32 in 2^30 .. 2^31 - 1 (or 0), `numbers["exponent"]` in -31 .. 30.
    v is first shifted left by a positive exponent; then the doubled high word of the product is
    rounded half up; then a division by 2^-exponent rounds half away from zero.
    """
    exponent = _along_last(numbers["exponent"], value)
    multiplier = _along_last(numbers["multiplier"], value)
    raised = value << jnp.maximum(exponent, 0)
    return divide_by_power(high_product(raised, multiplier), jnp.maximum(-exponent, 0))


def float32(value: jax.Array, numbers: Numbers) -> jax.Array:
    """Round half even of float32(v) * float32(scale), as ONNX Runtime's QLinearConv.

    Results beyond +-2^30 are held there; every output range is far inside.
    """
    scale = _along_last(numbers["scale"], value)
    scaled = jnp.rint(value.astype(jnp.float32) * scale)
    return jnp.clip(scaled, -(2.0**30), 2.0**30).astype(jnp.int32)


def float64(value: jax.Array, numbers: Numbers) -> jax.Array:
    """Half away from zero of float64(v) * float64(factor), as LiteRT's reference FULLY_CONNECTED.

    Results are held to -256 .. 255, which covers 8-bit outputs of any zero point. There is no
    float64 here: `numbers["above"]` (1 or n, 511) are the values past which the result is one more,
    counted from `numbers["base"]` (1 or n), both from `float64_steps`.
    """
    above = numbers["above"].reshape(*[1] * (value.ndim - 1), *numbers["above"].shape)
    passed = (value[..., None] > above).sum(axis=-1, dtype=jnp.int32)
    return passed + _along_last(numbers["base"], value)


def none(value: jax.Array, numbers: Numbers) -> jax.Array:
    """v itself: an accumulator that leaves as it is."""
    return value


RULES: dict[str, Callable[[jax.Array, Numbers], jax.Array]] = {
    "none": none,
    "shift": shift,
    "fixed_point": fixed_point,
    "float32": float32,
    "float64": float64,
}


def requantize(value: jax.Array, rule: str, numbers: Numbers) -> jax.Array:
    """int32 accumulators `value` (..., n) rescaled by the named rule, int32."""
    return RULES[rule](value, numbers)


def _along_last(number: jax.Array, value: jax.Array) -> jax.Array:
    """A scalar or (n,) number with the rank of `value` (..., n)."""
    number = jnp.atleast_1d(number)
    shape = (*([1] * (value.ndim - 1)), number.shape[0])
    return jnp.broadcast_to(number.reshape(shape), value.shape)


def multiplier_and_exponent(real: float) -> tuple[int, int]:
    """The 31-bit multiplier and exponent nearest to a positive real: m 2^(e - 31), m >= 2^30.

    A tie between two multipliers goes up, as in TensorFlow Lite.
    e lies in -31 .. 30; smaller numbers (below 2^-32) become (0, 0), as in TensorFlow Lite. Raises
    ValueError for what is not positive, or too large (2^30 and above).
    """
    fraction, exponent = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5) if math.isfinite(real) else 0
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier >> 1, exponent + 1
    if not real > 0 or multiplier == 0 or exponent > 30:
        raise ValueError(f"requantisation factor {real}: a positive number below 2^30 expected")
    return (0, 0) if exponent < -31 else (multiplier, exponent)


def numbers_of(rule: str, factors: Any) -> dict[str, np.ndarray]:
    """The arrays of a rule whose real factors are one number, or one for each channel (n,).

    Raises ValueError for a factor that the rule cannot express; "shift" has none.
    """
    if rule == "none":
        return {}
    factors = np.asarray(factors, np.float64)
    wrong = factors[~(np.isfinite(factors) & (factors >= 0))]
    if wrong.size:
        raise ValueError(f"requantisation factor {wrong[0]}: a positive number below 2^30 expected")
    if rule == "float32":
        return {"scale": factors.astype(np.float32)}
    if rule == "float64":
        every = np.atleast_1d(factors)
        own = every[:1] if np.all(every == every[:1]) else every
        steps = [float64_steps(float(real)) for real in own]
        return {
            "above": np.stack([above for above, _ in steps]),
            "base": np.array([base for _, base in steps], np.int32),
        }
    pairs = np.array([multiplier_and_exponent(float(real)) for real in factors.ravel()], np.int32)
    multipliers, exponents = pairs.reshape(*factors.shape, 2).T
    return {"multiplier": multipliers, "exponent": exponents}


def float64_steps(factor: float) -> tuple[np.ndarray, int]:
    """(511 int32 values past which `float64` of a positive factor is one more, its lowest result).

    Found by bisection on the very product in float64: steps that no int32 value reaches stand at
    its end, those that every value has passed are part of the lowest result. Raises ValueError.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"requantisation factor {factor}: a positive number expected")
    results = np.arange(-255, 256)
    low = np.full(results.shape, -(1 << 31), np.int64)
    high = np.full(results.shape, 1 << 31, np.int64)
    with np.errstate(over="ignore"):
        while (low < high).any():
            middle = (low + high) >> 1
            product = middle.astype(np.float64) * factor
            # A tie counts for the result above it if that is positive.
            reached = np.where(results > 0, product >= results - 0.5, product > results - 0.5)
            low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    always = high == -(1 << 31)
    above = np.where(always, (1 << 31) - 1, high - 1).astype(np.int32)
    return above, -256 + int(always.sum())
