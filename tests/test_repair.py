"""Spare lines: what a tester finds bad no longer matters; what is left is told."""

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.addresses import address_of
from pimjax.die.defects import defect_counts, defects_in_use
from pimjax.die.repair import ranked_macros, repaired, usable_macros
from pimjax.die.survey import survey
from pimjax.network.place import place
from tests.models import RELU, conv, model_of, numbers

SMALL = {
    "array.wordlines": 32,
    "array.bitlines": 80,
    "array.active_wordlines": 16,
    "array.banks": 2,
    "array.macros_per_bank": 8,
    "array.spare_wordlines": 3,
    "array.spare_bitlines": 5,
}
LINES = [pj.faults.BrokenWordlines(0.05, 1), pj.faults.BrokenBitlines(0.04)]


def chip(**overrides) -> pj.Chip:
    return pj.load_chip("mram-pim-8b", SMALL | overrides)


def program(chip) -> pj.Program:
    model = model_of(conv(0, 2, 5), RELU, conv(2, 5, 7), RELU, shape=(6, 6, 2))
    return pj.compile(model, chip, calibration=numbers(9, 4, 6, 6, 2))


def same(one, other) -> bool:
    ours, theirs = pj.weights(one), pj.weights(other)
    return all((ours[name] == theirs[name]).all() for name in ours)


def test_repaired_lines_do_no_harm():
    """Every macro whose broken lines have enough good spares holds the weights unharmed."""
    own = chip()
    die = pj.Die(own, 4)
    mended = repaired(die, LINES)
    assert mended.repair is not None and die.repair is None
    good = usable_macros(mended)
    assert 0 < len(good) < 16
    moved = place(program(own), free=good)
    assert same(pj.inject(moved, LINES, mended), moved)
    assert not same(pj.inject(moved, LINES, die), moved)


def test_a_macro_is_given_up_exactly_where_bad_cells_stay_in_use():
    own = chip()
    die = pj.Die(own, 4)
    mended = repaired(die, LINES)
    lines, columns = defect_counts(die, LINES)
    assert lines.shape == (16, 35) and columns.shape == (16, 85)
    for macro in range(16):
        # Counted by hand: broken lines are those that are bad from end to end.
        broken = set(np.flatnonzero(lines[macro] == 85)), set(np.flatnonzero(columns[macro] == 35))
        repair = mended.repair
        in_use = set(repair.wordlines[macro].tolist()), set(repair.bitlines[macro].tolist())
        assert len(in_use[0]) == 32 and len(in_use[1]) == 80
        left = bool(broken[0] & in_use[0] or broken[1] & in_use[1])
        assert repair.bad[macro] == left
        enough = all(
            sum(line < regular for line in b) <= sum(line not in b for line in range(regular, end))
            for b, regular, end in zip(broken, (32, 80), (35, 85), strict=True)
        )
        assert enough != left


@pytest.mark.slow
def test_a_stuck_cell_is_replaced_by_its_line():
    own = chip()
    compiled = program(own)
    stuck = [pj.faults.StuckAt(0, 6e-4), pj.faults.StuckAt(1, 6e-4)]
    die = pj.Die(own, 8)
    mended = repaired(die, stuck, allowed=0)
    before, after = (defects_in_use(d, stuck) for d in (die, mended))
    assert (after <= before).all()
    assert after.sum() < before.sum() / 2
    assert (mended.repair.bad == (after > 0)).all()
    moved = place(compiled, free=usable_macros(mended))
    assert same(pj.inject(moved, stuck, mended), moved)


def test_a_repaired_die_is_still_itself_elsewhere():
    """Cells whose lines were not replaced flip as before."""
    own = chip()
    compiled = program(own)
    die = pj.Die(own, 4)
    mended = repaired(die, LINES)
    flips = [pj.faults.BitFlip(0.01)]
    plain, other = (pj.weights(pj.inject(compiled, flips, d)) for d in (die, mended))
    weights = pj.weights(compiled)
    compared = 0
    for layer, codes in weights.items():
        for index in np.ndindex(codes.shape):
            for plane in (0, 7):
                where = address_of(compiled, layer, index, plane)
                macro = where.bank * 8 + where.macro
                row = mended.repair.wordlines[macro, where.wordline]
                column = mended.repair.bitlines[macro, where.bitline]
                if (row, column) == (where.wordline, where.bitline):
                    compared += 1
                    both = (plain[layer][index] ^ other[layer][index]) >> plane & 1
                    assert both == 0
    assert compared > 500


def test_both_ways_of_applying_faults_agree_on_repaired_dies():
    """A list of flips against cell by cell (forced by a line that is never broken)."""
    own = chip()
    compiled = program(own)
    mended = repaired(pj.Die(own, 4), LINES)
    flips = pj.faults.BitFlip(0.01)
    listed = pj.inject(compiled, [flips], mended)
    by_cell = pj.inject(compiled, [flips, pj.faults.BrokenWordlines(0.0)], mended)
    assert same(listed, by_cell)
    assert not same(listed, compiled)


def test_words_of_a_code_cross_repaired_lines():
    own = chip(**{"array.readout": "digital", "mram.ecc": "secded-39-32", "mram.word_bits": 32})
    compiled = program(own)
    mended = repaired(pj.Die(own, 4), LINES)
    moved = place(compiled, free=usable_macros(mended))
    faulty, report = pj.inject(moved, [*LINES, pj.faults.BitFlip(1e-3)], mended, report=True)
    assert same(faulty, moved)
    counts = report.words.values()
    assert sum(c["corrected"] for c in counts) > 0
    assert sum(c["detected"] + c["miscorrected"] for c in counts) == 0


@pytest.mark.slow
def test_macros_are_ranked_by_the_errors_of_a_survey():
    own = chip()
    die = pj.Die(own, 5)
    faults = [pj.faults.Clusters(5e-3), pj.faults.BitFlip(1e-3)]
    order = ranked_macros(die, faults)
    errors = survey(die, faults).errors
    assert sorted(order) == list(range(16))
    assert (np.diff(errors[order]) >= 0).all()
    moved = place(program(own), "layers-first", macro_order=order, priority=("t3",))
    assert moved.placement.macros[0] in order[: len(moved.placement.macros)]


def test_what_cannot_be_asked():
    own = chip()
    with pytest.raises(ValueError, match="the die was not repaired"):
        usable_macros(pj.Die(own))
    part = repaired(pj.Die(own), LINES, macros=[0])
    with pytest.raises(ValueError, match=r"knows macros 0\.\.0, but the program stands in macro"):
        pj.inject(program(own), LINES, part)
