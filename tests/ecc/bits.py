"""Words as rows of bits and as packed words, for the tests."""

from itertools import combinations

import numpy as np

from pimjax.memory import ecc
from pimjax.memory.ecc import Code

ROWS = 512
PATTERNS = 1 << 16


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


def packed(code: Code, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error patterns by their places (patterns, errors) as packed data words and parity."""
    columns = np.zeros((code.k // 32 + 1, len(places)), np.uint32)
    rows = np.arange(len(places))
    for column in places.T:
        columns[column // 32, rows] ^= np.left_shift(1, column % 32).astype(np.uint32)
    return columns[:-1].T, columns[-1]


def encode_rows(code: Code, data) -> np.ndarray:
    """Parity of data (rows, k) of bits, in batches of `ROWS`."""
    parities = [ecc.encode(code, batch) for batch in _batches(np.asarray(data), ROWS)]
    return np.concatenate(parities)[: len(data)]


def decode_rows(code: Code, words) -> tuple[np.ndarray, np.ndarray]:
    """Data and flags of words (rows, n) of bits, in batches of `ROWS`: one compilation."""
    results = [ecc.decode(code, batch) for batch in _batches(np.asarray(words), ROWS)]
    return _joined(results, len(words))


def decode_packed(code: Code, data, parity) -> tuple[np.ndarray, np.ndarray]:
    """Data and flags of packed words, in batches of `PATTERNS`."""
    batches = zip(
        _batches(np.asarray(data), PATTERNS), _batches(np.asarray(parity), PATTERNS), strict=True
    )
    return _joined([ecc.decode_words(code, *batch) for batch in batches], len(parity))


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    gap = -len(rows) % size
    padded = np.concatenate([rows, np.zeros((gap, *rows.shape[1:]), rows.dtype)])
    return np.split(padded, len(padded) // size)


def _joined(results: list, rows: int) -> tuple[np.ndarray, np.ndarray]:
    data, flags = zip(*results, strict=True)
    return np.concatenate(data)[:rows], np.concatenate(flags)[:rows]
