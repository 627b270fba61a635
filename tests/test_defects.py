"""The test map of a die against a plain walk over the defects of each kind."""

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.defects import defect_counts

SMALL = {
    "array.banks": 2,
    "array.macros_per_bank": 3,
    "array.wordlines": 16,
    "array.bitlines": 32,
    "array.active_wordlines": 16,
    "array.spare_wordlines": 2,
    "array.spare_bitlines": 4,
}
CHIP = pj.load_chip("mram-pim-8b", SMALL)
DIE = pj.Die(CHIP, seed=5)
LINES = (18, 36)


def test_rate_one_is_every_cell_and_rate_zero_none():
    everything = defect_counts(DIE, [pj.faults.StuckAt(value=0, rate=1.0)])
    assert [part.shape for part in everything] == [(6, 18), (6, 36)]
    assert (everything[0] == 36).all() and (everything[1] == 18).all()
    nothing = defect_counts(DIE, [pj.faults.StuckAt(value=0, rate=0.0)])
    assert not nothing[0].any() and not nothing[1].any()


def test_faults_of_stored_bits_are_no_defects():
    by_wordline, by_bitline = defect_counts(DIE, [pj.faults.BitFlip(rate=0.5)])
    assert not by_wordline.any() and not by_bitline.any()


@pytest.mark.parametrize("value", [0, 1])
def test_broken_lines_and_dead_macros_are_whole(value):
    wordlines, across = defect_counts(DIE, [pj.faults.BrokenWordlines(rate=0.3, value=value)])
    assert set(np.unique(wordlines)) == {0, LINES[1]}
    assert (across == (wordlines > 0).sum(axis=1, keepdims=True)).all()
    down, bitlines = defect_counts(DIE, [pj.faults.BrokenBitlines(rate=0.3, value=value)])
    assert set(np.unique(bitlines)) == {0, LINES[0]}
    assert (down == (bitlines > 0).sum(axis=1, keepdims=True)).all()
    macros, _ = defect_counts(DIE, [pj.faults.DeadMacros(rate=0.5, value=value)])
    assert {tuple(np.unique(own)) for own in macros} == {(0,), (LINES[1],)}


@pytest.mark.slow
def test_both_directions_count_the_same_cells():
    faults = [pj.faults.StuckAt(value=0, rate=0.05), pj.faults.StuckAt(value=1, rate=0.02)]
    by_wordline, by_bitline = defect_counts(DIE, [*faults, pj.faults.Clusters(rate=0.01)])
    assert (by_wordline.sum(axis=1) == by_bitline.sum(axis=1)).all()
    alone = [defect_counts(DIE, [fault])[0] for fault in faults]
    assert (by_wordline >= np.maximum(*alone)).all()
    assert (defect_counts(DIE, faults)[0] <= sum(alone)).all()


def test_a_macro_has_its_defects_whatever_else_is_tested():
    faults = [pj.faults.StuckAt(value=1, rate=0.1), pj.faults.BrokenBitlines(rate=0.1)]
    every = defect_counts(DIE, faults)
    some = defect_counts(DIE, faults, [4, 1])
    for whole, part in zip(every, some, strict=True):
        assert (part == whole[[1, 4]]).all()


@pytest.mark.parametrize("macros", [[-1], []])
def test_macros_that_are_not_there_are_refused(macros):
    with pytest.raises(ValueError, match="macro"):
        defect_counts(DIE, [], macros)


@pytest.mark.parametrize(
    "fault", [pj.faults.BitFlip(rate=0.1, layers="a"), pj.faults.FlipCount(3, planes=0)]
)
def test_a_die_has_no_layers_or_planes(fault):
    with pytest.raises(ValueError, match="a die without a program has no"):
        defect_counts(DIE, [fault])
