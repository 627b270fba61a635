"""A fault belongs to a die, a mechanism and an address: to nothing else.

Nothing here is statistical but two comparisons of independent sets, with a chance below 1e-9 each.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import pimjax as pj
from pimjax.array.engines import ENGINES
from pimjax.die.addresses import AddressMap
from pimjax.network.place import place
from tests.faults.build import bits_of, chip_of, flips, program_of, random_codes, same
from tests.models import RELU, conv, model_of

SMALL = {"wordlines": 16, "bitlines": 24, "active_wordlines": 8, "banks": 3, "macros_per_bank": 40}
CHIP = chip_of(array=SMALL)
A, B = random_codes(CHIP, (30, 8), 1), random_codes(CHIP, (2, 2, 5, 6), 2)

FLIPS = pj.faults.BitFlip(rate=0.01)
STUCK = pj.faults.StuckAt(1, 0.012)
SPARSE = [pj.faults.Clusters(0.01, 3, 1.0), FLIPS, pj.faults.FlipCount(7), STUCK]
DENSE = [
    pj.faults.WriteErrors(pulse_ns=6.0, sigma=1.0),
    pj.faults.BitFlip(rate=0.1),
    pj.faults.StuckAt(0, 0.03),
    pj.faults.BrokenBitlines(0.05, 1),
]


def faulty_sites(program, faulty) -> dict[tuple[int, int, int, int], tuple[bool, bool]]:
    """{address: (bit before, bit after)} of every cell that holds a bit of a weight."""
    addresses = AddressMap(program)
    found = {}
    for name in pj.weights(program):
        before, after = bits_of(program, name), bits_of(faulty, name)
        weight, plane = np.indices((before[..., 0].size, before.shape[-1]))
        sites = np.stack(addresses.sites(name, weight, plane), -1).reshape(-1, 4).tolist()
        values = np.stack([before, after], -1).reshape(-1, 2).tolist()
        found |= dict(zip(map(tuple, sites), map(tuple, values), strict=True))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("faults", [SPARSE, DENSE], ids=["by list", "by cell"])
def test_order_of_the_list_and_of_calls(faults):
    program, die = program_of(CHIP, a=A, b=B), pj.Die(CHIP, 5)
    first = pj.inject(program, faults, die)
    assert not same(first, program)
    for order in list(permutations(faults))[1:24:7]:
        # What runs in between, on this die and another, leaves no trace.
        pj.inject(program, [FLIPS], pj.Die(CHIP, 6))
        assert same(pj.inject(program, order, die), first)
    assert same(pj.inject(program, iter(faults), pj.Die(CHIP, np.int64(5))), first)
    assert not same(pj.inject(program, faults, pj.Die(CHIP, 6)), first)
    # Neither does injecting leave one in the program.
    assert (pj.weights(program)["a"] == A).all()


@pytest.mark.parametrize(
    "faults",
    [[SPARSE[0], FLIPS, STUCK], pytest.param(DENSE, marks=pytest.mark.slow)],
    ids=["by list", "by cell"],
)
def test_other_layers_of_the_program(faults):
    """A layer alone, in the same place, has the faults that it has among others."""
    die = pj.Die(CHIP, 11)
    both = place(program_of(CHIP, a=A, b=B), "packed")
    after = pj.inject(both, faults, die)
    for name, codes in (("a", A), ("b", B)):
        strips = tuple(strip for strip in both.placement.strips if strip.layer == name)
        alone = program_of(CHIP, **{name: codes})
        alone = replace(alone, placement=replace(both.placement, strips=strips))
        assert (flips(alone, pj.inject(alone, faults, die), name) == flips(both, after, name)).all()


def test_another_model_in_the_old_place_meets_the_same_stuck_cells():
    die = pj.Die(CHIP, 3)
    faults = [pj.faults.StuckAt(0, 0.01), pj.faults.StuckAt(1, 0.014)]
    zeros, ones = (program_of(CHIP, a=np.full(A.shape, code)) for code in (0, -1))
    other = program_of(CHIP, c=random_codes(CHIP, (21, 5), 8), d=random_codes(CHIP, (9, 9), 9))
    # Written with 0 and with 1 everywhere, a cell that does not follow is stuck.
    stuck = {
        s: 1 for s, (_, bit) in faulty_sites(zeros, pj.inject(zeros, faults, die)).items() if bit
    }
    high = faulty_sites(ones, pj.inject(ones, faults, die))
    stuck |= {site: 0 for site, (_, bit) in high.items() if not bit}
    assert 20 < len(stuck) < 200
    common = 0
    for site, (before, after) in faulty_sites(other, pj.inject(other, faults, die)).items():
        if site in high:
            assert after == stuck.get(site, before)
            common += site in stuck
    assert common > 5


def test_a_network_that_moves_meets_other_faults():
    die = pj.Die(CHIP, 4)
    program = program_of(CHIP, a=A, b=B)
    here = pj.inject(program, [STUCK], die)
    moves = {
        "packed": place(program, "packed"),
        "others": place(program, "layer", macro_order=range(119, -1, -1)),
        "planes": place(program, "planes"),
    }
    for name, moved in moves.items():
        there = pj.inject(moved, [STUCK], die)
        assert not same(there, here), name
        old, new = faulty_sites(program, here), faulty_sites(moved, there)
        # Sites of both places that store the same bit are stuck alike.
        shared = [site for site in old if site in new and old[site][0] == new[site][0]]
        assert all(old[site] == new[site] for site in shared)
        assert name == "others" or shared
        # Back home it is as it was.
        assert same(pj.inject(place(moved, "layer"), [STUCK], die), here)


def test_dies_and_mechanisms_are_independent():
    """Cells stuck on two dies, or of two mechanisms on one: as many in common as by chance."""
    chip = chip_of()
    program = program_of(chip, a=np.zeros((512, 512), int))
    p = 0.015
    one = flips(program, pj.inject(program, [pj.faults.StuckAt(1, p)], pj.Die(chip, 1)), "a")
    others = [
        (pj.faults.StuckAt(1, p), 2),
        (pj.faults.StuckAt(1, p), 1 + 2**32),
        (pj.faults.BitFlip(rate=p), 1),
    ]
    expected = p * p * one.size  # 472
    for fault, seed in others:
        other = flips(program, pj.inject(program, [fault], pj.Die(chip, seed)), "a")
        assert abs((one & other).sum() - expected) < 6.5 * expected**0.5


def network(chip):
    steps = conv(3, 3, 6), RELU, conv(5, 6, 5, stride=(2, 2)), RELU
    model = model_of(*steps, shape=(6, 6, 3))
    images = np.random.default_rng(0).normal(size=(7, 6, 6, 3)).astype(np.float32)
    return model, images


def results(engine="auto", batch_size=4) -> dict[str, list]:
    """Weights and outputs of a network on a die after faults of both paths."""
    model, images = network(CHIP)
    program = pj.compile(model, CHIP, images, engine=engine)
    found = {}
    for name, faults in (("list", SPARSE), ("cell", DENSE)):
        faulty = pj.inject(program, faults, pj.Die(CHIP, 9))
        found[f"{name} weights"] = {k: w.tolist() for k, w in pj.weights(faulty).items()}
        outputs = pj.run(faulty, images, batch_size=batch_size)
        found[f"{name} outputs"] = np.asarray(outputs).tolist()
    return found


@pytest.mark.slow
def test_engines_and_batch_sizes():
    expected = results()
    assert results(batch_size=7) == expected
    for engine in ENGINES:
        assert results(engine, 3) == expected


@pytest.mark.slow
def test_four_devices():
    command = (
        "import json, jax; from tests.faults.test_reproducible import results; "
        "assert len(jax.devices()) == 4; print(json.dumps(results()))"
    )
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(results()))
