"""Rates of faults on whole programs: nested, the same by list and by cell, hit by hit as defined.

The chance that a right library fails here because of the seeds chosen is 1e-8.
"""

from dataclasses import replace

import jax
import numpy as np
import pytest

import pimjax as pj
from pimjax.die.addresses import AddressMap
from pimjax.die.cells import floor_of
from pimjax.die.cellwise import cell_by_cell
from pimjax.die.counted import resolved
from pimjax.die.inject import effects_of, surroundings
from pimjax.die.sparse import Finder, faulty_image
from pimjax.die.steps import step_of
from pimjax.memory.effects import in_order
from pimjax.memory.levels import levels
from pimjax.network.place import place
from tests.faults import process
from tests.faults.build import bits_of, chip_of, flips, program_of, random_codes, same
from tests.faults.chance import assert_binomial

SMALL = {"wordlines": 16, "bitlines": 24, "active_wordlines": 8, "banks": 3, "macros_per_bank": 40}

LADDER = [0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 5e-3, 0.0154, 0.01551, 0.0156, 0.02, 0.1, 0.5, 0.9, 1]
"""Across the border, 1 - exp(-2^-6), between the list and the draw of every cell's own."""


def small(encoding="twos_complement", bits=5, cell_bits=1, policy="layer", **precision):
    """Two layers on macros of 16 x 24 cells; ragged row groups and shelves."""
    precision |= {"weight_encoding": encoding, "weight_bits": bits, "cell_bits": cell_bits}
    chip = chip_of(array=SMALL, precision=precision)
    layers = {"a": random_codes(chip, (21, 7)), "b": random_codes(chip, (3, 2, 3, 5), 1)}
    return place(program_of(chip, **layers), policy)


@pytest.mark.parametrize(
    "fault",
    [
        lambda p: pj.faults.BitFlip(rate=p),
        lambda p: pj.faults.BitFlip(p01=p, p10=p / 2),
        lambda p: pj.faults.StuckAt(1, p),
        lambda p: pj.faults.BrokenBitlines(p),
    ],
    ids=["flips", "asymmetric", "stuck", "bitlines"],
)
def test_faults_of_a_rate_are_among_those_of_any_higher_one(fault):
    program = small()
    die = pj.Die(program.chip, 3)
    before = {name: np.zeros_like(bits_of(program, name)) for name in "ab"}
    total = 0
    for p in LADDER:
        faulty = pj.inject(program, [fault(p)], die)
        after = {name: flips(program, faulty, name) for name in "ab"}
        assert not any((before[name] & ~after[name]).any() for name in "ab")
        if p == 0:
            assert not any(found.any() for found in after.values())
        before = after
        total = sum(int(found.sum()) for found in after.values())
    assert total > 100


def test_every_flip_is_that_of_plain_integers():
    """Which weights flip follows from the seed, the addresses and the definition alone."""
    program = small(policy="packed")
    seed = 0xFEED_0000_0007
    die = pj.Die(program.chip, seed)
    key = process.stream(seed, "bit flip")
    mapping = AddressMap(program)
    for p in (0.004, 0.2):
        faulty = pj.inject(program, [pj.faults.BitFlip(rate=p)], die)
        limit = levels(p)
        before = int(limit.before.a) << 32 | int(limit.before.b)
        rest = int(limit.rest.a) << 32 | int(limit.rest.b)
        hit = {}
        for name in "ab":
            bits = bits_of(program, name)
            count, planes = bits[..., 0].size, bits.shape[-1]
            weight, plane = np.indices((count, planes))
            sites = mapping.sites(name, weight, plane)
            numbers = sites.wordline * 24 + sites.bitline
            expected = np.zeros((count, planes), bool)
            for index in np.ndindex(count, planes):
                macro, site = int(sites.macro[index]), int(numbers[index])
                if macro not in hit:
                    early = process.hits(key, macro, 16 * 24, 0)
                    hit[macro] = {s for s, time in early if time < before}
                own = process.own_draw(key, macro, site) < rest
                expected[index] = site in hit[macro] or own
            assert (flips(program, faulty, name).reshape(count, planes) == expected).all()
            assert expected.any()


def both_ways(program, faults, die):
    """(program, changes) by the list on the host, and cell by cell in compiled code."""
    floor = floor_of(program)
    finder = Finder(program, floor, die)
    effects = in_order(effects_of(faults, surroundings(program)))
    steps = [step_of(effect) for effect in resolved(effects, program, finder, die)]
    assert all(step.form.sparse for step in steps)
    image, changed = faulty_image(program, finder, die, steps)
    # Forms with all slabs and a draw of the cell's own, of probability 0: one compilation.
    wide = [
        step._replace(form=replace(step.form, first=0, rest=True))
        if step.form.kind == "cell"
        else step
        for step in steps
    ]
    other, totals, _ = cell_by_cell(program, floor, die, wide, None, "raw")
    lists = replace(program, image=image), [int(np.sum(counts)) for counts in changed]
    return lists, (replace(program, image=other), totals)


