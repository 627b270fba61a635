"""What decoders make of errors: exhaustively where that is possible, against the oracle else."""

from itertools import combinations
from math import comb

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.memory import ecc
from pimjax.memory.ecc import Outcome
from tests.ecc import oracle
from tests.ecc.bits import (
    bits_of,
    decode_packed,
    decode_rows,
    encode_rows,
    integers_of,
    packed,
    patterns,
)
from tests.support import examples

names = pytest.mark.parametrize("name", oracle.NAMES)


def outcomes_of(name: str, places: np.ndarray) -> ecc.OutcomeCounts:
    """Counts of what becomes of a word of zeros with errors at each row of `places`."""
    code = ecc.CODES[name]
    data, flag = decode_packed(code, *packed(code, places))
    counts = ecc.count(ecc.outcomes(np.zeros_like(data), data, flag))
    return ecc.OutcomeCounts(*(int(number) for number in counts))


@names
def test_every_single_error_is_corrected_whatever_the_data(name):
    code = ecc.CODES[name]
    rng = np.random.default_rng(4)
    data = rng.integers(0, 2, (code.n, code.k), dtype=np.uint8)
    word = np.concatenate([data, encode_rows(code, data)], axis=1)
    back, flag = decode_rows(code, word ^ np.eye(code.n, dtype=np.uint8))
    assert (np.asarray(back) == data).all()
    assert (np.asarray(flag) == Outcome.CORRECTED).all()


@pytest.mark.parametrize("name", oracle.HSIAO)
def test_every_double_error_is_detected(name):
    n, _ = oracle.sizes(name)
    places = patterns(n, 2)
    assert outcomes_of(name, places) == (0, 0, comb(n, 2), 0)
    code = ecc.CODES[name]
    words, parity = packed(code, places)
    data, _ = decode_packed(code, words, parity)
    assert (data == words).all(), "delivered as read"


@pytest.mark.parametrize("name", oracle.GENERATORS)
def test_every_double_error_is_corrected(name):
    n, _ = oracle.sizes(name)
    assert outcomes_of(name, patterns(n, 2)) == (0, comb(n, 2), 0, 0)


def test_every_triple_error_is_corrected_by_the_code_for_three():
    assert outcomes_of("bch-152-128", patterns(152, 3)) == (0, comb(152, 3), 0, 0)


def test_hsiao_72_64_triples():
    """33,568 of the 59,640 triples meet a fourth column and are miscorrected."""
    assert outcomes_of("secded-72-64", patterns(72, 3)) == (0, 0, 59640 - 33568, 33568)


