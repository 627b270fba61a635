"""Words as rows of bits and as packed words, for the tests."""

from itertools import combinations

import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc import Code


def bits_of(values, count: int) -> np.ndarray:
    """(len(values), count) uint8: bit i of each Python integer."""
    raw = b"".join(int(value).to_bytes(-(-count // 8), "little") for value in values)
    rows = np.frombuffer(raw, np.uint8).reshape(len(values), -1)
    return np.unpackbits(rows, axis=1, count=count, bitorder="little")


def integers_of(bits) -> list[int]:
    rows = np.packbits(np.asarray(bits), axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def patterns(n: int, errors: int) -> np.ndarray:
    """(patterns, errors) int64: all places of that many errors."""
    return np.array(list(combinations(range(n), errors)), np.int64).reshape(-1, errors)


def packed(code: Code, places: np.ndarray) -> tuple[jnp.ndarray, jnp.ndarray]:
    """Error patterns by their places (patterns, errors) as packed data words and parity."""
    columns = np.zeros((code.k // 32 + 1, len(places)), np.uint32)
    rows = np.arange(len(places))
    for column in places.T:
        columns[column // 32, rows] ^= np.left_shift(1, column % 32).astype(np.uint32)
    return jnp.asarray(columns[:-1].T), jnp.asarray(columns[-1])
