"""The stored bits of a weight as one word, and which cell holds which of them.

Bit j of a word is *plane* j: of two's complement, offset binary and binary codes their own bit j;
of a differential pair bits 0 .. W-2 are the positive side's and W-1 .. 2W-3 the negative side's.
Every pattern of bits is a state that faults can bring about; the two sides of a pair then may hold
cells at once, and `common` says how many (the smaller side) beside the weight P - N.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pimjax.array.encoding import conversions, is_differential, is_paired, side_bits
from pimjax.array.spec import Bitline


class Planes(NamedTuple):
    """Where the bits of a word are: cell column and level in the cell of plane j, (j,) each."""

    column: np.ndarray
    level: np.ndarray


def stored_bits(spec: Bitline) -> int:
    """Stored bits of one weight."""
    return side_bits(spec) * (2 if is_differential(spec) else 1)


@lru_cache(maxsize=64)
def planes(spec: Bitline) -> Planes:
    """The cell column and level of every plane."""
    column, level = (np.zeros(stored_bits(spec), np.int32) for _ in range(2))
    sides = (0, 1) if is_paired(spec) else (None,)
    number = 0
    for conversion in conversions(spec):
        for side in sides:
            own = conversion.side if side is None else side
            first = own * side_bits(spec) + conversion.digit.low
            for offset in range(conversion.digit.width):
                column[first + offset], level[first + offset] = number, offset
            number += 1
    return Planes(column, level)


@lru_cache(maxsize=64)
def plane_table(spec: Bitline) -> np.ndarray:
    """The plane of (cell column, level), -1 where a narrower digit leaves a level free."""
    where = planes(spec)
    table = np.full((int(where.column.max()) + 1, spec.cell_bits), -1, np.int32)
    table[where.column, where.level] = np.arange(len(where.column))
    table.flags.writeable = False
    return table


def word_dtype(spec: Bitline) -> Any:
    """The smallest unsigned type that holds a word."""
    bits = stored_bits(spec)
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def to_words(codes: Any, common: Any | None, spec: Bitline, xp: Any = np) -> Any:
    """Words of weight codes, of `word_dtype`; NumPy or JAX arrays by the module `xp`."""
    dtype = word_dtype(spec)
    if is_differential(spec):
        codes = codes.astype(np.int32)
        both = 0 if common is None else common.astype(np.int32)
        positive = xp.maximum(codes, 0) + both
        negative = xp.maximum(-codes, 0) + both
        return (positive | (negative << side_bits(spec))).astype(dtype)
    if spec.weight_encoding == "offset_binary":
        return _modulo(codes, spec, dtype, xp) ^ dtype(1 << (spec.weight_bits - 1))
    if spec.weight_encoding == "binary":
        return (codes > 0).astype(dtype)
    return _modulo(codes, spec, dtype, xp)


def stored_words(params: dict[str, Any], spec: Bitline) -> np.ndarray:
    """The words of a layer's arrays ("weights", "weights_common"), in the shape of its weights."""
    common = params.get("weights_common")
    both = None if common is None else np.asarray(common)
    return to_words(np.asarray(params["weights"]), both, spec)


def from_words(words: Any, spec: Bitline, xp: Any = np) -> tuple[Any, Any | None]:
    """(weight codes int32, what both sides hold) of words; None for encodings of one side."""
    words = words.astype(np.int32)
    bits = side_bits(spec)
    if is_differential(spec):
        positive, negative = words & ((1 << bits) - 1), words >> bits
        return positive - negative, xp.minimum(positive, negative)
    if spec.weight_encoding == "offset_binary":
        return words - (1 << (bits - 1)), None
    if spec.weight_encoding == "binary":
        return 2 * words - 1, None
    sign = 1 << (bits - 1)
    return (words ^ sign) - sign, None


def _modulo(codes: Any, spec: Bitline, dtype: Any, xp: Any) -> Any:
    """Codes modulo 2^W."""
    return codes.astype(dtype) & dtype((1 << spec.weight_bits) - 1)
