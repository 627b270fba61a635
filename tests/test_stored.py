"""Words hold exactly the cells that the oracle says a weight has."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.encoding import cell_codes
from pimjax.array.stored import from_words, planes, stored_bits, to_words
from tests import oracle
from tests.support import bitline_of, examples

ENCODINGS = ["twos_complement", "offset_binary", "differential", "binary", "ternary"]


@st.composite
def chips(draw):
    encoding = draw(st.sampled_from(ENCODINGS))
    bits = {"binary": 1, "ternary": 2}.get(encoding)
    bits = bits or draw(st.integers(2 if encoding == "differential" else 1, 12))
    return oracle.OracleChip(
        weight_bits=bits,
        weight_encoding=encoding,
        differential_readout=draw(st.sampled_from(["separate", "paired"])),
        cell_bits=draw(st.integers(1, 4)),
    )


@pytest.mark.slow
@given(chips(), st.data())
@examples(200)
def test_bits_of_words_are_the_oracles_cells(chip, data):
    spec = bitline_of(chip)
    low, high = spec.weight_range
    choices = list(range(low, high + 1, spec.weight_step))
    codes = np.array(data.draw(st.lists(st.sampled_from(choices), min_size=1, max_size=5)))
    words = to_words(codes, None, spec)
    where = planes(spec)
    for code, word in zip(codes, words, strict=True):
        cells = oracle.weight_cells(int(code), chip)
        if len(cells) > 1 and chip.weight_encoding in ("differential", "ternary"):
            half = len(cells) // 2  # of a pair the two sides of a digit are neighbours
            cells = [cell for pair in zip(cells[:half], cells[half:], strict=True) for cell in pair]
        held = [0] * len(cells)
        for plane in range(stored_bits(spec)):
            held[where.column[plane]] |= (int(word) >> plane & 1) << where.level[plane]
        assert held == list(cells)
    in_jax = to_words(jnp.asarray(codes, jnp.int32), None, spec, jnp)
    assert in_jax.dtype == words.dtype
    assert (np.asarray(in_jax) == words).all()


@given(chips(), st.data())
@examples(200)
def test_every_pattern_of_bits_is_a_state(chip, data):
    """To codes and back; the array's cells for those codes are the pattern's sides."""
    spec = bitline_of(chip)
    bits = stored_bits(spec)
    patterns = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=5))
    words = np.array(patterns).astype(to_words(np.ones(1, int), None, spec).dtype)
    codes, common = from_words(words, spec)
    assert (to_words(codes, common, spec) == words).all()
    sides = cell_codes(jnp.asarray(codes), spec, None if common is None else jnp.asarray(common))
    if len(sides) == 1:
        assert (np.asarray(sides[0]) == patterns).all()
    else:
        half = bits // 2
        expected = [p & (2**half - 1) for p in patterns], [p >> half for p in patterns]
        assert all((np.asarray(s) == e).all() for s, e in zip(sides, expected, strict=True))


def test_flipped_bits_are_the_xor_of_twos_complement_codes():
    spec = bitline_of(oracle.OracleChip(weight_bits=5, weight_encoding="twos_complement"))
    codes = np.arange(-16, 16)
    for plane in range(5):
        flipped, common = from_words(to_words(codes, None, spec) ^ np.uint8(1 << plane), spec)
        assert common is None
        assert ((flipped ^ codes) & 31 == 1 << plane).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_planes_are_cells_of_their_own(encoding):
    bits = {"binary": 1, "ternary": 2}.get(encoding, 6)
    spec = bitline_of(oracle.OracleChip(weight_bits=bits, weight_encoding=encoding, cell_bits=2))
    where = planes(spec)
    cells = list(zip(where.column.tolist(), where.level.tolist(), strict=True))
    assert len(set(cells)) == len(cells) == stored_bits(spec)