def test_hsiao_72_64_quadruples():
    """An even number of odd columns is never a column: detected, but for the code words."""
    columns = np.array(ecc.CODES["secded-72-64"].columns)
    a, b = np.triu_indices(72, 1)
    pairs = np.bincount(columns[a] ^ columns[b], minlength=256).astype(object)
    # Pairs of pairs with equal sums share no column; each four columns come so in three ways.
    code_words = sum(int(c) * (int(c) - 1) // 2 for c in pairs) // 3
    assert round(100 * code_words / comb(72, 4), 3) == 0.816
    rng = np.random.default_rng(5)
    places = np.argsort(rng.random((20000, 72)), axis=1)[:, :4]
    counts = outcomes_of("secded-72-64", places)
    assert counts.clean == counts.corrected == 0
    assert counts.detected + counts.miscorrected == 20000
    silent = (np.bitwise_xor.reduce(columns[places], axis=1) == 0).sum()
    assert counts.miscorrected == silent > 0


@pytest.mark.parametrize("name", ["bch-44-32", "bch-78-64", "bch-144-128"])
def test_two_errors_by_the_quadratic_on_every_syndrome(name):
    """All 2^12, 2^14 (and one in 13 of 2^16) syndromes, by the roots of x^2 + S1 x + ..."""
    n, k = oracle.sizes(name)
    syndromes = range(0, 1 << (n - k), 13 if n == 144 else 1)
    check_against_roots(name, np.array(syndromes))


def test_three_errors_by_berlekamp_and_massey():
    rng = np.random.default_rng(6)
    columns = np.array(ecc.CODES["bch-152-128"].columns)
    within = [columns[rng.integers(0, 152, (40, j))] for j in (1, 2, 3, 4, 5)]
    sums = [np.bitwise_xor.reduce(c, axis=1) for c in within]
    check_against_roots(
        "bch-152-128", np.concatenate([*sums, rng.integers(0, 1 << 24, 400), [0, 1, 2, 3]])
    )


def check_against_roots(name: str, syndromes: np.ndarray) -> None:
    """Words of zeros with each syndrome as parity, against the oracle's algebra."""
    n, k = oracle.sizes(name)
    words = np.zeros((len(syndromes), k // 32), np.uint32)
    data, flag = decode_packed(ecc.CODES[name], words, syndromes.astype(np.uint32))
    rows = np.asarray(data).view(np.uint8).reshape(len(syndromes), -1)
    got = [int.from_bytes(row.tobytes(), "little") for row in rows]
    for syndrome, value, said in zip(syndromes.tolist(), got, np.asarray(flag), strict=True):
        places = oracle.exponents(name, syndrome)
        if places is None:
            assert (said, value) == (Outcome.DETECTED, 0), syndrome
        else:
            # Data bit i is the coefficient of x^(n - k + i).
            assert value == sum(1 << (p - (n - k)) for p in places if p >= n - k), syndrome
            assert said == (Outcome.CORRECTED if places else Outcome.CLEAN), syndrome


@names
def test_random_words_against_the_nearest_code_word(name):
    """Random words, and code words with 0 .. t + 3 errors."""
    code = ecc.CODES[name]
    rng = np.random.default_rng(7)
    words = rng.integers(0, 2, (400, code.n), dtype=np.uint8)
    data = words[:300, : code.k]
    near = np.concatenate([data, encode_rows(code, data)], axis=1)
    order = np.argsort(rng.random((300, code.n)), axis=1)
    words[:300] = near ^ (order < np.arange(300)[:, None] % (code.t + 4))
    back, flag = decode_rows(code, words)
    got = zip(integers_of(back), (Outcome(int(f)).name for f in flag), strict=True)
    assert list(got) == [oracle.decode(name, word) for word in integers_of(words)]


def test_many_random_syndromes_of_the_code_for_three():
    """A quarter of a million of the 2^24, against the errors of at most three bits."""
    rng = np.random.default_rng(8)
    syndromes = rng.integers(0, 1 << 24, 1 << 18)
    code = ecc.CODES["bch-152-128"]
    words = np.zeros((len(syndromes), 4), np.uint32)
    data, flag = decode_packed(code, words, syndromes.astype(np.uint32))
    found = oracle.nearest("bch-152-128")
    errors = [found.get(s) for s in syndromes.tolist()]
    rows = np.asarray(data).astype("<u4").tobytes()
    got = [int.from_bytes(rows[i : i + 16], "little") for i in range(0, len(rows), 16)]
    assert got == [(e or 0) & ((1 << 128) - 1) for e in errors]
    said = [Outcome.DETECTED if e is None else Outcome.CORRECTED for e in errors]
    assert (np.asarray(flag) == np.array(said))[syndromes != 0].all()


@given(st.data())
@examples(60)
def test_the_outcome_depends_on_the_errors_alone(data):
    name = data.draw(st.sampled_from(oracle.NAMES))
    code = ecc.CODES[name]
    stored = data.draw(st.integers(0, (1 << code.k) - 1))
    errors = data.draw(
        st.one_of(
            st.integers(0, (1 << code.n) - 1),
            st.sets(st.integers(0, code.n - 1), max_size=code.t + 2).map(
                lambda places: sum(1 << place for place in places)
            ),
        )
    )
    sent = stored | oracle.parity(name, stored) << code.k
    back, flag = decode_rows(code, bits_of([sent ^ errors, errors], code.n))
    word, alone = integers_of(back)
    assert word == stored ^ alone
    assert flag[0] == flag[1]
    if errors.bit_count() <= code.t:
        assert word == stored
        assert flag[0] == (Outcome.CORRECTED if errors else Outcome.CLEAN)
    elif errors.bit_count() <= code.detects:
        assert flag[0] == Outcome.DETECTED


def test_bits_past_the_parity_do_not_count():
    code = ecc.CODES["secded-72-64"]
    words = jnp.zeros((1, 2), jnp.uint32)
    _, flag = ecc.decode_words(code, words, jnp.asarray([0xFFFFFF00], jnp.uint32))
    assert flag[0] == Outcome.CLEAN


def test_errors_in_both_halves():
    """One data bit and one parity bit: two errors for a SECDED code, both undone by BCH."""
    for data_bit, parity_bit in combinations((0, 31, 32, 63), 2):
        places = np.array([[data_bit, 64 + parity_bit % 8]])
        assert outcomes_of("secded-72-64", places).detected == 1
        assert outcomes_of("bch-78-64", places).corrected == 1
