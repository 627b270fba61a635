"""The codes themselves: columns, generators, distances, encoders."""

import re
from itertools import combinations
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.chip.schema import Ecc
from pimjax.memory import ecc
from tests.ecc import oracle
from tests.ecc.bits import bits_of, encode_rows, integers_of
from tests.support import examples

names = pytest.mark.parametrize("name", oracle.NAMES)


def test_the_table_lists_what_a_chip_may_name():
    assert {"none", *ecc.CODES} == set(Ecc.__args__)
    assert list(ecc.CODES) == list(oracle.NAMES)
    for name, code in ecc.CODES.items():
        assert ecc.find_code(name) is code
        assert (code.n, code.k) == oracle.sizes(name)
        assert code.t == oracle.corrects(name)
        assert code.k % 32 == 0 and code.parity_bits == code.n - code.k <= 24


def test_an_unknown_code_is_named():
    with pytest.raises(ValueError, match=r"ecc = 'bch-78-46': .*; did you mean 'bch-78-64'\?"):
        ecc.find_code("bch-78-46")
    with pytest.raises(ValueError, match="ecc = 'none': 'secded-39-32', 'secded-72-64'"):
        ecc.find_code("none")


def row_weights(name: str) -> list[int]:
    code = ecc.CODES[name]
    return [sum(column >> row & 1 for column in code.columns) for row in range(code.parity_bits)]


def test_hsiao_72_64_is_the_published_set_of_columns():
    columns = ecc.CODES["secded-72-64"].columns
    by_weight = {w: {c for c in columns if c.bit_count() == w} for w in (1, 3, 5)}
    assert {len(c) for c in by_weight.values()} == {8, 56}
    assert by_weight[1] == {1 << i for i in range(8)}
    assert by_weight[3] == {1 << a | 1 << b | 1 << c for a, b, c in combinations(range(8), 3)}
    text = "00011111"
    assert by_weight[5] == {int(text[i:] + text[:i], 2) for i in range(8)}
    assert row_weights("secded-72-64") == [27] * 8


@pytest.mark.parametrize("name", oracle.HSIAO)
def test_hsiao_columns_are_odd_different_light_and_balanced(name):
    code = ecc.CODES[name]
    assert len(set(code.columns)) == code.n
    weights = sorted(column.bit_count() for column in code.columns)
    # The lightest possible: as many of weight 1, 3, ... as there are.
    odd = sorted(w for w in (i.bit_count() for i in range(1 << code.parity_bits)) if w % 2)
    assert weights == odd[: code.n]
    assert max(row_weights(name)) - min(row_weights(name)) <= 1


@pytest.mark.parametrize("name", oracle.GENERATORS)
def test_generators_are_products_of_minimal_polynomials(name):
    generator, polynomial, t = oracle.GENERATORS[name]
    product = 1
    for factor in {oracle.minimal_polynomial(odd, polynomial) for odd in range(1, 2 * t, 2)}:
        product = oracle.multiply(product, factor)
    assert product == generator
    code = ecc.CODES[name]
    assert generator.bit_length() - 1 == code.parity_bits
    # The last data bit's column, times x until the parity's width is passed, is the generator's.
    word = 1 << (code.n - 1) | code.columns[code.k - 1]
    assert oracle.remainder(word, generator) == 0


def test_minimal_polynomials_as_published():
    assert oracle.minimal_polynomial(3, 0x89) == 0x8F
    assert oracle.minimal_polynomial(3, 0x11D) == 0x177
    assert oracle.minimal_polynomial(5, 0x11D) == 0x1F3


@names
def test_single_errors_have_the_columns_as_syndromes(name):
    code = ecc.CODES[name]
    assert code.columns == tuple(oracle.syndrome(name, 1 << bit) for bit in range(code.n))


@names
def test_the_distance_is_reached(name):
    """2t + 1 for BCH and Hamming, one more for the codes that detect another error."""
    code = ecc.CODES[name]
    assert code.distance == 2 * code.t + 1 + (name in oracle.HSIAO)
    assert code.detects == (2 if name in oracle.HSIAO else code.t)
    # No code word of fewer ones: patterns of at most t errors have different syndromes, checked
    # in `nearest`; in the odd-column codes no odd number of columns can cancel.
    assert len(oracle.nearest(name)) > code.n
    light = range(min(code.n, 60))
    found = oracle.nearest(name)
    for bits in combinations(light, code.distance - code.t):
        value = oracle.syndrome(name, sum(1 << bit for bit in bits))
        if found.get(value):
            break
    else:
        raise AssertionError("no code word of that weight")


