"""threefry2x32: the published vectors, an independent loop, and the exact scaling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.numerics.threefry import Words, below, derived, scaled, threefry2x32, words
from tests.support import examples

WORD = st.integers(0, 2**32 - 1)
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)


def plain_threefry(key, counter):
    """Skein's mix, one rotation at a time, in Python integers."""
    mask = 2**32 - 1
    schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA]
    x, y = (counter[0] + schedule[0]) & mask, (counter[1] + schedule[1]) & mask
    rotations = [13, 15, 26, 6, 17, 29, 16, 24]
    for turn in range(20):
        x = (x + y) & mask
        r = rotations[turn % 8]
        y = ((y << r | y >> (32 - r)) & mask) ^ x
        if turn % 4 == 3:
            n = turn // 4 + 1
            x = (x + schedule[n % 3]) & mask
            y = (y + schedule[(n + 1) % 3] + n) & mask
    return x, y


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (PI[:2], PI[2:], (0xC4923A9C, 0x483DF7A0)),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_published_vectors(counter, key, expected):
    """The known answers that come with Random123 (kat_vectors, threefry 2x32, 20 rounds)."""
    for make in (np.uint32, jnp.uint32):
        key_words, counters = (Words(*(make([n]) for n in pair)) for pair in (key, counter))
        drawn = threefry2x32(key_words, counters)
        assert (int(drawn.a[0]), int(drawn.b[0])) == expected
        assert drawn.a.dtype == drawn.b.dtype == np.uint32
    assert plain_threefry(key, counter) == expected


@given(st.tuples(WORD, WORD), st.lists(st.tuples(WORD, WORD), min_size=1, max_size=5))
@examples(50)
def test_every_counter_on_its_own(key, counters):
    columns = Words(*(np.array(column, np.uint32) for column in zip(*counters, strict=True)))
    in_numpy = threefry2x32(words(*key), columns)
    in_jax = jax.jit(threefry2x32)(
        Words(*map(jnp.asarray, words(*key))), Words(*map(jnp.asarray, columns))
    )
    expected = [plain_threefry(key, counter) for counter in counters]
    assert list(zip(in_numpy.a.tolist(), in_numpy.b.tolist(), strict=True)) == expected
    assert list(zip(in_jax.a.tolist(), in_jax.b.tolist(), strict=True)) == expected


@given(st.tuples(WORD, WORD), st.integers(1, 2**31 - 1))
@examples(200)
def test_scaling_is_the_exact_quotient(draw, size):
    exact = ((draw[0] << 32 | draw[1]) * size) >> 64
    assert int(scaled(words(*draw), size)[0]) == exact
    assert int(scaled(Words(*map(jnp.asarray, words(*draw))), size)[0]) == exact


@given(st.tuples(WORD, WORD), st.tuples(WORD, WORD))
@examples(100)
def test_comparison_of_64_bits(one, other):
    expected = (one[0] << 32 | one[1]) < (other[0] << 32 | other[1])
    assert bool(below(words(*one), words(*other))[0]) == expected
    assert not below(words(*one), words(*one))[0]


def test_branches_differ():
    root = words(3, 0)
    keys = {tuple(int(w[0]) for w in derived(root, a, b)) for a in range(20) for b in range(20)}
    assert len(keys) == 400
