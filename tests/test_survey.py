"""A survey of a die: against the same cells under a program, and against sums by hand."""

from dataclasses import replace
from math import comb, sqrt

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.die.outcomes import expected_words
from pimjax.die.survey import survey
from pimjax.memory.ecc import CODES
from tests.models import dense, model_of, numbers

F = pj.faults
SMALL = {
    "array.banks": 2,
    "array.macros_per_bank": 3,
    "array.wordlines": 16,
    "array.bitlines": 144,
    "array.active_wordlines": 16,
}
CODED = {"array.readout": "digital", "mram.ecc": "secded-72-64"}
WEAK = {"mram.thermal_stability": 70.0, "mram.write_overdrive": 1.6}


def filling(chip, macros, code):
    """A program of one dense layer that fills so many macros with weights of one code."""
    per_macro = (144 if chip.mram.ecc == "none" else 128) // 8
    model = model_of(dense(0, 16, macros * per_macro), shape=(16,))
    program = pj.compile(model, chip, calibration=numbers(1, 4, 16))
    (name,) = program.layers
    params = program.image[name]
    full = jnp.full_like(params["weights"], code)
    return replace(program, image={**program.image, name: {**params, "weights": full}})


FAULTS = [
    [F.BitFlip(rate=0.01)],
    [F.BitFlip(p01=0.2, p10=0.003), F.BitFlip(rate=0.01, banks=1)],
    [F.StuckAt(value=0, rate=0.02), F.StuckAt(value=1, rate=0.3, banks=(0,))],
    [F.BrokenWordlines(0.2, 1), F.BrokenBitlines(0.1), F.DeadMacros(0.3), F.Clusters(0.02)],
    [F.WriteErrors(), F.Retention(1e8, 398.15), F.Retention(1e7, 398.15), F.ReadDisturb(1e6)],
    [F.FlipCells([(0, 1, 3, 7), (1, 0, 15, 143)]), F.BitFlip(rate=0.1)],
    [F.WriteErrors(), F.WriteErrors(), F.BitFlip(rate=0.01)],
]
SCRUBBED = [F.BitFlip(rate=0.01), F.Scrub(), F.Retention(1e8, 398.15), F.StuckAt(1, 0.01)]


# A compilation of the program's whole way for each; the quick ones see every fault once.
CASES = [
    pytest.param(
        *(index, coded, pattern),
        id=f"{index}-{'coded' if coded else 'plain'}-{pattern}",
        marks=()
        if (coded, pattern) == (index % 2 == 1 and index < 2, "ones")
        else pytest.mark.slow,
    )
    for index in range(len(FAULTS))
    for coded in (False, True)
    for pattern in ("zeros", "ones")
]


@pytest.mark.slow
@pytest.mark.parametrize(("index", "coded", "pattern"), CASES)
def test_a_survey_counts_what_a_program_meets(index, coded, pattern):
    chip = pj.load_chip("mram-pim-8b", SMALL | WEAK | (CODED if coded else {}))
    die, program = pj.Die(chip, 7), filling(chip, 4, {"zeros": 0, "ones": -1}[pattern])
    reads = 1.0 if coded else 8.0  # bits of an input, driven one by one
    faulty, report = pj.inject(program, FAULTS[index], die, report=True)
    found = survey(die, FAULTS[index], range(4), pattern=pattern, reads_per_image=reads)
    assert [(m.name, m.drawn) for m in found.mechanisms] == list(report.changed)
    assert any(m.drawn for m in found.mechanisms)
    (name,) = program.layers
    before, after = pj.weights(program)[name], pj.weights(faulty)[name]
    wrong = int(np.bitwise_count(np.asarray(before ^ after).astype(np.uint8)).sum())
    if coded:
        assert found.words.drawn == report.words[name]
        assert found.words.wrong_bits == wrong
    else:
        assert found.words is None
        assert int(found.errors.sum()) == wrong


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, -1])
def test_a_scrub_is_that_of_a_program(code):
    chip = pj.load_chip("mram-pim-8b", SMALL | WEAK | CODED)
    die, program = pj.Die(chip, 3), filling(chip, 4, code)
    _, report = pj.inject(program, SCRUBBED, die, report=True)
    found = survey(die, SCRUBBED, range(4), pattern="ones" if code else "zeros")
    assert [(m.name, m.drawn) for m in found.mechanisms] == list(report.changed)
    assert found.words.drawn == report.words[program.layers[0]]
    scrub = next(m for m in found.mechanisms if m.name == "scrub")
    assert scrub.drawn > 20
    assert abs(scrub.drawn - scrub.expected) < 7 * sqrt(scrub.expected)


