"""The early hits on the cells of a macro, as a list: cost in proportion to the faults.

Hits are a Poisson process on sites x time. Time is cut into octaves (slabs): slab s holds the
64-bit times from 2^(63-s) up to twice that, slab 32 what is left below 2^32. Each slab of each
macro gets a count from its own Poisson distribution, and each hit a site and a time within the
slab, all of them functions of (key, macro, slab, number of the hit) alone. A second hit on a site
changes nothing. So the sites hit before t are independent of each other, each with probability
1 - exp(-t), and they are among those hit before any later time, exactly.

Axis letters: m macro, i hit (i runs over the slabs that are drawn, padded to the largest count).
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from pimjax.memory.levels import Levels
from pimjax.numerics.threefry import Words, below, derived, scaled, threefry2x32

BOTTOM = 32
"""The last slab, of all the earliest hits."""

_COUNT, _SITE, _TIME = 1, 2, 3


class Hits(NamedTuple):
    """Hits on macros: site (m, i) int32 in the macro, time (m, i) as 64 bits, whether it is one.

    `number` (1, i) uint32 names a hit among those of its macro, whatever is drawn beside it.
    """

    site: Any
    time: Words
    real: Any
    number: Any


class _Slots(NamedTuple):
    """The places of the padded list, (1, i) each: slab, number in it, chance that it is taken.

    Hit k of a slab is there if the macro's draw for the slab is not below `until`: floor(2^64
    P(count <= k)). `lead` and `mask` make a time of the slab out of a random high word.
    """

    slab: np.ndarray
    number: np.ndarray
    until: Words
    lead: np.ndarray
    mask: np.ndarray


def first_slab(probability: float) -> int:
    """The slab that holds the time of a probability: those from it to `BOTTOM` are needed."""
    if probability <= 0:
        return BOTTOM
    time = -math.log1p(-probability) if probability < 1 else math.inf
    leading = math.frexp(time)[1] + 6 if time < 1 else 1  # 2^-6 is 2^64
    return min(BOTTOM, max(0, -leading))


def draw_hits(key: Words, macros: Any, sites: int, first: int) -> Hits:
    """The hits of slabs `first` .. `BOTTOM` on macros (m,) uint32 of so many sites each.

    NumPy or JAX arrays, whichever the macros are.
    """
    slots = _slots(sites, first)
    real = _taken(key, macros, slots, first)
    return Hits(*_drawn(key, macros[:, None], slots, sites), real, _names(slots))


class ListedHits(NamedTuple):
    """Hits one after the other, (n,) each: index of the macro, site in it, time as one uint64."""

    slot: np.ndarray
    site: np.ndarray
    time: np.ndarray


def list_hits(key: Words, macros: np.ndarray, sites: int, first: int) -> ListedHits:
    """The hits of `draw_hits` without the padding: only what is there is drawn. NumPy alone."""
    slots = _slots(sites, first)
    slot, number = np.nonzero(_taken(key, macros, slots, first))
    own = jax.tree.map(lambda part: part[0, number], slots)
    site, time = _drawn(key, macros[slot], own, sites)
    return ListedHits(slot, site, (time.a.astype(np.uint64) << np.uint64(32)) | time.b)


def _taken(key: Words, macros: Any, slots: _Slots, first: int) -> Any:
    """Which places of the list are taken, (m, i): one draw a slab and macro decides how many."""
    slabs = np.arange(first, BOTTOM + 1, dtype=np.uint32)[None]
    counts = threefry2x32(derived(key, _COUNT), Words(macros[:, None], slabs))
    place = slots.slab[0] - np.uint32(first)
    return ~below(Words(counts.a[:, place], counts.b[:, place]), slots.until)


def _drawn(key: Words, macro: Any, slots: _Slots, sites: int) -> tuple[Any, Words]:
    """Site and time of the hits in these places."""
    where = Words(macro, _names(slots))
    site = scaled(threefry2x32(derived(key, _SITE), where), sites)
    time = threefry2x32(derived(key, _TIME), where)
    return site, Words(slots.lead | (time.a & slots.mask), time.b)


def _names(slots: _Slots) -> np.ndarray:
    return (slots.slab << np.uint32(24)) | slots.number


def come_before(hits: Hits, limits: Levels) -> Any:
    """Which hits (m, i) come before limits of the same shape; padding never does."""
    full = (limits.before.a & limits.before.b) == np.uint32(0xFFFFFFFF)
    return hits.real & (below(hits.time, limits.before) | full)


@lru_cache(maxsize=64)
def _slots(sites: int, first: int) -> _Slots:
    slabs, numbers, untils, leads, masks = [], [], [], [], []
    for slab in range(first, BOTTOM + 1):
        bits = 31 - slab  # of the high word, below the leading one
        width = Decimal(2) ** (-7 - slab if slab < BOTTOM else -38)
        for number, until in enumerate(poisson_until(sites * width)):
            slabs.append(slab)
            numbers.append(number)
            untils.append(until)
            leads.append(1 << bits if slab < BOTTOM else 0)
            masks.append((1 << bits) - 1 if slab < BOTTOM else 0)
    words = Words(_row([n >> 32 for n in untils]), _row([n & 0xFFFFFFFF for n in untils]))
    return _Slots(_row(slabs), _row(numbers), words, _row(leads), _row(masks))


def _row(numbers: list[int]) -> np.ndarray:
    return np.array([numbers], np.uint32)


def poisson_until(mean: Decimal) -> list[int]:
    """floor(2^64 P(count <= k)) for k = 0, 1, ... of a Poisson count, up to where it is one."""
    found = []
    with localcontext() as context:
        context.prec = 60
        term = total = (-mean).exp()
        while (until := int(total * (1 << 64))) < (1 << 64) - 1:
            found.append(until)
            term = term * mean / len(found)
            total += term
    return found
