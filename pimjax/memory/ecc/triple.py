"""Decoding of up to three errors over GF(2^8), by look-up of one word of each cyclic family."""

from __future__ import annotations

from functools import cache, reduce
from operator import xor

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc.codes import Code
from pimjax.memory.ecc.galois import powers_and_logs
from pimjax.memory.ecc.linear import parities, row_masks
from pimjax.memory.ecc.outcome import Outcome
from pimjax.memory.ecc.verdict import FLAG_SHIFT, MOST_FLIPS, NO_BIT, verdict

POLYNOMIAL = 0x11D
ORDER = 255
_S1_IS_ZERO = 1 << 16
_ENTRIES = _S1_IS_ZERO + 5 * 256


def triple_verdict(code: Code, syndromes: jax.Array) -> jax.Array:
    """The verdicts, uint32, of `syndromes` (uint32) of a BCH code with t = 3 over GF(2^8).

    The power sums S1, S3, S5 of the error locators follow from the syndrome. Multiplying every
    locator by a^-j turns the cyclic word and takes Si to Si a^-ij; the j that makes S1 = 1 (or,
    for S1 = 0, the cube root of S3 rounded down: S3 = 1, a or a^2) leaves few enough cases for a
    table. Its locators, turned back, are the errors; with one outside the word: detected.

    This is the decoder that forms the locator polynomial and searches its roots: both find the one
    pattern of at most three errors inside the word with that syndrome, or none.
    """
    s1, s3, s5 = (
        parities(masks, syndromes[..., None]) for masks in _power_sum_masks(code.parity_bits)
    )
    turn = jnp.where(s1 != 0, _log(s1), _log(s3) // 3)
    offset = jnp.where(s1 != 0, jnp.uint32(0), jnp.uint32(_S1_IS_ZERO))
    entry = _at(_turned_verdicts(), offset + 256 * _turned(s3, turn, 3) + _turned(s5, turn, 5))
    verdicts = (entry >> FLAG_SHIFT) << FLAG_SHIFT
    inside = jnp.ones(entry.shape, bool)
    for index in range(MOST_FLIPS):
        exponent = (entry >> 8 * index) & 0xFF
        error = exponent != NO_BIT
        place = (exponent + turn) % ORDER
        inside &= ~error | (place < code.n)
        verdicts |= jnp.where(error, _bit_of(code, place), jnp.uint32(NO_BIT)) << 8 * index
    return jnp.where(inside, verdicts, jnp.uint32(verdict(Outcome.DETECTED)))


@cache
def _power_sum_masks(parity_bits: int) -> tuple[np.ndarray, ...]:
    """Masks that take the remainder s(x) of a word to S1 = s(a), S3 = s(a^3) and S5 = s(a^5)."""
    powers, _ = powers_and_logs(POLYNOMIAL)
    return tuple(
        row_masks([int(powers[odd * place % ORDER]) for place in range(parity_bits)], 8)
        for odd in (1, 3, 5)
    )


@cache
def _turned_verdicts() -> np.ndarray:
    """(_ENTRIES,) uint32: the verdict, with exponents of a for bits, at 256 S3 + S5 once turned.

    Up to three different locators, all of GF(2^8) but 0, with S1 = 1; then, from `_S1_IS_ZERO` on,
    with S1 = 0 and S3 one of 0, 1, a, a^2, which are 0, 1, 2, 4.
    """
    logs = powers_and_logs(POLYNOMIAL)[1].tolist()
    table = np.full(_ENTRIES, verdict(Outcome.DETECTED), np.uint32)
    table[_S1_IS_ZERO] = verdict(Outcome.CLEAN)
    # Locators in descending order, so that each set comes once; the zeros last: no error.
    sets = [(x, y, s1 ^ x ^ y) for s1 in (0, 1) for x in range(ORDER + 1) for y in range(x)]
    for locators in [(1, 0, 0), *(three for three in sets if three[2] < three[1])]:
        s1 = locators[0] ^ locators[1] ^ locators[2]
        s3, s5 = (_power_sum(locators, odd) for odd in (3, 5))
        if s1 or s3 in (1, 2, 4):
            exponents = [logs[locator] for locator in locators if locator]
            index = (0 if s1 else _S1_IS_ZERO) + 256 * s3 + s5
            table[index] = verdict(Outcome.CORRECTED, *exponents)
    return table


def _power_sum(locators: tuple[int, ...], odd: int) -> int:
    powers, logs = powers_and_logs(POLYNOMIAL)
    return reduce(xor, (int(powers[odd * logs[x] % ORDER]) for x in locators if x))


def _turned(power_sum: jax.Array, turn: jax.Array, odd: int) -> jax.Array:
    """power_sum a^(-odd turn)."""
    powers, _ = powers_and_logs(POLYNOMIAL)
    moved = _at(powers, (_log(power_sum) + odd * (ORDER - turn)) % ORDER)
    return jnp.where(power_sum == 0, jnp.uint32(0), moved)


def _bit_of(code: Code, place: jax.Array) -> jax.Array:
    """The bit of the word that holds the coefficient of x^place: parity is low, but comes last."""
    return jnp.where(place < code.parity_bits, place + code.k, place - code.parity_bits)


def _log(value: jax.Array) -> jax.Array:
    _, logs = powers_and_logs(POLYNOMIAL)
    return _at(logs, value)


def _at(table: np.ndarray, index: jax.Array) -> jax.Array:
    return jnp.asarray(table).at[index].get(mode="promise_in_bounds")
