"""Shelves against a plain model of them: every column of every weight has one cell, and back."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.mapping import columns_per_conversion, columns_per_weight, map_strips
from pimjax.array.stack import Stack
from pimjax.array.words import WordLayout, word_layout
from tests import oracle
from tests.support import bitline_of, examples


@st.composite
def chips(draw):
    """An oracle chip of any encoding, and macros that hold at least one weight of a row group."""
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
        row_order=draw(st.sampled_from(["kernel_channel", "channel_kernel"])),
    )
    wordlines = draw(st.integers(chip.active_wordlines, 40))
    columns = len(oracle.weight_cells(1, chip))
    return chip, wordlines, draw(st.integers(columns, 6 * columns + 3))


@st.composite
def shapes(draw):
    """Weights (kh, kw, c, groups n), and the number of groups."""
    kh, kw, channels, outputs = (draw(st.integers(1, top)) for top in (3, 3, 5, 5))
    groups = draw(st.integers(1, 4))
    return (kh, kw, channels, groups * outputs), groups


def cells_by_hand(chip, shape, groups, bitlines, first, columns):
    """{(shelf, row, bitline): (flat weight, column)} of a strip, filled weight by weight."""
    kh, kw, channels, outputs = shape
    flat = np.arange(np.prod(shape)).reshape(shape)
    taps = list(product(range(kh), range(kw)))
    if chip.row_order == "kernel_channel":
        rows = [(i, j, c) for i, j in taps for c in range(channels)]
    else:
        rows = [(i, j, c) for c in range(channels) for i, j in taps]
    active = chip.active_wordlines
    row_groups = [rows[start : start + active] for start in range(0, len(rows), active)]
    cells, shelf = {}, -1
    for height in sorted({len(group) for group in row_groups}, reverse=True):
        bitline = bitlines
        for group in range(groups):
            for members in (m for m in row_groups if len(m) == height):
                for output in range(outputs // groups):
                    if bitline + columns > bitlines:
                        shelf, bitline = shelf + 1, 0
                    for r, (i, j, c) in enumerate(members):
                        for column in range(columns):
                            weight = flat[i, j, c, group * (outputs // groups) + output]
                            cells[shelf, r, bitline + column] = int(weight), first + column
                    bitline += columns
    return cells, shelf + 1


@given(chips(), shapes(), st.booleans())
@examples(150)
def test_locate_and_content_are_those_of_shelves_filled_by_hand(chip_and_macro, layer, by_plane):
    chip, wordlines, bitlines = chip_and_macro
    shape, groups = layer
    spec, every = bitline_of(chip), len(oracle.weight_cells(1, chip))
    assert columns_per_weight(spec) == every
    words = WordLayout(1, 1, bitlines)
    columns = columns_per_conversion(spec) if by_plane else None
    strips = map_strips(shape, groups, spec, wordlines, words, columns)
    assert sum(strip.columns for strip in strips) == every
    for strip in strips:
        cells, shelves = cells_by_hand(
            chip, shape, groups, bitlines, strip.first_column, strip.columns
        )
        assert strip.cells == len(cells)
        assert strip.shelves == shelves
        heights = [max(row for s, row, _ in cells if s == p) + 1 for p in range(shelves)]
        assert strip.shelf_rows.tolist() == heights
        ends = [max(b for s, _, b in cells if s == p) + 1 for p in range(shelves)]
        assert (strip.shelf_weights * strip.columns).tolist() == ends
        weight, column = np.array([*cells.values()]).T
        assert list(zip(*strip.locate(weight, column), strict=True)) == [*cells]
        where = np.array([*product(range(shelves), range(max(heights)), range(bitlines))]).T
        for address, (w, c, used) in zip(
            where.T.tolist(), zip(*strip.content(*where), strict=True), strict=True
        ):
            assert (w, c) == cells.get(tuple(address), (0, 0))
            assert used == (tuple(address) in cells)


@pytest.mark.slow
@given(chips(), shapes())
@examples(8)
def test_jax_arrays_give_the_same(chip_and_macro, layer):
    chip, wordlines, bitlines = chip_and_macro
    (strip,) = map_strips(*layer, bitline_of(chip), wordlines, WordLayout(1, 1, bitlines))
    weight = np.repeat(np.arange(strip.weights, dtype=np.int32), strip.columns)
    column = np.tile(np.arange(strip.columns, dtype=np.int32), strip.weights)
    locate = jax.jit(lambda w, c: strip.locate(w, c, jnp))
    content = jax.jit(lambda s, r, b: strip.content(s, r, b, jnp))
    places = locate(weight, column)
    assert all(place.dtype == jnp.int32 for place in places)
    assert all(
        (np.asarray(one) == other).all()
        for one, other in zip(places, strip.locate(weight, column), strict=True)
    )
    w, c, used = content(*places)
    assert (np.asarray(w) == weight).all() and (np.asarray(c) == column).all()
    assert np.asarray(used).all()


CHIP = bitline_of(oracle.OracleChip())


def stacked(shape, groups, spec, wordlines, bitlines):
    (strip,) = map_strips(shape, groups, spec, wordlines, WordLayout(1, 1, bitlines))
    stack = Stack(wordlines)
    return strip, stack, *stack.put(strip.shelf_rows)


@pytest.mark.parametrize(
    ("shape", "groups", "macros", "shelves"),
    [
        # 28 row groups of 9 wordlines above each other, 64 weights of 8 columns beside each other.
        ((3, 3, 1, 28 * 64), 28 * 64, 1, 28),
        ((3, 3, 1, 28 * 64 + 1), 28 * 64 + 1, 2, 29),
        ((3, 3, 1, 1), 1, 1, 1),
        # 576 rows are 4 full row groups and one of 64.
        ((3, 3, 64, 64), 1, 3, 5),
        # The shorter row group stands in what the full ones leave: 128 and 32 wordlines.
        ((160, 64), 1, 1, 2),
        # A row group of 100 outputs is cut where its first shelf ends; a second one goes on there.
        ((128, 100), 1, 1, 2),
        ((256, 100), 1, 2, 4),
        ((25088, 4096), 1, 25088 // 256 * 64, 196 * 64),
    ],
)
def test_known_layers(shape, groups, macros, shelves):
    strip, stack, *_ = stacked(shape, groups, CHIP, 256, 512)
    assert stack.macros == macros
    assert strip.shelves == shelves


def test_a_large_layer_stays_within_32_bits():
    """The last weight of VGG-19's largest layer, and a layer of 2^31 - 2^12 weights."""
    for shape in ((25088, 4096), ((1 << 19) - 1, 1 << 12)):
        (strip,) = map_strips(shape, 1, CHIP, 256, WordLayout(1, 1, 512))
        weight = np.int32(shape[0] * shape[1] - 1)
        with jax.enable_x64(False):
            place = strip.locate(jnp.int32(weight), jnp.int32(7), jnp)
            back = strip.content(*place, jnp)
        want = strip.shelves - 1, (shape[0] - 1) % 128, 511
        assert tuple(map(int, place)) == want
        assert tuple(map(int, back)) == (weight, 7, 1)


