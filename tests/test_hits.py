"""Hits on cells: the same in Python integers, and the laws of a Poisson process.

The chance that a right library fails here because of the seeds chosen is below 1e-8 in all.
"""

from decimal import Decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.memory.cells import cell_draws, stream_key
from pimjax.memory.hits import BOTTOM, come_before, draw_hits, first_slab, list_hits, poisson_until
from pimjax.memory.levels import levels
from pimjax.numerics.threefry import Words, words
from tests.faults import process
from tests.faults.chance import assert_binomial, assert_mean, assert_uniform, chi_square_end
from tests.support import examples

WORD = st.integers(0, 2**32 - 1)
MEANS = ["0.000001", "0.25", "1", "7.8125", "100", "1024"]


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_table_is_the_exact_sum(mean):
    found = poisson_until(Decimal(mean))
    assert tuple(found) == process.poisson_until(Decimal(mean))
    assert found == sorted(found)
    assert found[-1] < 2**64 - 1


def listed(hits) -> list[list[tuple[int, int]]]:
    """[(site, time)] of every macro, in the order of the list."""
    site, a, b, real = map(np.asarray, (hits.site, hits.time.a, hits.time.b, hits.real))
    times = a.astype(object) * 2**32 + b.astype(object)
    return [
        [(int(s), int(t)) for s, t, r in zip(*row, strict=True) if r]
        for row in zip(site, times, real, strict=True)
    ]


@given(
    st.tuples(WORD, WORD),
    st.sampled_from([1, 40, 384, 1 << 14]),
    st.sampled_from([0, 1, 3, 9, 31, 32]),
    st.lists(WORD, min_size=3, max_size=3),
)
@examples(40)
def test_every_hit_is_that_of_plain_integers(key, sites, first, macros):
    own = np.array(macros, np.uint32)
    hits = draw_hits(words(*key), own, sites, first)
    expected = [process.hits(key, macro, sites, first) for macro in macros]
    # Slab by slab from the first: the order in which the oracle goes, too.
    assert listed(hits) == expected
    short = list_hits(words(*key), own, sites, first)
    assert short.time.dtype == np.uint64
    together = zip(short.slot.tolist(), short.site.tolist(), short.time.tolist(), strict=True)
    flat = [(slot, *hit) for slot, own in enumerate(expected) for hit in own]
    assert list(together) == flat


@pytest.mark.parametrize("first", [0, 5])
def test_compiled_draws_are_the_same(first):
    macros = np.arange(50, dtype=np.uint32) * np.uint32(77777777)
    in_numpy = draw_hits(words(5, 6), macros, 384, first)
    drawn = jax.jit(draw_hits, static_argnums=(2, 3))
    in_jax = drawn(Words(*map(jnp.asarray, words(5, 6))), jnp.asarray(macros), 384, first)
    for one, other in zip(jax.tree.leaves(in_numpy), jax.tree.leaves(in_jax), strict=True):
        assert (np.asarray(one) == np.asarray(other)).all()


@given(st.text(max_size=12), st.integers(0, 2**64 - 1), WORD, WORD, WORD)
@examples(60)
def test_keys_and_single_draws_are_those_of_plain_integers(name, seed, epoch, macro, site):
    key = stream_key(words(seed, seed >> 32), name, epoch)
    expected = process.stream(seed, name, epoch)
    assert tuple(int(word[0]) for word in key) == expected
    place = np.array([macro], np.uint32), np.array([site], np.uint32)
    drawn = cell_draws(key, *place)
    assert int(drawn.a[0]) << 32 | int(drawn.b[0]) == process.own_draw(expected, macro, site)


def test_earlier_slabs_leave_the_later_ones_as_they_are():
    macros = np.arange(200, dtype=np.uint32)
    every = listed(draw_hits(words(1, 2), macros, 500, 0))
    for first in (1, 2, 4, 32):
        few = listed(draw_hits(words(1, 2), macros, 500, first))
        end = 2 ** (64 - first) if first < BOTTOM else 2**32
        assert few == [[hit for hit in hits if hit[1] < end] for hits in every]


