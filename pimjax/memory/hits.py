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

import numpy as np

from pimjax.memory.levels import Levels
from pimjax.numerics.threefry import Words, below, derived, scaled, threefry2x32

BOTTOM = 32
"""The last slab, of all the earliest hits."""

_COUNT, _SITE, _TIME = 1, 2, 3


class Hits(NamedTuple):
    """Hits on macros: site (m, i) int32 in the macro, time (m, i) as 64 bits, whether it is one."""

    site: Any
    time: Words
    real: Any


class _Slots(NamedTuple):
    """The places of the padded list, (i,) each: slab, number in it, chance that it is taken.

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
    macro = macros[..., None]
    where = Words(macro, (slots.slab.astype(np.uint32) << np.uint32(24)) | slots.number)
    # One draw a slab and macro decides how many of the slab's places are taken.
    counts = threefry2x32(derived(key, _COUNT), Words(macro, slots.slab))
    real = ~below(counts, slots.until)
    site = scaled(threefry2x32(derived(key, _SITE), where), sites)
    time = threefry2x32(derived(key, _TIME), where)
    return Hits(site, Words(slots.lead | (time.a & slots.mask), time.b), real)


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
    return _Slots(
        np.array(slabs, np.uint32),
        np.array(numbers, np.uint32),
        Words(
            np.array([until >> 32 for until in untils], np.uint32),
            np.array([until & 0xFFFFFFFF for until in untils], np.uint32),
        ),
        np.array(leads, np.uint32),
        np.array(masks, np.uint32),
    )


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