CASES = {
    "twos complement": {},
    "offset binary, packed": {"encoding": "offset_binary", "policy": "packed"},
    "differential, planes": {"encoding": "differential", "policy": "planes", "bits": 4},
    "differential, two bits a cell": {"encoding": "differential", "cell_bits": 2, "bits": 6},
    "paired": {"encoding": "differential", "differential_readout": "paired", "bits": 4},
    "binary, packed": {"encoding": "binary", "bits": 1, "policy": "packed"},
    "ternary": {"encoding": "ternary", "bits": 2},
    "three bits a cell": {"cell_bits": 3, "bits": 8, "policy": "packed"},
    "planes": {"policy": "planes", "cell_bits": 2, "bits": 7},
}


def test_lists_and_cells_are_the_same_in_short():
    """Two kinds of faults on one shape; the next test has them all on many."""
    program = small(**CASES["offset binary, packed"])
    for seed in range(10):
        die = pj.Die(program.chip, seed)
        faults = [pj.faults.BitFlip(p01=0.015, p10=1e-3 * seed, planes=(1, 4))]
        faults += [pj.faults.StuckAt(0, 0.015 / (seed + 1))]
        (listed, changed), (by_cell, totals) = both_ways(program, faults, die)
        assert same(listed, by_cell)
        assert changed == totals
        assert not same(listed, program)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_lists_and_cells_are_the_same(case):
    """Bit for bit and count for count, over rates, seeds, planes, layers and banks."""
    program = small(**case)
    rng = np.random.default_rng(5)
    planes = bits_of(program, "a").shape[-1]
    for seed in range(6):
        p, q, r = (float(0.015 * rng.random() ** 2) for _ in range(3))
        chosen = sorted({int(rng.integers(planes)), int(rng.integers(planes))})
        only = {"layers": ["a", "b"][seed % 2], "planes": chosen, "banks": [0, 1]}
        addresses = [
            (int(rng.integers(3)), 0, int(rng.integers(16)), int(rng.integers(24)))
            for _ in range(8)
        ]
        faults = [
            pj.faults.BitFlip(p01=p, p10=q, **(only if seed % 3 else {"banks": [0, 1, 2]})),
            pj.faults.FlipCells(tuple(addresses)),
            pj.faults.FlipCount(9, planes=chosen[0]),
            pj.faults.StuckAt(0, r),
            pj.faults.StuckAt(1, p),
            pj.faults.Clusters(0.01, mean_size=3, radius_cells=1.5, value=seed % 2),
        ]
        die = pj.Die(program.chip, seed)
        (listed, changed), (by_cell, totals) = both_ways(program, faults, die)
        assert same(listed, by_cell)
        assert changed == totals
        assert sum(changed) > 0
        for params in (listed.image, by_cell.image):
            assert jax.tree.all(jax.tree.map(lambda a: a.dtype.itemsize < 8, params))


def test_ends_of_the_scale():
    program = small()
    die = pj.Die(program.chip, 1)
    for p, share in ((0.0, 0), (1.0, 1)):
        faulty, report = pj.inject(program, [pj.faults.BitFlip(rate=p)], die, report=True)
        for name in "ab":
            assert (flips(program, faulty, name) == bool(share)).all()
        cells = sum(bits_of(program, name).size for name in "ab")
        assert report.changed == (("bit flip", share * cells),)


def test_counts_are_binomial():
    """2.1 million cells; five rates on two dies each, alarm 1e-8 in all."""
    chip = chip_of()
    program = program_of(chip, a=random_codes(chip, (512, 512)))
    cells = 512 * 512 * 8
    for p in (1e-5, 1e-3, 0.0155, 0.016, 0.3):
        for seed in (1, 2):
            faulty, report = pj.inject(
                program, [pj.faults.BitFlip(rate=p)], pj.Die(chip, seed), report=True
            )
            found = flips(program, faulty, "a")
            assert report.changed == (("bit flip", int(found.sum())),)
            assert_binomial(found.sum(), cells, p)


def test_choices_of_layers_planes_and_banks():
    """Only what is chosen flips, and there it is what flips without a choice."""
    program = small(policy="packed")
    die = pj.Die(program.chip, 8)
    every = pj.inject(program, [pj.faults.BitFlip(rate=0.3)], die)
    addresses = AddressMap(program)
    banks = set()
    for name in "ab":
        bits = bits_of(program, name)
        sites = addresses.sites(name, *np.indices((bits[..., 0].size, bits.shape[-1])))
        banks |= set((sites.macro // 40).ravel().tolist())
    for choice in ({"layers": "b"}, {"planes": [0, 3]}, {"layers": ["a"], "planes": 2}):
        faulty = pj.inject(program, [pj.faults.BitFlip(rate=0.3, **choice)], die)
        for name in "ab":
            mask = np.zeros_like(bits_of(program, name))
            wanted = choice.get("planes", range(mask.shape[-1]))
            if name in choice.get("layers", "ab"):
                mask[..., wanted] = True
            assert (flips(program, faulty, name) == flips(program, every, name) & mask).all()
    spread = place(program, "planes")
    only = pj.inject(spread, [pj.faults.BitFlip(rate=0.3, banks=1)], die)
    every = pj.inject(spread, [pj.faults.BitFlip(rate=0.3)], die)
    addresses = AddressMap(spread)
    for name in "ab":
        bits = bits_of(spread, name)
        sites = addresses.sites(name, *np.indices((bits[..., 0].size, bits.shape[-1])))
        inside = (sites.macro // 40 == 1).reshape(bits.shape)
        assert inside.any() and not inside.all()
        assert (flips(spread, only, name) == flips(spread, every, name) & inside).all()