@pytest.mark.slow
def test_macros_one_by_one_are_the_macros_together():
    chip = pj.load_chip("mram-pim-8b", SMALL)
    die, faults = pj.Die(chip, 1), [F.BitFlip(rate=0.02), F.StuckAt(value=1, rate=0.05)]
    seen = []
    every = survey(die, faults, watch=seen.append)
    assert every.macros.tolist() == list(range(6)) and seen == [6]
    assert every.cells == 6 * 16 * 144
    for macro in range(6):
        (own,) = survey(die, faults, [macro]).errors
        assert own == every.errors[macro]


def test_nothing_happens_without_faults():
    found = survey(pj.Die(pj.load_chip("mram-pim-8b", SMALL), 1), [])
    assert found.mechanisms == () and found.rate == 0 and found.expected_errors == 0


# A normal quantile of 7 is passed in 2.6e-12 of draws either way; some 60 counts are compared, so
# that a right survey fails here in less than 1e-9 of seeds. (Counts below 30 are not compared.)
@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["random", "zeros", "ones"])
@pytest.mark.parametrize("overrides", [{}, CODED], ids=["plain", "coded"])
def test_drawn_counts_are_as_expected(overrides, pattern):
    sizes = {"array.wordlines": 64, "array.macros_per_bank": 16}
    chip = pj.load_chip("mram-pim-8b", SMALL | WEAK | sizes | overrides)
    faults = [
        F.WriteErrors(overdrive=1.5),
        F.Retention(1e8, 398.15),
        F.Retention(1e9, 398.15),
        F.BitFlip(p01=0.002, p10=0.01),
        F.BitFlip(rate=0.01, banks=1),
        F.StuckAt(value=0, rate=0.004),
        F.StuckAt(value=1, rate=0.01),
    ]
    compared = 0
    found = survey(pj.Die(chip, 11), faults, pattern=pattern)
    pairs = [(m.expected, m.drawn) for m in found.mechanisms]
    pairs.append((found.expected_errors, int(found.errors.sum())))
    if found.words is not None:
        pairs += zip(found.words.expected.values(), found.words.drawn.values(), strict=True)
    for expected, drawn in pairs:
        if expected > 30:
            compared += 1
            # Expected outcomes of words are sampled: 4096 patterns, and cells alike on average.
            assert abs(drawn - expected) < 7 * sqrt(expected) + 0.03 * expected * bool(overrides)
    assert compared >= 5


@pytest.mark.slow
def test_expected_clusters_count_overlaps_and_edges():
    """Against cells of many dies: mean of 400 macros, 7 deviations of clusters of 12 cells."""
    chip = pj.load_chip("mram-pim-8b", SMALL | {"array.macros_per_bank": 200})
    fault = F.Clusters(rate=0.08, mean_size=12.0, radius_cells=2.5, value=1)
    found = survey(pj.Die(chip, 3), [fault], pattern="zeros")
    (mechanism,) = found.mechanisms
    spread = sqrt(mechanism.expected * (1 + 12.0))
    assert mechanism.expected < 0.9 * 0.08 * found.cells  # what overlaps and edges take
    assert abs(mechanism.drawn - mechanism.expected) < 7 * spread


def test_count_and_places():
    chip = pj.load_chip("mram-pim-8b", SMALL | CODED)
    die = pj.Die(chip, 2)
    for count in (0, 1, 100):
        (mechanism,) = survey(die, [F.FlipCount(count)]).mechanisms
        assert mechanism.drawn == count == round(mechanism.expected)
    with pytest.raises(ValueError, match=r"FlipCount\.count = 5000: at most about"):
        survey(die, [F.FlipCount(5000)])
    with pytest.raises(ValueError, match="has wordline 16"):
        survey(die, [F.FlipCells([(0, 0, 16, 0)])])


@pytest.mark.parametrize("rate", [0.0, 1e-6, 1e-3, 0.3, 1.0])
@pytest.mark.parametrize("name", ["secded-72-64", "bch-78-64"])
def test_expected_words(name, rate):
    code = CODES[name]
    words, wrong = expected_words(code, 10**6, rate)
    assert abs(sum(words.values()) - 10**6) < 1e-3
    correct = sum(comb(code.n, j) * rate**j * (1 - rate) ** (code.n - j) for j in range(code.t + 1))
    assert abs(words["clean"] + words["corrected"] - 1e6 * correct) < 1e-3 + 0.02e6 * rate
    assert 0 <= wrong <= code.k * 10**6


def test_mistakes_are_refused():
    die = pj.Die(pj.load_chip("mram-pim-8b", SMALL), 2)
    with pytest.raises(ValueError, match="pattern = 'checkers': random, zeros, ones expected"):
        survey(die, [], pattern="checkers")
    with pytest.raises(ValueError, match=r"BitFlip\.layers: a die without a program"):
        survey(die, [F.BitFlip(rate=0.1, layers="conv1")])
    with pytest.raises(ValueError, match="no macro -1"):
        survey(die, [], [-1])
