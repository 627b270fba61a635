"""Clusters: how many cells, how close together, and what stays of them at other rates.

Bounds of 1e-9 each, a handful.
"""

from math import sqrt

import numpy as np

import pimjax as pj
from pimjax.die.addresses import AddressMap
from tests.faults.build import bits_of, chip_of, program_of

CHIP = chip_of()
MACROS = 16
# 256 x 512 cells of ones: 128 inputs at a time in the lower and the upper half of a macro.
PROGRAM = program_of(CHIP, a=np.full((256 * MACROS, 64), -1))


def stuck(rate, size=8.0, radius=2.0, seed=1) -> np.ndarray:
    """(macro, wordline, bitline) bool: cells that read 0 though 1 was written."""
    faulty = pj.inject(PROGRAM, [pj.faults.Clusters(rate, size, radius)], pj.Die(CHIP, seed))
    bits = bits_of(faulty, "a").reshape(-1, 8)
    sites = AddressMap(PROGRAM).sites("a", *np.indices(bits.shape))
    found = np.zeros((int(sites.macro.max()) + 1, 256, 512), bool)
    found[sites.macro, sites.wordline, sites.bitline] = ~bits
    assert len(found) == MACROS
    return found


def test_mean_share_of_cells():
    """Rate times cells, less what overlaps and what falls over the edge.

    The number of cells is a compound Poisson count: variance n rate (1 + mean size), at most.
    """
    for rate, size, radius in ((1e-3, 8.0, 2.0), (1e-3, 1.0, 0.0), (4e-3, 30.0, 6.0)):
        found = stuck(rate, size, radius)
        expected = found.size * rate
        spread = sqrt(expected * (1 + size))
        count = found.sum()
        assert count < expected + 6.2 * spread
        if radius == 0:
            # All cells of a cluster are its centre: cells hit by at least one, 1 - 1/e of them.
            expected *= 1 - np.exp(-1)
            assert abs(count - expected) < 6.2 * sqrt(expected)
            continue
        # Cells of a cluster that come on the same place: pairs at distance 0, s / (4 pi r^2)
        # of them each; over the edges goes about 0.8 r of the width.
        lost = size / (8 * np.pi * radius**2) + 0.8 * radius * (1 / 256 + 1 / 512) + 2 * rate
        assert count > expected * (1 - 1.5 * lost) - 6.2 * spread


def pairs_at(found, down, right) -> tuple[int, float]:
    """Pairs of stuck cells so far apart, and how many there were if cells were independent."""
    here = found[:, : 256 - down, : 512 - right]
    there = found[:, down:, right:]
    return int((here & there).sum()), here.size * found.mean() ** 2


def test_cells_of_a_cluster_are_close():
    """Pair correlation 1 + s/(n rate) g(distance): far above 1 near by, 1 at 40 cells."""
    rate, size, radius = 1e-3, 8.0, 2.0
    found = stuck(rate, size, radius)
    for down, right in ((0, 1), (1, 0), (1, 1), (2, 2), (0, 4)):
        pairs, chance = pairs_at(found, down, right)
        square = down**2 + right**2
        # Density of the difference of two normal places, variance 2 r^2 along either axis.
        density = np.exp(-square / (4 * radius**2)) / (4 * np.pi * radius**2)
        expected = chance + found[0].size * MACROS * rate * size * density
        assert pairs > 20 * chance
        # Clusters vary in size: a spread of pairs of (1 + 4 s g) the Poisson one, roughly.
        assert abs(pairs - expected) < 0.15 * expected + 6.2 * sqrt(3 * expected)
    far = [pairs_at(found, down, right) for down, right in ((0, 40), (40, 0), (30, 30), (0, 100))]
    pairs, chance = (sum(column) for column in zip(*far, strict=True))
    # Clusters of pairs: about (1 + s) times the spread of single ones.
    assert abs(pairs - chance) < 6.2 * sqrt(chance) * (1 + size)


def test_more_clusters_contain_fewer():
    before = np.zeros((MACROS, 256, 512), bool)
    for rate in (0, 1e-7, 1e-5, 1e-4, 1e-3, 5e-3, 8 / 128):
        after = stuck(rate)
        assert not (before & ~after).any()
        assert after.sum() > before.sum() or rate in (0, 1e-7)
        before = after


def test_a_macro_is_the_edge():
    """What would fall over it does not come in on the other side."""
    found = np.concatenate([stuck(0.1, 20.0, 3.0, seed) for seed in range(4)])
    inner = found[:, 20:-20, 20:-20].mean()
    edges = [found[:, 0], found[:, -1], found[:, :, 0], found[:, :, -1]]
    # Half of the neighbourhood is missing, and about half of the cells are. Some 400 clusters lie
    # there: one standard deviation is 5 %.
    share = np.concatenate([edge.ravel() for edge in edges]).mean()
    assert 0.3 * inner < share < 0.75 * inner
    # Columns of both ends, or wordlines of neighbouring macros: not more together than by chance.
    for one, other in ((edges[2], edges[3]), (edges[0][1:], edges[1][:-1])):
        pairs, chance = (one & other).sum(), one.mean() * other.mean() * one.size
        assert pairs < 2 * chance + 6.2 * sqrt(8 * chance)