def test_shorter_row_groups_fill_what_full_ones_leave():
    """Rows 20 and 10 in macros of 30 wordlines: each macro takes one of both."""
    spec = bitline_of(oracle.OracleChip(active_wordlines=20))
    _, _, macro, wordline = stacked((30, 24), 1, spec, 30, 64)
    assert macro.tolist() == [0, 1, 2, 0, 1, 2]
    assert wordline.tolist() == [0, 0, 0, 20, 20, 20]


@given(
    st.lists(st.tuples(st.lists(st.integers(1, 12), max_size=8), st.booleans()), max_size=5),
    st.integers(12, 30),
)
@examples(200)
def test_shelves_are_stacked_first_fit(batches, wordlines):
    stack, used = Stack(wordlines), []
    for heights, fresh in batches:
        first = len(used) if fresh else 0
        macro, wordline = stack.put(np.array(heights, np.int64), first)
        for height, m, w in zip(heights, macro, wordline, strict=True):
            fits = (i for i in range(first, len(used)) if used[i] + height <= wordlines)
            want = next(fits, len(used))
            used += [0] * (want == len(used))
            assert (m, w) == (want, used[want])
            used[want] += height
        assert stack.used.tolist() == used


def test_a_macro_too_small_for_a_weight_is_refused():
    with pytest.raises(ValueError, match=r"array\.bitlines = 7: one weight takes 8 columns"):
        map_strips((3, 3, 1, 4), 1, CHIP, 256, WordLayout(1, 1, 7))
    with pytest.raises(ValueError, match=r"array\.wordlines = 100: fewer"):
        map_strips((3, 3, 1, 4), 1, CHIP, 100, WordLayout(1, 1, 512))
    with pytest.raises(ValueError, match=r"bitlines = 11 \(4 of them for data\): one weight"):
        map_strips((3, 3, 1, 4), 1, CHIP, 256, WordLayout(7, 4, 11))
    with pytest.raises(ValueError, match=r"bitlines = 71: a word of mram\.ecc = 'secded-72-64'"):
        word_layout("secded-72-64", 71)


@pytest.mark.parametrize(
    ("ecc", "bitlines", "n", "k"),
    [
        ("none", 5, 1, 1),
        ("secded-39-32", 100, 39, 32),
        ("secded-72-64", 512, 72, 64),
        ("bch-152-128", 152, 152, 128),
    ],
)
def test_words_lie_side_by_side(ecc, bitlines, n, k):
    words = word_layout(ecc, bitlines)
    cells = ["data" if b % n < k else "parity" for b in range(bitlines // n * n)]
    cells += ["free"] * (bitlines - len(cells))
    data = [b for b, kind in enumerate(cells) if kind == "data"]
    assert words.data_bitlines == len(data)
    assert words.physical_bitline(np.arange(len(data))).tolist() == data
    for b, kind in enumerate(cells):
        d, is_data = words.data_bitline(b)
        word, position, is_parity = words.parity(b)
        assert (is_data, is_parity) == (kind == "data", kind == "parity")
        if is_data:
            assert data[d] == b
        if is_parity:
            assert (word, position) == (b // n, cells[b // n * n : b].count("parity"))
