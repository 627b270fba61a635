"""The process of hits once more, in Python integers: one macro, one hit at a time."""

from decimal import Decimal, localcontext
from functools import lru_cache
from zlib import crc32

from tests.test_threefry import plain_threefry

MASK = 2**32 - 1


def draw(key, a, b) -> int:
    high, low = plain_threefry(key, (a & MASK, b & MASK))
    return high << 32 | low


def branch(key, a, b=0):
    return plain_threefry(key, (a, b))


def stream(seed: int, name: str, epoch: int = 0):
    """The key of a mechanism on a die."""
    return branch(branch((seed & MASK, seed >> 32), crc32(name.encode())), epoch)


@lru_cache(maxsize=256)
def poisson_until(mean: Decimal) -> tuple[int, ...]:
    """floor(2^64 P(count <= k)), k = 0, 1, ... up to where only 2^-64 is left; in 150 digits."""
    found = []
    with localcontext() as context:
        context.prec = 150
        k, factorial, power, total = 0, 1, Decimal(1), Decimal(0)
        while True:
            total += power / factorial
            number = int(total * (-mean).exp() * 2**64)
            if number >= 2**64 - 1:
                return tuple(found)
            found.append(number)
            k += 1
            factorial, power = factorial * k, power * mean


def hits(key, macro: int, sites: int, first: int) -> list[tuple[int, int]]:
    """(site, 64-bit time) of all hits in slabs `first` .. 32, slab by slab."""
    found = []
    for slab in range(first, 33):
        # Slab s has the times 2^(63-s) .. 2^(64-s), slab 32 those below 2^32; the unit is 2^-70.
        length = Decimal(2 ** (63 - slab) if slab < 32 else 2**32) / 2**70
        chance = draw(branch(key, 1), macro, slab)
        count = sum(chance >= until for until in poisson_until(sites * length))
        for number in range(count):
            place = slab << 24 | number
            site = draw(branch(key, 2), macro, place) * sites >> 64
            time = draw(branch(key, 3), macro, place)
            if slab < 32:
                time = 2 ** (63 - slab) + time % 2 ** (63 - slab)
            else:
                time %= 2**32
            found.append((site, time))
    return found


def own_draw(key, macro: int, site: int) -> int:
    """The 64 bits of a cell that hits do not decide."""
    return draw(branch(key, 4), macro, site)
