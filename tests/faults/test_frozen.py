"""Frozen draws of every fault model: what a die of a given seed does to given weights."""

import hashlib

import numpy as np
import pytest

import pimjax as pj
from pimjax.network.place import place
from tests.faults.build import program_of
from tests.faults.test_reproducible import CHIP, DENSE, SPARSE

SEMANTICS = "1.0"


def digest(program) -> str:
    words = b"".join(
        name.encode() + np.ascontiguousarray(w, "<i4").tobytes()
        for name, w in pj.weights(program).items()
    )
    return hashlib.sha256(words).hexdigest()[:16]


# Faults of die 2^40 + 7 on layers of code (i mod 211) - 105. A change here is a change of every
# published result with faults: it raises pimjax.SEMANTICS and is announced in the changelog. The
# laws beside this file hold for any draws; these values freeze the draws themselves.
FROZEN = {
    "none": ([], "e46fc95e7c78713b"),
    "flips, by list": ([pj.faults.BitFlip(rate=0.01)], "5a66e79cfad12822"),
    "flips, by cell": ([pj.faults.BitFlip(p01=0.3, p10=0.02)], "3e3848aa820c38ac"),
    "flips of layers, planes, banks": (
        [pj.faults.BitFlip(rate=0.1, layers="b", planes=(1, 7), banks=(0, 2))],
        "ada2edb55ebde408",
    ),
    "count": ([pj.faults.FlipCount(40)], "f53a90a18830ffe7"),
    "stuck": ([pj.faults.StuckAt(0, 0.01), pj.faults.StuckAt(1, 0.002)], "1d9ec1d266c7456f"),
    "lines": (
        [pj.faults.BrokenWordlines(0.1), pj.faults.BrokenBitlines(0.1, 1)],
        "4329272a63e24982",
    ),
    "macros": ([pj.faults.DeadMacros(0.3)], "254c397e79664ac0"),
    "clusters": ([pj.faults.Clusters(0.03, 8.0, 2.0)], "9fab9a0e99e72f2c"),
    "write": ([pj.faults.WriteErrors(pulse_ns=6.0, sigma=0.0)], "7fdcd22f75fabc74"),
    "hard to write": ([pj.faults.WriteErrors(pulse_ns=6.0, sigma=1.0)] * 2, "1a8c349f4fa8c58e"),
    "retention": (
        [pj.faults.Retention(time_s=1e6, temperature_k=398.15, thermal_stability=70.0)],
        "99b3c6af9b525c77",
    ),
    "read disturb": ([pj.faults.ReadDisturb(1e9, thermal_stability=60.0)], "cadf6ba603826ffb"),
    "all": (DENSE + SPARSE, "10dea0bafd2c6b14"),
}


QUICK = ("none", "flips, by list", "count", "stuck", "clusters", "hard to write")
"""The others take a compilation each."""


def test_semantics():
    assert pj.SEMANTICS == SEMANTICS


@pytest.mark.parametrize(
    "case", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FROZEN]
)
def test_frozen_draws(case):
    faults, expected = FROZEN[case]
    a, b = (np.arange(size) % 211 - 105 for size in (240, 480))
    program = place(program_of(CHIP, a=a.reshape(30, 8), b=b.reshape(2, 2, 12, 10)), "packed")
    faulty = pj.inject(program, faults, pj.Die(CHIP, 2**40 + 7))
    assert (digest(faulty) == digest(program)) == (case == "none")
    assert digest(faulty) == expected