def test_macros_do_not_depend_on_each_other():
    macros = np.arange(100, dtype=np.uint32)
    every = listed(draw_hits(words(1, 2), macros, 500, 0))
    for chosen in ([7], [99, 0, 50], list(range(10, 90, 3))):
        few = listed(draw_hits(words(1, 2), np.array(chosen, np.uint32), 500, 0))
        assert few == [every[macro] for macro in chosen]


SITES, MACROS = 1000, 20_000


def cells_hit(p, seed=0) -> np.ndarray:
    """(macros, sites) bool: which cells fail at a rate."""
    macros = np.arange(MACROS, dtype=np.uint32)
    first = first_slab(p)
    hits = draw_hits(words(seed, 11), macros, SITES, first)
    early = come_before(hits, levels(p))
    found = np.zeros((MACROS, SITES), bool)
    rows = np.broadcast_to(np.arange(MACROS)[:, None], early.shape)
    found[rows[early], hits.site[early]] = True
    return found


@pytest.mark.parametrize(
    "p", [1e-6, 2.0**-12, 1e-3, 2.0**-8, 2.0**-8 + 1e-4, 0.01, 0.0154], ids=lambda p: f"{p:.3g}"
)
def test_cells_fail_independently_with_the_rate(p):
    """Of 2e7 cells; six statements, each with a chance of 1e-9 to be false by the seed."""
    found = cells_hit(p)
    assert_binomial(found.sum(), found.size, p)
    if found.sum() < 2 * 50 * 32:
        return
    # Places: 32 stretches of sites, 32 of macros (of nearly equal length: 625 macros, 31 sites).
    assert_uniform(found.reshape(32, -1).sum(axis=1))
    assert_uniform(found[:, : 31 * 32].reshape(MACROS, 32, 31).sum(axis=(0, 2)))
    # Pairs of neighbours, and of the same site in the next macro: as many as independent cells.
    for pairs in (found[:, 1:] & found[:, :-1], found[1:] & found[:-1]):
        if pairs.size * p * p > 1000:
            assert_mean(pairs, p * p, p * p * (1 - p * p) + 2 * p**3 * (1 - p))
    # Counts of macros: the binomial law's variance.
    counts = found.sum(axis=1)
    spread = SITES * p * (1 - p)
    scaled = ((counts - SITES * p) ** 2).sum() / spread
    # (c - m)^2 / v has mean 1 and variance 2 + (1 - 6 p (1 - p)) / v.
    variance = 2 + (1 - 6 * p * (1 - p)) / spread
    assert abs(scaled - MACROS) < 6.2 * (MACROS * variance) ** 0.5


@pytest.mark.slow
def test_counts_of_a_macro_are_poisson():
    """Hits (not cells) of slab 0 on 1000 sites: 7.8 on average, cut into bins; alarm 1e-9."""
    macros = np.arange(30_000, dtype=np.uint32)
    hits = draw_hits(words(3, 3), macros, SITES, 0)
    counts = (hits.real & (hits.time.a >= 2**31)).sum(axis=1)
    until = [int(u) / 2**64 for u in poisson_until(SITES * Decimal(2) ** -7)][:20]
    shares = np.diff([0, *until, 1])
    expected = shares * len(macros)
    keep = expected > 50
    seen = np.bincount(np.minimum(counts, 20), minlength=21)
    off = ((seen - expected)[keep] ** 2 / expected[keep]).sum()
    assert off < chi_square_end(keep.sum())


def test_times_are_uniform_within_a_slab_and_from_slab_to_slab():
    """All hits before 2^64, cut into 64 equal stretches of time; alarm 1e-9."""
    hits = draw_hits(words(4, 4), np.arange(20_000, dtype=np.uint32), SITES, 0)
    high = hits.time.a[hits.real]
    assert_uniform(np.bincount(high >> 26, minlength=64))
    early = high[high < 2**24]
    assert_uniform(np.bincount(early >> 20, minlength=16))


@pytest.mark.slow
def test_what_fails_at_a_rate_fails_at_any_higher_one():
    before = np.zeros((MACROS, SITES), bool)
    for p in (0, 1e-12, 1e-9, 1e-6, 3e-5, 2.0**-10, 2.0**-10 * 1.001, 5e-3, 0.0155):
        after = cells_hit(p)
        assert not (before & ~after).any()
        before = after
