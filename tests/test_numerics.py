"""Wide sums, digits, packed words, rounding and legal codes against Python integers."""

from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.numerics import wide
from pimjax.numerics.codes import code_range, storage_dtype
from pimjax.numerics.digits import cut_digits, take_digit
from pimjax.numerics.packing import pack_planes, words_for
from pimjax.numerics.rounding import ROUNDINGS, first_integer_reaching, round_exact
from tests import oracle
from tests.oracle.codes import digit_spans, digits
from tests.support import examples

INT32 = (-(2**31), 2**31 - 1)
EDGES32 = sorted(
    {0, 1, -1, 2, 3, -3, *INT32, INT32[0] + 1, INT32[1] - 1}
    | {sign * (2**power + d) for sign in (-1, 1) for power in (15, 16, 30) for d in (-1, 0, 1)}
)
EDGES64 = sorted(
    {a * 2**32 + b for a in (0, 1, -1, 2**31 - 1, -(2**31)) for b in (0, 1, 2**31, 2**32 - 1)}
)
COUNT = 24

int32s = st.lists(
    st.one_of(st.sampled_from(EDGES32), st.integers(*INT32)), min_size=COUNT, max_size=COUNT
)
int64s = st.lists(
    st.one_of(st.sampled_from(EDGES64), st.integers(-(2**63), 2**63 - 1)),
    min_size=COUNT,
    max_size=COUNT,
)


def array(values) -> jax.Array:
    return jnp.asarray(np.array(values, np.int32))


def as_wide(values) -> wide.Wide:
    hi = np.array([v >> 32 for v in values], np.int32)
    return wide.Wide(
        jnp.asarray(hi), jnp.asarray(np.array([v & 0xFFFFFFFF for v in values], np.uint32))
    )


def as_ints(value: wide.Wide) -> list[int]:
    assert value.hi.dtype == jnp.int32
    assert value.lo.dtype == jnp.uint32
    pairs = zip(np.asarray(value.hi).ravel(), np.asarray(value.lo).ravel(), strict=True)
    return [int(hi) * 2**32 + int(lo) for hi, lo in pairs]


def wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


class TestWide:
    def test_edges_are_what_they_say(self):
        assert {0, 1, -1, *INT32} <= set(EDGES32)
        assert as_ints(as_wide(EDGES64)) == EDGES64

    @given(int32s)
    def test_from_int32(self, values):
        assert as_ints(wide.from_int32(array(values))) == values
        assert wide.low_word(wide.from_int32(array(values))).tolist() == values

    @given(int64s, int64s)
    def test_add(self, a, b):
        right = [wrapped(x + y, 64) for x, y in zip(a, b, strict=True)]
        assert as_ints(wide.add(as_wide(a), as_wide(b))) == right

    @given(int64s)
    def test_negate(self, a):
        assert as_ints(wide.negate(as_wide(a))) == [wrapped(-x, 64) for x in a]

    @pytest.mark.parametrize("places", [0, 1, 15, 16, 31])
    @examples(20)
    @given(a=int64s)
    def test_shifts(self, places, a):
        right = [wrapped(x << places, 64) for x in a]
        assert as_ints(wide.shift_left(as_wide(a), places)) == right
        assert as_ints(wide.shift_right(as_wide(a), places)) == [x >> places for x in a]

    @given(int64s)
    def test_shift_left_by_an_array(self, a):
        places = [i % 32 for i in range(COUNT)]
        shifted = wide.shift_left(as_wide(a), array(places))
        right = [wrapped(x << s, 64) for x, s in zip(a, places, strict=True)]
        assert as_ints(shifted) == right

    @given(int32s, int32s)
    def test_multiply(self, a, b):
        got = as_ints(wide.multiply(array(a), array(b)))
        assert got == [x * y for x, y in zip(a, b, strict=True)]

    def test_multiply_all_pairs_of_edges(self):
        pairs = list(product(EDGES32, EDGES32))
        got = as_ints(wide.multiply(array([a for a, _ in pairs]), array([b for _, b in pairs])))
        assert got == [a * b for a, b in pairs]

    @pytest.mark.parametrize(
        "factor", [0, 1, -1, 3, -(2**11), 2**31, 2**31 - 1, -(2**31) + 1, 2**32 - 1, -(2**31)]
    )
    def test_times_constant(self, factor):
        assert as_ints(wide.times_constant(array(EDGES32), factor)) == [
            value * factor for value in EDGES32
        ]

    @pytest.mark.parametrize("factor", [2**61 + 2**33 + 1, -(2**61) - 5, 2**45 - 2**13])
    def test_times_a_large_constant(self, factor):
        values = [0, 1, -1, 2, -2, 3, -3]
        assert as_ints(wide.times_constant(array(values), factor)) == [v * factor for v in values]

    @pytest.mark.parametrize("value", EDGES64)
    def test_constant(self, value):
        assert as_ints(wide.constant(value)) == [value]

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
    def test_constant_refuses_what_does_not_fit(self, value):
        with pytest.raises(OverflowError, match="64 bits"):
            wide.constant(value)

    @given(int64s)
    def test_low_word_and_where(self, a):
        assert wide.low_word(as_wide(a)).tolist() == [wrapped(x, 32) for x in a]
        odd = jnp.arange(COUNT) % 2 == 1
        got = as_ints(wide.where(odd, as_wide(a), as_wide([0] * COUNT)))
        assert got == [x if i % 2 else 0 for i, x in enumerate(a)]

    @pytest.mark.parametrize("limits", [(-128, 127), INT32, (0, 255), (-(2**23), 2**23 - 1)])
    def test_clamp(self, limits):
        low, high = limits
        values = EDGES64 + EDGES32
        assert wide.clamp(as_wide(values), low, high).tolist() == [
            max(low, min(high, value)) for value in values
        ]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 5, 8, 12])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 12])