@names
def test_encoders_agree_with_the_oracle(name):
    code = ecc.CODES[name]
    rng = np.random.default_rng(1)
    data = [0, (1 << code.k) - 1, 1, 1 << (code.k - 1)]
    data += [int.from_bytes(rng.bytes(code.k // 8), "little") for _ in range(60)]
    bits = bits_of(data, code.k)
    parity = encode_rows(code, bits)
    assert parity.dtype == np.uint8 and parity.shape == (64, code.n - code.k)
    assert integers_of(parity) == [oracle.parity(name, value) for value in data]
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint32)
    assert ecc.encode_words(code, words).tolist() == integers_of(parity)


@given(st.data())
@examples(60)
def test_encoders_are_linear(data):
    code = ecc.CODES[data.draw(st.sampled_from(oracle.NAMES))]
    two = data.draw(st.lists(st.integers(0, (1 << code.k) - 1), min_size=2, max_size=2))
    a, b, both = encode_rows(code, bits_of([*two, two[0] ^ two[1]], code.k))
    assert (a ^ b == both).all()


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        *(("secded-72-64", shape, np.uint8) for shape in [(), (0,), (1,), (2, 0, 3), (2, 3)]),
        *(("bch-78-64", shape, np.bool_) for shape in [(), (2, 0, 3)]),
        ("bch-44-32", (2, 3), np.int32),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_shapes_and_types_of_bits(name, shape, kind):
    code = ecc.CODES[name]
    data = np.random.default_rng(2).integers(0, 2, (*shape, code.k)).astype(kind)
    parity = ecc.encode(code, data)
    assert parity.shape == (*shape, code.parity_bits) and parity.dtype == jnp.uint8
    word = np.concatenate([data, np.asarray(parity).astype(kind)], axis=-1)
    back, flag = ecc.decode(code, word)
    assert back.shape == data.shape and back.dtype == jnp.uint8
    assert flag.shape == shape and flag.dtype == jnp.int8
    assert (np.asarray(back) == data).all()
    assert (np.asarray(flag) == ecc.Outcome.CLEAN).all()


def test_vmap_and_jit_change_nothing():
    code = ecc.CODES["bch-44-32"]
    word = jnp.asarray(np.random.default_rng(3).integers(0, 2, (4, 5, code.n), dtype=np.uint8))
    want = ecc.decode(code, word)
    for got in (
        jax.vmap(jax.vmap(lambda w: ecc.decode(code, w)))(word),
        jax.jit(lambda w: ecc.decode(code, w))(word),
    ):
        assert all((g == w).all() for g, w in zip(got, want, strict=True))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (
            lambda c: ecc.encode(c, np.zeros((3, 63), np.uint8)),
            ValueError,
            r"data: shape \(3, 63\), but its last axis must hold 64 bits",
        ),
        (lambda c: ecc.encode(c, np.uint8(1)), ValueError, r"data: shape \(\)"),
        (lambda c: ecc.decode(c, np.zeros(64, np.uint8)), ValueError, "must hold 72 bits"),
        (
            lambda c: ecc.decode(c, np.zeros(72, np.float32)),
            TypeError,
            "word: bits as integers or bool expected, not float32",
        ),
        (
            lambda c: ecc.encode_words(c, np.zeros((5, 64), np.uint32)),
            ValueError,
            r"words: shape \(5, 64\), but its last axis must hold 2 words of 32 data bits",
        ),
        (
            lambda c: ecc.encode_words(c, np.zeros((5, 2), np.int32)),
            TypeError,
            "words: uint32 expected, not int32",
        ),
        (
            lambda c: ecc.decode_words(c, np.zeros((5, 2), np.uint32), np.zeros(4, np.uint32)),
            ValueError,
            r"parity: shape \(4,\), but words of shape \(5, 2\) have one parity each, \(5,\)",
        ),
        (
            lambda c: ecc.decode_words(c, np.zeros((5, 2), np.uint32), np.zeros(5, np.uint8)),
            TypeError,
            "parity: uint32 expected, not uint8",
        ),
    ],
    ids=range(8),
)
def test_arrays_that_are_no_words(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(ecc.CODES["secded-72-64"])


def test_the_example_of_the_docs_says_what_it_shows(capsys):
    page = (Path(__file__).resolve().parents[2] / "docs" / "ecc.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown: dict = {}
    exec(compile(example, "docs/ecc.md", "exec"), shown)
    assert "clean=Array(998" in capsys.readouterr().out
    assert shown["flag"][:3].tolist() == [1, 2, 0]
    assert not shown["read"][1].any() and (shown["read"][0] == shown["data"][0]).all()
    for name, code in ecc.CODES.items():
        assert f"| `{name}` | {code.n} | {code.k} | {code.t} | {code.detects} |" in page
