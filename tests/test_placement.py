"""Placement policies: what they promise, in shelves on macros, by a walk over all of them."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.network.describe import describe
from pimjax.network.place import POLICIES, chips_of, place, placement_of
from pimjax.network.placed import map_program, require_placement
from tests import test_describe
from tests.models import RELU, conv, dense, model_of, numbers
from tests.support import examples
from tests.test_addresses import chips, networks, placed, program_of

CHIP = pj.load_chip("mram-pim-8b")


def shelves_of(program):
    """[(macro, bottom, top)] of all shelves."""
    strips = [strip for mapping in map_program(program).values() for strip in mapping.strips]
    return [
        (macro, wordline, wordline + rows)
        for strip in strips
        for macro, wordline, rows in zip(
            strip.strip.macros, strip.strip.wordlines, strip.mapping.shelf_rows, strict=True
        )
    ]


@given(chips(), networks(), st.sampled_from([*POLICIES]), st.integers(0, 99))
@examples(100)
def test_shelves_are_inside_macros_and_apart(chip, shapes, policy, seed):
    program, count = placed(program_of(chip, *shapes), policy, seed)
    require_placement(program)
    taken = set()
    for macro, bottom, top in shelves_of(program):
        assert 0 <= macro < count * chip.array.banks * chip.array.macros_per_bank
        assert 0 <= bottom < top <= chip.array.wordlines
        cells = {(macro, wordline) for wordline in range(bottom, top)}
        assert not cells & taken
        taken |= cells
    assert program.placement.policy == policy
    assert program.placement.macros == tuple(sorted({macro for macro, _ in taken}))
    assert chips_of(program) <= count


@given(chips(), networks())
@examples(50)
def test_by_layer_no_two_layers_share_a_macro(chip, shapes):
    program, _ = placed(program_of(chip, *shapes), "layer")
    layers = [mapping.macro_numbers for mapping in map_program(program).values()]
    assert sum(map(len, layers)) == len(frozenset().union(*layers))
    # They come one after the other without gaps: macros 0, 1, 2 ... of the network.
    numbers = [min(numbers) for numbers in layers]
    assert numbers == sorted(numbers)
    assert program.placement.macros == tuple(range(len(program.placement.macros)))
    assert placement_of(replace(program, placement=None)) == program.placement


@given(chips(), networks())
@examples(50)
def test_packed_takes_no_more_macros_than_by_layer(chip, shapes):
    packed, _ = placed(program_of(chip, *shapes), "packed")
    by_layer, _ = placed(program_of(chip, *shapes), "layer")
    assert len(packed.placement.macros) <= len(by_layer.placement.macros)
    rows = sum(top - bottom for _, bottom, top in shelves_of(packed))
    assert len(packed.placement.macros) >= ceil(rows / chip.array.wordlines)


def test_packed_layers_share_macros():
    program = program_of(CHIP, ((100, 64), 1), ((100, 64), 1), ((50, 64), 1))
    assert len(placement_of(program).macros) == 3
    packed = place(program, "packed")
    assert packed.placement.macros == (0,)
    assert [strip.wordlines for strip in packed.placement.strips] == [(0,), (100,), (200,)]


def test_the_mapping_table_counts_shared_macros_once():
    description = describe(place(test_describe.program(), "packed"))
    assert description.macros == 1
    assert [row.mapping.macros for row in description.array_rows] == [1, 1, 1, 1]
    cells = (27 * 20 + 9 * 20 + 5 * 8 + 8 * 10) * 8
    assert description.utilisation == cells / (256 * 512)
    assert "placement packed" in str(description)
    planes = describe(place(test_describe.program(), "planes"))
    assert planes.macros == 8
    assert [row.mapping.macros for row in planes.array_rows] == [8, 8, 8, 8]


def banks_of(strip, chip):
    return {macro // chip.array.macros_per_bank % chip.array.banks for macro in strip.macros}


def test_planes_have_banks_of_their_own():
    program = place(program_of(CHIP, ((300, 700), 1), ((700, 90), 1)), "planes")
    by_plane = {}
    for strip in program.placement.strips:
        assert strip.columns == 1
        by_plane.setdefault(strip.first_column, set()).update(banks_of(strip, CHIP))
    assert len(by_plane) == 8
    for plane, banks in by_plane.items():
        assert banks <= set(range(5 * plane, 5 * plane + 5))  # 40 banks, 8 planes


def test_the_columns_of_a_pair_stay_together():
    settings = {"precision.weight_encoding": "differential"}
    pairs = settings | {"precision.differential_readout": "paired"}
    apart = place(program_of(pj.load_chip("mram-pim-8b", settings), ((30, 70), 1)), "planes")
    together = place(program_of(pj.load_chip("mram-pim-8b", pairs), ((30, 70), 1)), "planes")
    assert [strip.columns for strip in apart.placement.strips] == [1] * 14
    assert [strip.columns for strip in together.placement.strips] == [2] * 7


def test_planes_share_banks_where_there_are_few():
    chip = pj.load_chip("mram-pim-8b", {"array.banks": 3})
    program = place(program_of(chip, ((300, 700), 1)), "planes")
    banks = {strip.first_column: banks_of(strip, chip) for strip in program.placement.strips}
    assert banks == {plane: {plane % 3} for plane in range(8)}


def test_the_most_significant_planes_get_the_best_macros():
    ranking = np.random.default_rng(3).permutation(2560)
    place_of = {macro: rank for rank, macro in enumerate(ranking.tolist())}
    program = program_of(CHIP, ((256, 512 * 2), 1), ((128, 512 * 4), 1))
    program = place(program, "best", macro_order=ranking)
    ranks = {}
    for strip in program.placement.strips:
        ranks.setdefault(strip.first_column, set()).update(place_of[m] for m in strip.macros)
    # Every plane fills 4 macros: those of plane 7 are the best four, and so on.
    assert ranks == {plane: set(range(4 * (7 - plane), 4 * (8 - plane))) for plane in range(8)}


def test_chosen_layers_get_the_best_macros():
    ranking = list(range(2559, -1, -1))
    program = program_of(CHIP, *[((256, 64), 1)] * 4)
    program = place(program, "layers-first", macro_order=ranking[:2], priority=["l2", "l1"])
    macros = {strip.layer: set(strip.macros) for strip in program.placement.strips}
    # Two are ranked; what is not ranked follows from 0 up.
    assert macros == {"l2": {2559}, "l1": {2558}, "l0": {0}, "l3": {1}}


def test_only_free_macros_are_taken():
    free = [7, 100, 3, 2559, 41]
    program = place(program_of(CHIP, ((256, 64 * 5), 1)), free=free)
    assert program.placement.macros == (3, 7, 41, 100, 2559)
    program = place(program, "packed", free=free, macro_order=[100, 8, 7, 2559, 41, 3])
    assert program.placement.strips[0].macros == (100, 100, 7, 7, 2559, 2559, 41, 41, 3, 3)
    message = r"policy 'layer': 5 free macros .* are needed \(0\.08 MiB\), but there are 4 \(0\.06"
    with pytest.raises(ValueError, match=message):
        place(program, free=free[1:])
    with pytest.raises(ValueError, match="but there are 0 "):
        place(program, free=[])


def test_macros_are_numbered_over_chips():
    """A chip of 4 macros, of which its memory has 3: chip 1 begins at number 4."""
    chip = pj.load_chip(
        "mram-pim-8b",
        {"array.banks": 2, "array.macros_per_bank": 2, "mram.capacity_mib": 3 / 64},
    )
    program = program_of(chip, ((256, 64 * 5), 1))
    assert placement_of(program).macros == (0, 1, 2, 4, 5)
    assert place(program, chips=2).placement == placement_of(program)
    assert place(program).placement == placement_of(program)
    assert chips_of(program) == 2
    with pytest.raises(ValueError, match=r"needs 5 macros .* has 3 .* use chips = 2"):
        place(program, chips=1)
    with pytest.raises(ValueError, match=r"macro_order: there is no macro 3; .* numbered 0\.\.6"):
        place(program, macro_order=[3])


@pytest.mark.parametrize(
    ("policy", "settings", "message"),
    [
        ("plane", {}, "placement policy 'plane': layer, packed, .* did you mean 'planes'"),
        ("best", {}, "placement policy 'best' needs macro_order"),
        ("layers-first", {"macro_order": [0]}, "needs priority = layers' names"),
        ("layers-first", {"macro_order": [0], "priority": ["a"]}, "no layer 'a' .*there are l0"),
        ("best", {"macro_order": [0, 2560]}, r"macro_order: there is no macro 2560; .* 0\.\.2559"),
        ("best", {"macro_order": [5, 6, 5]}, "macro_order: macro 5 is named twice"),
        ("layer", {"free": [0.5]}, "free: macro numbers expected"),
        ("layer", {"free": np.zeros((2, 2), int)}, "free: macro numbers expected"),
        ("layer", {"free": [-1]}, "free: there is no macro -1"),
        ("layer", {"chips": 0}, "chips = 0: an integer from 1 expected"),
    ],
)
def test_what_a_policy_cannot_do_is_said(policy, settings, message):
    with pytest.raises(ValueError, match=message):
        place(program_of(CHIP, ((5, 3), 1)), policy, **settings)


def test_a_bank_group_that_is_full_is_named():
    chip = pj.load_chip("mram-pim-8b", {"array.banks": 8, "array.macros_per_bank": 2})
    message = r"policy 'planes': 3 macros of mram-pim-8b in bank group 0 of 8 .* there are 2 \("
    with pytest.raises(ValueError, match=message):
        place(program_of(chip, ((256, 3 * 512), 1)), "planes", chips=1)


def test_where_weights_stand_changes_no_result():
    model = model_of(
        conv(1, 3, 5), RELU, conv(2, 5, 4, stride=(2, 2)), dense(3, 4, 6), shape=(9, 9, 3)
    )
    images = numbers(7, 4, 9, 9, 3)
    programs = [
        pj.compile(model, CHIP, images),
        *(pj.compile(model, CHIP, images, placement=name) for name in ("packed", "planes")),
    ]
    assert programs[0].placement.policy == "layer"
    assert programs[0].placement == placement_of(replace(programs[0], placement=None))
    assert len({program.digest for program in programs}) == 3
    first, *others = (np.asarray(pj.run(program, images)) for program in programs)
    assert all((first == other).all() for other in others)
    for name in ("nearest", "best"):
        with pytest.raises(ValueError, match=f"placement policy '{name}'"):
            pj.compile(model, CHIP, placement=name)


def test_a_placement_is_saved_with_its_program(tmp_path):
    program = place(test_describe.program(), "planes", free=range(0, 2560, 7))
    program.save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert loaded.placement == program.placement
    assert hash(loaded.placement) == hash(program.placement)
    bare = replace(program, placement=None)
    assert bare.digest == place(program).digest != program.digest


def moved(placement, **changes):
    first, *others = placement.strips
    return replace(placement, strips=(replace(first, **changes), *others))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: moved(p, macros=(1280,) * 2), "there is no macro 1280"),
        (lambda p: moved(p, macros=(-1,) * 2), "there is no macro -1"),
        (lambda p: moved(p, macros=(1 << 70,) * 2), "numbers beyond 31 bits"),
        (lambda p: moved(p, wordlines=(0, 200)), "a shelf leaves macro 0"),
        (lambda p: moved(p, wordlines=(0, 127)), "two shelves share wordlines of macro 0"),
        (lambda p: moved(p, macros=(1, 1)), "two shelves share wordlines of macro 1"),
        (lambda p: moved(p, macros=(0,)), "layer 'l0': 1 macros and 2 wordlines do not suit"),
        (lambda p: moved(p, columns=4), "layer 'l0': strips of 4 columns in all"),
        (lambda p: moved(p, columns=0), "layer 'l0': its strips leave column 0 out"),
        (lambda p: moved(p, first_column=1), "layer 'l0': its strips leave column 0 out"),
        (lambda p: moved(p, layer="other"), "its layers are not the array layers"),
        (lambda p: replace(p, strips=p.strips[1:]), "its layers are not the array layers"),
        (lambda p: replace(p, strips=p.strips[::-1]), "its layers are not the array layers"),
    ],
)
def test_a_placement_that_cannot_be_is_refused(change, message, tmp_path):
    chip = pj.load_chip("mram-pim-8b", {"mram.capacity_mib": 20})
    program = place(program_of(chip, ((128, 70), 1), ((128, 70), 1)))
    wrong = replace(program, placement=change(program.placement))
    with pytest.raises(ValueError, match=message):
        require_placement(wrong)
    with pytest.raises(ValueError, match=message):
        wrong.save(tmp_path / "net.pim")
    assert not (tmp_path / "net.pim").exists()
