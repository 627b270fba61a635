"""Scrubbing: single errors do not become double ones, and what is stuck stays stuck."""

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.addresses import address_of
from pimjax.memory.effects import in_order
from tests.models import conv, model_of, numbers

CODED = {"array.readout": "digital", "mram.ecc": "secded-72-64"}
SCRUB = pj.faults.Scrub()


def program(**overrides) -> pj.Program:
    model = model_of(conv(0, 4, 16), shape=(6, 6, 4))
    chip = pj.load_chip("mram-pim-8b", CODED | overrides)
    return pj.compile(model, chip, calibration=numbers(9, 4, 6, 6, 4))


def cell(compiled, weight: int, plane: int):
    """The flip of one stored bit; weights 0 to 7 of a row share its first word of 64 bits."""
    [name] = pj.weights(compiled)
    return pj.faults.FlipCells([address_of(compiled, name, weight, plane)[:5]])


def outcome(compiled, faults, **how):
    faulty, report = pj.inject(compiled, faults, pj.Die(compiled.chip, 3), report=True, **how)
    [counts] = report.words.values()
    [(name, codes)] = pj.weights(faulty).items()
    return counts, int((codes != pj.weights(compiled)[name]).sum())


def test_errors_that_are_scrubbed_apart_do_not_meet():
    compiled = program()
    one, two = cell(compiled, 0, 3), cell(compiled, 5, 7)
    together, wrong = outcome(compiled, [one, two])
    assert together["detected"] == 1 and wrong == 2
    apart, wrong = outcome(compiled, [one, SCRUB, two])
    assert apart["corrected"] == 1 and apart["detected"] == wrong == 0
    late, wrong = outcome(compiled, [one, two, SCRUB])
    assert late["detected"] == 1 and wrong == 2
    clean, wrong = outcome(compiled, [one, SCRUB])
    assert clean["clean"] == sum(clean.values()) and wrong == 0


def test_a_scrub_of_a_faultless_memory_changes_nothing():
    compiled = program()
    counts, wrong = outcome(compiled, [SCRUB, SCRUB])
    assert counts["clean"] == sum(counts.values()) and wrong == 0


@pytest.mark.slow
def test_a_stuck_cell_takes_part_in_every_scrub():
    """What a scrub writes is stuck again; a flip beside a stuck cell makes two errors."""
    compiled = program()
    stuck = pj.faults.StuckAt(0, 0.01)
    before, _ = outcome(compiled, [stuck])
    scrubbed, _ = outcome(compiled, [SCRUB, stuck])
    assert before == scrubbed
    assert before["corrected"] > 5
    flips = [cell(compiled, int(w), 0) for w in np.arange(0, 576, 8)]
    with_scrub, _ = outcome(compiled, [*flips, SCRUB, stuck])
    without, _ = outcome(compiled, [*flips, stuck])
    assert with_scrub["detected"] + with_scrub["miscorrected"] > before["detected"]
    assert with_scrub["clean"] > without["clean"] == 0


def test_scrubs_keep_their_place_among_faults_at_rest():
    compiled = program()
    from pimjax.die.inject import effects_of, surroundings

    one = cell(compiled, 0, 3)
    faults = [pj.faults.StuckAt(1, 0.1), one, SCRUB, one]
    kinds = [type(e).__name__ for e in in_order(effects_of(faults, surroundings(compiled)))]
    assert kinds == ["PlaceEffect", "ScrubEffect", "PlaceEffect", "CellEffect"]


@pytest.mark.slow
def test_weak_cells_fail_again():
    """Two intervals of retention with spread: cells of the first fail again far above chance.

    The two intervals are alike; were cells equal, a cell that failed would fail again with the mean
    probability p of some 3 %, that is 15 +- 4 times. False alarms below 1e-9.
    """
    model = model_of(conv(0, 8, 96), shape=(6, 6, 8))
    chip = pj.load_chip("mram-pim-8b", CODED | {"mram.ecc": "none"})
    compiled = pj.compile(model, chip, calibration=numbers(9, 4, 6, 6, 8))
    die = pj.Die(chip, 5)
    interval = pj.faults.Retention(1e7, 400.0, thermal_stability=75.0, sigma=0.1)
    [(name, codes)] = pj.weights(compiled).items()
    once = pj.weights(pj.inject(compiled, [interval], die))[name] ^ codes
    twice = pj.weights(pj.inject(compiled, [interval, interval], die))[name] ^ codes
    second = once ^ twice  # what the second interval did
    failed, again = (int(np.bitwise_count(x & 0xFF).sum()) for x in (once, once & second))
    p = failed / (8 * codes.size)
    assert 0.005 < p < 0.2
    assert again > failed * p + 12 * (failed * p) ** 0.5


@pytest.mark.parametrize(
    "overrides", [{"mram.ecc": "none"}, {"array.readout": "bitline", "mram.ecc": "none"}]
)
def test_there_must_be_a_code(overrides):
    with pytest.raises(ValueError, match=r"Scrub: mram\.ecc = 'none' has nothing to correct"):
        outcome(program(**overrides), [SCRUB])


def test_words_of_a_code_need_cells_of_one_bit():
    with pytest.raises(
        ValueError, match=r"precision\.cell_bits = 2: words .* use precision\.cell_bits"
    ):
        pj.load_chip("mram-pim-8b", CODED | {"precision.cell_bits": 2})