def test_digits_of_every_code(bits, width, signed):
    cut = cut_digits(bits, width, signed)
    assert [(d.low, d.width, d.weight) for d in cut] == digit_spans(bits, width, signed)
    low, high = code_range(bits, signed)
    codes = np.arange(low, high + 1, dtype=np.int32)
    planes = [np.asarray(take_digit(jnp.asarray(codes), digit)) for digit in cut]
    assert np.transpose(planes).tolist() == [
        digits(int(code), bits, width, signed) for code in codes
    ]
    assert all(plane.max() <= digit.largest for plane, digit in zip(planes, cut, strict=True))
    total = sum(plane.astype(int) * digit.weight for plane, digit in zip(planes, cut, strict=True))
    assert (total == codes).all()


@pytest.mark.parametrize("bits", [1, 3, 12])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_packed_words(bits, axis):
    shape = [2, 3, 2]
    shape[axis] = 64
    rng = np.random.default_rng(bits)
    codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape, dtype=np.int32)
    packed = np.asarray(pack_planes(jnp.asarray(codes), bits, axis))
    assert packed.dtype == np.uint32
    along = np.moveaxis(codes, axis, 0)
    for plane in range(bits):
        words = np.moveaxis(packed[plane], axis, 0)
        assert words.shape == (2, *along.shape[1:])
        for word, rest in product(range(2), np.ndindex(along.shape[1:])):
            ones = [int(along[32 * word + r][rest]) >> plane & 1 for r in range(32)]
            assert int(words[word][rest]) == sum(bit << r for r, bit in enumerate(ones))


def test_words_for_bits():
    assert [words_for(bits) for bits in (1, 31, 32, 33, 64, 65)] == [1, 1, 1, 2, 2, 3]


fractions = st.fractions(-1000, 1000, max_denominator=64)


@examples(300)
@given(fractions, st.sampled_from(ROUNDINGS))
def test_rounding_is_the_oracles(value, rounding):
    assert round_exact(value, rounding) == oracle.round_rational(value, rounding)


@pytest.mark.parametrize(
    ("rounding", "rounded"),
    [("half_even", [-2, 0, 0, 2]), ("half_up", [-1, 0, 1, 2]), ("floor", [-2, -1, 0, 1])],
)
def test_ties_by_hand(rounding, rounded):
    ties = [Fraction(-3, 2), Fraction(-1, 2), Fraction(1, 2), Fraction(3, 2)]
    assert [round_exact(tie, rounding) for tie in ties] == rounded


@examples(300)
@given(
    st.integers(-200, 200),
    st.fractions(Fraction(1, 50), 50, max_denominator=50),
    st.fractions(-99, 99, max_denominator=50),
    st.sampled_from(ROUNDINGS),
)
def test_first_integer_reaching_is_the_first(code, step, offset, rounding):
    first = first_integer_reaching(code, step, offset, rounding)
    assert oracle.round_rational((first - offset) / step, rounding) >= code
    assert oracle.round_rational((first - 1 - offset) / step, rounding) < code


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 1, jnp.uint8),
        (0, 255, jnp.uint8),
        (0, 256, jnp.int16),
        (-1, 0, jnp.int8),
        (-1, 1, jnp.int8),
        (-128, 127, jnp.int8),
        (-129, 0, jnp.int16),
        (-2048, 2047, jnp.int16),
        (0, 32768, jnp.int32),
        (*INT32, jnp.int32),
    ],
)
def test_storage_holds_the_codes(low, high, dtype):
    assert storage_dtype(low, high) == dtype


def test_storage_refuses_more_than_32_bits():
    with pytest.raises(ValueError, match="32 bits"):
        storage_dtype(0, 2**31)


def test_code_ranges_by_hand():
    assert code_range(8, False) == (0, 255)
    assert code_range(8, True) == (-128, 127)
    assert code_range(1, True) == (-1, 0)
    assert code_range(1, False) == (0, 1)
