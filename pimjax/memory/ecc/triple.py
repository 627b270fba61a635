"""Decoding of up to three errors over GF(2^8), in closed form."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc.codes import Code
from pimjax.memory.ecc.galois import powers_and_logs
from pimjax.memory.ecc.linear import parities, row_masks
from pimjax.memory.ecc.outcome import Outcome
from pimjax.memory.ecc.verdict import FLAG_SHIFT, NO_BIT, verdict

POLYNOMIAL = 0x11D
ORDER = 255
_NO_ROOTS = 0


@cache
def _power_sum_masks(parity_bits: int) -> tuple[np.ndarray, ...]:
    """Masks that take the remainder s(x) of a word to S1 = s(a), S3 = s(a^3) and S5 = s(a^5)."""
    powers, _ = powers_and_logs(POLYNOMIAL)
    return tuple(
        row_masks([int(powers[sum_ * place % ORDER]) for place in range(parity_bits)], 8)
        for sum_ in (1, 3, 5)
    )


@cache
def _cubic_roots() -> np.ndarray:
    """(256,) uint32: the logarithms of the three roots of z^3 + z = c, a byte each, by c.

    `_NO_ROOTS` where there are not three different roots in the field; no real entry is 0, as
    different roots have different logarithms.
    """
    powers, logs = (table.tolist() for table in powers_and_logs(POLYNOMIAL))
    roots: dict[int, list[int]] = {}
    for z in range(1, ORDER + 1):
        roots.setdefault(powers[3 * logs[z] % ORDER] ^ z, []).append(logs[z])
    table = np.full(ORDER + 1, _NO_ROOTS, np.uint32)
    for c, found in roots.items():
        if c and len(found) == 3:
            table[c] = found[0] | found[1] << 8 | found[2] << 16
    return table


def triple_verdict(code: Code, syndromes: jax.Array) -> jax.Array:
    """The verdicts, uint32, of `syndromes` (uint32) of a BCH code with t = 3 over GF(2^8).

    From the power sums S1, S3, S5 of the error locators, with D = S1^3 + S3:

    - all zero: clean. D = 0 otherwise: one error at S1 if S5 = S1^5, else detected.
    - D != 0: the locators are the roots of x^3 + S1 x^2 + s2 x + s3, where
      s2 = (S1^2 S3 + S5) / D and s3 = D + S1 s2; a root 0 stands for no error. With x = y + S1 it
      reads y^3 + a y + D = 0, a = S1^2 + s2. For a = 0 the y are cube roots of D; otherwise
      y = sqrt(a) z makes it z^3 + z = D / a^(3/2), a table of 256 entries. Fewer than three
      different roots, or one outside the word: detected.

    *Source:* W. W. Peterson, IRE Trans. Inf. Theory 6(4), 1960, for the locator polynomial of
    binary BCH codes; the substitutions are elementary.
    """
    s1, s3, s5 = (
        parities(masks, syndromes[..., None]) for masks in _power_sum_masks(code.parity_bits)
    )
    square = _times(s1, s1)
    cube = _times(square, s1)
    d = cube ^ s3
    locators, distinct = _roots(s1, _times(_times(square, s3) ^ s5, _inverse(d)), d)
    single = d == 0
    corrected = jnp.where(single, s5 == _times(square, cube), distinct)
    zero = jnp.zeros_like(s1)
    verdicts = jnp.full_like(s1, Outcome.CORRECTED << FLAG_SHIFT)
    for index, (alone, locator) in enumerate(zip((s1, zero, zero), locators, strict=True)):
        x = jnp.where(single, alone, locator)
        place = _log(x)
        corrected &= (x == 0) | (place < code.n)
        bit = jnp.where(x == 0, jnp.uint32(NO_BIT), _bit_of(code, place))
        verdicts |= bit << 8 * index
    verdicts = jnp.where(corrected, verdicts, jnp.uint32(verdict(Outcome.DETECTED)))
    return jnp.where(syndromes == 0, jnp.uint32(verdict(Outcome.CLEAN)), verdicts)


def _roots(s1: jax.Array, s2: jax.Array, d: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Three roots of x^3 + s1 x^2 + s2 x + (d + s1 s2), and whether they exist and differ."""
    a = _times(s1, s1) ^ s2
    log_d = _log(d)
    # The square root halves a logarithm modulo 255, where 1/2 is 128.
    log_root_a = _log(a) * 128 % ORDER
    c = _power((log_d + 3 * (ORDER - log_root_a)) % ORDER)
    by_cubic = jnp.asarray(_cubic_roots()).at[c].get(mode="promise_in_bounds")
    pure = a == 0
    roots = []
    for index in range(3):
        log_y = log_root_a + ((by_cubic >> 8 * index) & 0xFF)
        log_cube_root = log_d // 3 + ORDER // 3 * index
        roots.append(_power(jnp.where(pure, log_cube_root, log_y)) ^ s1)
    return roots, jnp.where(pure, log_d % 3 == 0, by_cubic != _NO_ROOTS)


def _bit_of(code: Code, place: jax.Array) -> jax.Array:
    """The bit of the word that holds the coefficient of x^place: parity is low, but comes last."""
    return jnp.where(place < code.parity_bits, place + code.k, place - code.parity_bits)


def _power(exponent: jax.Array) -> jax.Array:
    powers, _ = powers_and_logs(POLYNOMIAL)
    return jnp.asarray(powers).at[exponent].get(mode="promise_in_bounds")


def _log(value: jax.Array) -> jax.Array:
    _, logs = powers_and_logs(POLYNOMIAL)
    return jnp.asarray(logs).at[value].get(mode="promise_in_bounds")


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where((a == 0) | (b == 0), jnp.uint32(0), _power(_log(a) + _log(b)))


def _inverse(value: jax.Array) -> jax.Array:
    """1 / value, and 1 for 0."""
    return _power(ORDER - _log(value))
