"""Tiles never overlap, stay inside macros, and hold every weight's every column exactly once."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.mapping import columns_per_weight, map_layer
from tests import oracle
from tests.support import bitline_of, examples


@st.composite
def chips(draw):
    """An oracle chip of any encoding, and a macro that holds at least one weight of a row group."""
    encoding = draw(
        st.sampled_from(["twos_complement", "offset_binary", "differential", "binary", "ternary"])
    )
    bits = {"binary": 1, "ternary": 2}.get(encoding) or draw(st.integers(2, 8))
    chip = oracle.OracleChip(
        weight_bits=bits,
        weight_encoding=encoding,
        differential_readout=draw(st.sampled_from(["separate", "paired"])),
        cell_bits=draw(st.integers(1, 3)),
        active_wordlines=draw(st.integers(1, 12)),
    )
    wordlines = draw(st.integers(chip.active_wordlines, 40))
    columns = len(oracle.weight_cells(1, chip))
    return chip, wordlines, draw(st.integers(columns, 6 * columns + 3))


def cells_by_brute_force(mapping, columns):
    """{(macro, wordline, bitline): (group, k, output, column)}, cell by cell; no cell twice."""
    tiles = mapping.tiles()
    cells = {}
    for i in range(len(tiles)):
        for row in range(tiles.rows[i]):
            k = tiles.row_group[i] * mapping.active_wordlines + row
            for output in range(tiles.outputs[i]):
                for column in range(columns):
                    wordline = tiles.wordline[i] + row
                    bitline = tiles.bitline[i] + output * columns + column
                    address = int(tiles.macro[i]), int(wordline), int(bitline)
                    assert address not in cells
                    weight = int(tiles.group[i]), int(k), int(tiles.first_output[i] + output)
                    cells[address] = (*weight, column)
    return cells


@given(chips(), st.integers(1, 5), st.integers(1, 30), st.integers(1, 9))
@examples(300)
def test_every_weight_has_its_own_cells(chip_and_macro, groups, k, outputs):
    chip, wordlines, bitlines = chip_and_macro
    spec, columns = bitline_of(chip), len(oracle.weight_cells(1, chip))
    assert columns_per_weight(spec) == columns
    mapping = map_layer((1, 1, k, groups * outputs), groups, spec, wordlines, bitlines)

    cells = cells_by_brute_force(mapping, columns)
    everything = {
        (g, r, n, c)
        for g in range(groups)
        for r in range(k)
        for n in range(outputs)
        for c in range(columns)
    }
    assert len(cells) == len(everything) == mapping.cells
    assert set(cells.values()) == everything
    macros, rows, bits = (set(axis) for axis in zip(*cells, strict=True))
    assert macros == set(range(mapping.macros))
    assert max(rows) < wordlines
    assert max(bits) < bitlines
    assert mapping.utilisation == len(cells) / (len(macros) * wordlines * bitlines)


@given(chips(), st.integers(1, 5), st.integers(1, 30), st.integers(1, 9))
@examples(200)
def test_a_row_group_and_a_weight_lie_in_one_piece(chip_and_macro, groups, k, outputs):
    """One output of one row group: one macro, neighbouring wordlines and bitlines."""
    chip, wordlines, bitlines = chip_and_macro
    columns, active = len(oracle.weight_cells(1, chip)), chip.active_wordlines
    shape = (k, outputs) if groups == 1 else (k, 1, 1, groups * outputs)
    mapping = map_layer(shape, groups, bitline_of(chip), wordlines, bitlines)
    assert mapping.row_groups == ceil(k / active)
    assert mapping.columns == groups * outputs * columns
    pieces = {}
    for (macro, wordline, bitline), (g, r, n, c) in cells_by_brute_force(mapping, columns).items():
        corner = macro, wordline - r % active, bitline - c
        pieces.setdefault((g, r // active, n), set()).add(corner)
    assert all(len(corners) == 1 for corners in pieces.values())


@given(chips(), st.integers(1, 40), st.integers(1, 12), st.integers(1, 9))
@examples(100)
def test_row_groups_of_equal_height_leave_one_shelf_unfilled(chip_and_macro, groups, k, outputs):
    chip, wordlines, bitlines = chip_and_macro
    columns = len(oracle.weight_cells(1, chip))
    k = min(k, chip.active_wordlines)
    mapping = map_layer((k, 1, 1, groups * outputs), groups, bitline_of(chip), wordlines, bitlines)
    shelves = ceil(groups * outputs / (bitlines // columns))
    assert mapping.macros == ceil(shelves / (wordlines // k))


CHIP = bitline_of(oracle.OracleChip())


@pytest.mark.parametrize(
    ("shape", "groups", "macros", "tiles"),
    [
        # 28 row groups of 9 wordlines above each other, 64 weights of 8 columns beside each other.
        ((3, 3, 1, 28 * 64), 28 * 64, 1, 28 * 64),
        ((3, 3, 1, 28 * 64 + 1), 28 * 64 + 1, 2, 28 * 64 + 1),
        ((3, 3, 1, 1), 1, 1, 1),
        # 576 rows are 4 full row groups and one of 64.
        ((3, 3, 64, 64), 1, 3, 5),
        # The shorter row group stands in what the full ones leave: 128 and 32 wordlines.
        ((160, 64), 1, 1, 2),
        # A row group of 100 outputs is cut where its first shelf ends; a second one goes on there.
        ((128, 100), 1, 1, 2),
        ((256, 100), 1, 2, 5),
        ((25088, 4096), 1, 25088 // 256 * 64, 196 * 64),
    ],
)
def test_known_layers(shape, groups, macros, tiles):
    mapping = map_layer(shape, groups, CHIP, 256, 512)
    assert mapping.macros == macros
    assert len(mapping.tiles()) == tiles


def test_shorter_row_groups_fill_what_full_ones_leave():
    """Rows 20 and 10 in macros of 30 wordlines: each macro takes one of both."""
    spec = bitline_of(oracle.OracleChip(active_wordlines=20))
    mapping = map_layer((30, 24), 1, spec, 30, 64)
    tiles = mapping.tiles()
    assert mapping.utilisation == 1.0
    assert tiles.macro.tolist() == [0, 1, 2, 0, 1, 2]
    assert tiles.wordline.tolist() == [0, 0, 0, 20, 20, 20]
    assert tiles.first_output.tolist() == [0, 8, 16, 0, 8, 16]


def test_the_packing_is_the_same_every_time():
    first, second = (map_layer((3, 3, 5, 70), 1, CHIP, 256, 512).tiles() for _ in range(2))
    for name in ("group", "row_group", "first_output", "outputs", "rows", "macro", "bitline"):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == np.int64
        assert (one == other).all()


def test_a_macro_too_small_for_a_weight_is_refused():
    with pytest.raises(ValueError, match=r"array\.bitlines = 7: one weight takes 8 columns"):
        map_layer((3, 3, 1, 4), 1, CHIP, 256, 7)
    with pytest.raises(ValueError, match=r"array\.wordlines = 100: fewer"):
        map_layer((3, 3, 1, 4), 1, CHIP, 100, 512)
