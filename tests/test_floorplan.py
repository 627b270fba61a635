"""Programs beside each other: no cell shared, nothing lost, refusals with numbers; the map."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pimjax as pj
from pimjax.die.addresses import AddressMap, Stored, address_of, content_of
from pimjax.die.chip_map import chip_map, chip_picture
from pimjax.die.floorplan import Floorplan
from pimjax.network.capacity import NoRoomError
from pimjax.network.place import POLICIES, place, placement_of
from tests.support import examples
from tests.test_addresses import chips, networks, program_of

CHIP = pj.load_chip("mram-pim-8b")


def sites_of(program):
    """{(macro, wordline, bitline, level)} of every stored bit."""
    addresses, sites = AddressMap(program), set()
    spec = program.plan.spec
    sides = spec.weight_encoding in ("differential", "ternary")
    bits = 2 * (spec.weight_bits - 1) if sides else spec.weight_bits
    for layer in program.layers:
        weight, plane = np.indices((program.image[layer]["weights"].size, bits))
        found = np.stack(addresses.sites(layer, weight.ravel(), plane.ravel()), -1)
        sites |= set(map(tuple, found.tolist()))
    return sites


@given(chips(), st.data())
@examples(40)
def test_programs_never_share_a_cell(chip, data):
    chip = replace(chip, array=replace(chip.array, banks=6, macros_per_bank=8))
    plan, expected, steps = Floorplan(chip), {}, data.draw(st.integers(1, 6))
    for step in range(steps):
        verb = data.draw(st.sampled_from(["add", "add", "remove", "replace"]))
        policy = data.draw(st.sampled_from(["layer", "packed", "planes"]))
        before = plan.owner.copy()
        old = plan
        if verb == "add" or not expected:
            name = f"n{step}"
            program = program_of(chip, *data.draw(networks(2)))
            try:
                plan = plan.add(name, program, policy)
            except NoRoomError:
                continue
            expected[name] = program
        elif verb == "remove":
            name = data.draw(st.sampled_from([*expected]))
            plan = plan.remove(name)
            del expected[name]
        else:
            name = data.draw(st.sampled_from([*expected]))
            program = program_of(chip, *data.draw(networks(2)))
            try:
                plan = plan.replace(name, program, policy)
            except NoRoomError:
                continue
            expected[name] = program
        assert (old.owner == before).all()
        for other in set(plan.programs) & set(old.programs) - {name}:
            assert plan.programs[other] is old.programs[other]
    assert list(plan.programs) == list(expected)
    everything = [sites_of(program) for program in plan.programs.values()]
    assert sum(map(len, everything)) == len(set().union(*everything))
    owned = {name: {m for m, *_ in sites} for name, sites in zip(expected, everything, strict=True)}
    for number, (name, macros) in enumerate(owned.items()):
        assert set(np.flatnonzero(plan.owner == number)) == macros == set(plan.macros_of(name))
        assert plan.programs[name].image is expected[name].image
    cells = {(m, w, b) for sites in everything for m, w, b, _ in sites}
    counts = np.bincount([m for m, _, _ in cells], minlength=48)
    assert plan.used_cells.tolist() == counts.tolist()
    assert len(plan.free_macros) == 48 - sum(map(len, owned.values()))
    taken = [len({m for s in owned.values() for m in s if m // 8 == h}) / 8 for h in range(6)]
    assert plan.bank_fill.tolist() == taken


def test_what_moves_has_other_addresses_and_what_comes_after_has_the_old_ones():
    first, second = program_of(CHIP, ((30, 40), 1)), program_of(CHIP, ((20, 50), 1))
    plan = Floorplan(CHIP).add("first", first).add("second", second)
    old = address_of(plan.programs["first"], "l0", (3, 4), 5)
    moved = plan.remove("first").add("other", second)
    assert content_of(moved.programs["other"], old) == Stored("l0", (3, 4), 5)
    again = moved.add("first", first)
    assert address_of(again.programs["first"], "l0", (3, 4), 5) == old._replace(macro=2)
    assert [*again.programs] == ["second", "other", "first"]
    assert again.free_mib == 40 - 3 / 64


def test_a_replacement_takes_the_place_and_the_policy_of_the_old():
    wide, narrow = program_of(CHIP, ((256, 640), 1)), program_of(CHIP, ((256, 64), 1))
    plan = Floorplan(CHIP).add("a", wide, "packed").add("b", narrow)
    plan = plan.replace("a", narrow)
    assert [*plan.programs] == ["a", "b"]
    assert plan.macros_of("a") == (0,)
    assert plan.macros_of("b") == (10,)
    assert placement_of(plan.programs["a"]).policy == "packed"
    ranked = plan.replace("b", wide, "best", macro_order=range(2559, 0, -1))
    assert ranked.macros_of("b") == tuple(range(2548, 2560))  # 8 x 3 shelves
    first = ranked.add("c", narrow, "layers-first", macro_order=[77], priority=["l0"])
    assert first.macros_of("c") == (77,)


SMALL = pj.load_chip("mram-pim-8b", {"array.banks": 2, "array.macros_per_bank": 3})


def test_no_room_is_said_with_numbers():
    four, three = program_of(SMALL, ((256, 256), 1)), program_of(SMALL, ((256, 192), 1))
    plan = Floorplan(SMALL).add("big", four)
    message = (
        r"no room for 'more': policy 'layer': 3 free macros of mram-pim-8b are needed "
        r"\(0\.05 MiB\), but there are 2 \(0\.03 MiB\); .*; on the chip are big \(4\)"
    )
    with pytest.raises(NoRoomError, match=message):
        plan.add("more", three)
    assert [*plan.programs] == ["big"]
    assert plan.replace("big", three).add("more", three).free_macros.size == 0
    with pytest.raises(NoRoomError, match=r"no room for 'big': .* are 6 .*; the chip is empty"):
        plan.replace("big", program_of(SMALL, ((256, 64 * 7), 1)))


def test_the_memory_limits_the_macros():
    chip = pj.load_chip(
        "mram-pim-8b",
        {"array.banks": 3, "array.macros_per_bank": 2, "mram.capacity_mib": 3 / 64},
    )
    plan = Floorplan(chip).add("one", program_of(chip, ((256, 64), 1)))
    assert plan.owner.tolist() == [0, -1, -1, -2, -2, -2]
    assert plan.bank_fill.tolist() == [0.5, 0, 0]
    assert plan.free_mib == 2 / 64
    assert chip_map(plan).splitlines()[2:5] == [
        "      0 A.  50.0%",
        "      1 .    0.0%",
        "      2      0.0%",
    ]
    with pytest.raises(NoRoomError):
        plan.add("two", program_of(chip, ((256, 192), 1)))


def test_mistakes_are_named():
    program = program_of(CHIP, ((5, 3), 1))
    plan = Floorplan(CHIP).add("lenet", program)
    with pytest.raises(ValueError, match="'lenet' is already on the chip; choose another name"):
        plan.add("lenet", program)
    with pytest.raises(ValueError, match="'linet' is not on the chip; did you mean 'lenet'"):
        plan.remove("linet")
    with pytest.raises(ValueError, match="'x' is not on the chip; it is empty"):
        Floorplan(CHIP).replace("x", program)
    with pytest.raises(ValueError, match="name = '': text of at least one letter"):
        plan.add("", program)
    with pytest.raises(ValueError, match=r"placement policy 'pack': .* did you mean 'packed'"):
        plan.add("b", program, "pack")
    other = pj.load_chip("mram-pim-lossless")
    with pytest.raises(ValueError, match="'b' was compiled for the chip 'mram-pim-lossless', this"):
        plan.add("b", program_of(other, ((5, 3), 1)))
    with pytest.raises(ValueError, match="'mram-pim-8b' with other settings, this one is"):
        plan.add("b", program_of(SMALL, ((5, 3), 1)))
    with pytest.raises(ValueError, match="'mram-pim-8b'"):
        plan.replace("lenet", program_of(SMALL, ((5, 3), 1)))


def test_a_program_on_two_chips_fits_where_there_is_room_on_one():
    """Its own placement is no hindrance: it is placed anew."""
    program = place(program_of(SMALL, ((256, 64), 1)), free=[9], chips=2)
    assert Floorplan(SMALL).add("a", program).macros_of("a") == (0,)


def test_the_map_in_letters():
    plan = Floorplan(SMALL).add("first", program_of(SMALL, ((256, 128), 1)))
    plan = plan.add("second", program_of(SMALL, ((64, 128), 1)), "packed")
    assert str(plan).splitlines() == [
        "mram-pim-8b: 6 macros, 0.09375 MiB, 2 x 3 (banks x macros)",
        "",
        "      0 AAB 100.0%",
        "      1 ...   0.0%",
        "",
        "A  first   layer   2 macros  0.03 MiB  100.0 % full",
        "B  second  packed  1 macros  0.02 MiB   50.0 % full",
        ".  free: 3 macros, 0.05 MiB, 50.0 %",
    ]


@pytest.mark.parametrize(("banks", "macros"), [(1, 1), (40, 64), (300, 3), (3, 700), (65, 65)])
def test_the_map_fits_80_columns(banks, macros):
    chip = pj.load_chip(
        "mram-pim-8b",
        {"array.banks": banks, "array.macros_per_bank": macros, "mram.capacity_mib": 999.0},
    )
    plan = Floorplan(chip).add("a name that is long " * 9, program_of(chip, ((9, 4), 1)))
    lines = str(plan).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.endswith("%") and "free" not in line for line in lines) <= 64
    assert any("A" in line for line in lines)


def test_a_character_for_several_macros():
    chip = pj.load_chip("mram-pim-8b", {"array.banks": 1, "array.macros_per_bank": 128})
    one, three = program_of(chip, ((256, 64), 1)), program_of(chip, ((256, 192), 1))
    plan = Floorplan(chip).add("a", one).add("b", three).add("c", one)
    text = chip_map(plan).splitlines()
    assert text[1] == "a character is 1 x 2 macros (banks x macros)"
    assert text[3].split() == ["0", "+BC" + 61 * ".", "3.9%"]


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.slow
def test_the_map_as_a_picture():
    plan = Floorplan(CHIP).add("first", program_of(CHIP, ((256, 64 * 700), 1)))
    plan = plan.add("second", program_of(CHIP, ((256, 64 * 300), 1)))
    drawn = pixels(chip_picture(plan))
    assert drawn.shape == (900, 1320, 3)
    assert (drawn == pixels(chip_picture(plan))).all()
    blue, orange = ((drawn == colour).all(-1).sum() for colour in ((31, 119, 180), (255, 127, 14)))
    # Areas as macros: the lines between them and the legend change little.
    assert 2.2 < blue / orange < 2.5
    dotted = pixels(chip_picture(plan, defects=np.eye(2560)[7] * 3))
    assert (dotted != drawn).any()
    assert (pixels(chip_picture(plan, defects=np.zeros(2560))) == drawn).all()
    svg = chip_picture(plan, "svg", title="two networks")
    assert svg == chip_picture(plan, "svg", title="two networks")
    assert svg.lstrip().startswith(b"<?xml")


@pytest.mark.parametrize("defects", [np.zeros(3), -np.ones(2560), np.full(2560, np.nan)])
def test_defects_are_a_number_a_macro(defects):
    with pytest.raises(ValueError, match="defects: 2560 finite numbers from 0 expected"):
        chip_picture(Floorplan(CHIP), defects=defects)
    with pytest.raises(ValueError, match="form = 'gif': 'png' or 'svg' expected"):
        chip_picture(Floorplan(CHIP), "gif")


DOCS = (Path(__file__).resolve().parents[1] / "docs" / "mapping.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(2))
def test_the_examples_of_the_documentation_run(index, capsys):
    example = blocks("python")[index]
    exec(compile(example, f"docs/mapping.md, example {index}", "exec"), {})
    printed = capsys.readouterr().out
    for comment in re.findall(r"^print.* # ([AS].*\))$", example, re.MULTILINE):
        assert f"{comment}\n" in printed
    if index == 1:
        assert printed.startswith(*blocks("text"))


def test_every_policy_is_documented():
    assert set(re.findall(r"^\| `([\w-]+)`[ (d].*\| (?:a layer|a plane) \|", DOCS, re.M)) == set(
        POLICIES
    )
