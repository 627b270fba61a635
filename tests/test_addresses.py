"""Addresses against a walk over every cell of the chip, one at a time."""

from dataclasses import replace
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.chip.schema import Array, Chip, Mram, Precision
from pimjax.die.address_table import address_table
from pimjax.die.addresses import Address, AddressMap, Parity, Stored, address_of, content_of
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Conv, Dense, Output
from pimjax.network.place import POLICIES, place
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec
from tests import oracle
from tests.support import examples

OUT, CODES = Output("shift", 0, 0, 255), TensorSpec(0.1, 0, 0, 255)


def program_of(chip, *shapes):
    """Layers l0, l1, ... with weights of these shapes (kh, kw, c, n) and groups, or (k, n)."""
    layers, image = [], {}
    for number, (shape, groups) in enumerate(shapes):
        op = Dense(OUT) if len(shape) == 2 else Conv(OUT, groups=groups)
        layers.append(Layer(f"l{number}", op, ("input",), CODES))
        image[f"l{number}"] = {"weights": jnp.ones(shape, jnp.int8)}
    graph = Graph((Input("input", (4, 4, 4)),), tuple(layers), (layers[-1].name,))
    return Program(Plan(chip.bitline(), graph), image, chip)


@st.composite
def chips(draw):
    """Small chips: macros of a few wordlines, any encoding, multi-level cells, words with ECC."""
    encoding = draw(
        st.sampled_from(["twos_complement", "offset_binary", "differential", "binary", "ternary"])
    )
    bits = {"binary": 1, "ternary": 2}.get(encoding) or draw(st.integers(2, 5))
    ecc = draw(st.sampled_from(["none", "none", "secded-39-32", "bch-44-32"]))
    precision = Precision(
        weight_bits=bits,
        weight_encoding=encoding,
        differential_readout=draw(st.sampled_from(["separate", "paired"])),
        cell_bits=draw(st.integers(1, 3 if ecc == "none" else 1)),
    )
    active = draw(st.integers(2, 5))
    array = Array(
        readout="bitline" if ecc == "none" else "digital",
        wordlines=draw(st.integers(active, 9)),
        bitlines=draw(st.integers(8, 30) if ecc == "none" else st.integers(44, 90)),
        active_wordlines=active,
        row_order=draw(st.sampled_from(["kernel_channel", "channel_kernel"])),
        banks=draw(st.integers(1, 5)),
        macros_per_bank=draw(st.integers(1, 4)),
    )
    return Chip(name="small", precision=precision, array=array, mram=Mram(ecc=ecc))


@st.composite
def networks(draw, most=3):
    shapes = []
    for _ in range(draw(st.integers(1, most))):
        if draw(st.booleans()):
            shapes.append(((draw(st.integers(1, 9)), draw(st.integers(1, 5))), 1))
        else:
            groups = draw(st.integers(1, 3))
            size = (draw(st.integers(1, 2)) for _ in range(3))
            shapes.append(((*size, groups * draw(st.integers(1, 3))), groups))
    return shapes


def placed(program, policy, seed=0):
    """The program by that policy, on as few chips as it fits; a random ranking where one is due."""
    for chips in range(1, 60):
        per_chip = program.chip.array.banks * program.chip.array.macros_per_bank
        ranking = np.random.default_rng(seed).permutation(chips * per_chip)
        needs = POLICIES[policy].needs
        try:
            return place(
                program,
                policy,
                macro_order=ranking if "macro_order" in needs else None,
                priority=[program.layers[-1]] if "priority" in needs else (),
                chips=chips,
            ), chips
        except ValueError as error:
            assert "needed" in str(error) or "needs" in str(error)
    raise AssertionError("no number of chips is enough")


@given(chips(), networks(), st.sampled_from([*POLICIES]), st.integers(0, 99))
@examples(60)
def test_every_stored_bit_has_a_site_of_its_own_and_every_site_at_most_one(
    chip, shapes, policy, seed
):
    program, count = placed(program_of(chip, *shapes), policy, seed)
    spec, array, precision = chip.bitline(), chip.array, chip.precision
    sides = 2 if precision.weight_encoding in ("differential", "ternary") else 1
    bits = (precision.weight_bits - 1) * 2 if sides == 2 else precision.weight_bits
    addresses = AddressMap(program)
    at = {}
    for layer, (shape, _) in zip(program.layers, shapes, strict=True):
        weight, plane = np.indices((np.prod(shape), bits))
        sites = np.stack(addresses.sites(layer, weight, plane), -1)
        for w, j in product(range(np.prod(shape)), range(bits)):
            site = tuple(sites[w, j].tolist())
            assert site not in at
            at[site] = Stored(layer, tuple(map(int, np.unravel_index(w, shape))), j)
    assert len(spec_columns(chip)) * precision.cell_bits >= bits
    axes = (
        range(count * array.banks * array.macros_per_bank),
        range(array.wordlines),
        range(array.bitlines),
        range(precision.cell_bits),
    )
    n, k = (1, 1) if chip.mram.ecc == "none" else map(int, chip.mram.ecc.split("-")[1:])
    words = {(m, w, b // n) for m, w, b, _ in at}
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 4)
    found = np.stack(addresses.contents(*grid.T), -1)
    for site, (layer, weight, plane) in zip(grid.tolist(), found.tolist(), strict=True):
        m, w, b, _ = site
        if tuple(site) in at:
            name, index, bit = at[tuple(site)]
            shape = program.image[name]["weights"].shape
            want = program.layers.index(name), np.ravel_multi_index(index, shape), bit
        elif b % n >= k and (m, w, b // n) in words:
            want = -2, b // n, b % n - k
        else:
            want = -1, 0, 0
        assert (layer, weight, plane) == want
    assert set(at) <= set(map(tuple, grid.tolist()))
    assert spec == program.plan.spec


def spec_columns(chip):
    names = ("weight_bits", "weight_encoding", "differential_readout", "cell_bits")
    values = {name: getattr(chip.precision, name) for name in names}
    return oracle.weight_cells(1, oracle.OracleChip(**values))


@given(chips(), networks(2), st.sampled_from([*POLICIES]), st.data())
@examples(40)
def test_an_address_and_its_content_are_inverse(chip, shapes, policy, data):
    program, _ = placed(program_of(chip, *shapes), policy)
    number = data.draw(st.integers(0, len(shapes) - 1))
    shape = shapes[number][0]
    index = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    address = address_of(program, f"l{number}", index, 0)
    assert content_of(program, address) == Stored(f"l{number}", index, 0)
    flat = int(np.ravel_multi_index(index, shape))
    assert address_of(program, f"l{number}", flat, 0) == address
    array = chip.array
    macro = (address.chip * array.banks + address.bank) * array.macros_per_bank + address.macro
    sites = AddressMap(program).sites(f"l{number}", flat, 0)
    assert (macro, *address[2:5]) == tuple(map(int, sites))


CHIP = pj.load_chip("mram-pim-8b")


def test_the_formula_of_the_documentation():
    """A convolution of 64 channels: k = (i KW + j) CIN + c, row groups of 128 rows, 64 last."""
    program = place(program_of(CHIP, ((3, 3, 64, 100), 1)), "layer")
    # k = (1 * 3 + 2) * 64 + 7 = 327 is row 71 of row group 2; with 64 weights of 8 bits a shelf,
    # weight 2 * 100 + 30 of the sequence is number 38 of shelf 3: the upper half of macro 1.
    address = Address(bank=0, macro=1, wordline=128 + 71, bitline=38 * 8 + 6)
    assert address_of(program, "l0", (1, 2, 7, 30), 6) == address
    assert content_of(program, address) == Stored("l0", (1, 2, 7, 30), 6)
    # The last row group's shelves: macro 3 has one full shelf and these.
    assert address_of(program, "l0", (2, 2, 63, 0), 0) == Address(0, 3, 128 + 63, 0)


def test_planes_of_a_differential_pair():
    chip = pj.load_chip(
        "mram-pim-8b",
        {"precision.weight_encoding": "differential", "precision.cell_bits": 3},
    )
    program = place(program_of(chip, ((5, 4), 1)))
    cells = [address_of(program, "l0", 0, plane)[3:5] for plane in range(14)]
    # Seven bits a side in cells of three: digits 0-2, 3-5, 6; the positive side on even bitlines.
    digits = [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2), (4, 0)]
    assert cells == digits + [(b + 1, level) for b, level in digits]
    assert content_of(program, Address(0, 0, 0, 4, 1)) is None


def test_parity_stands_behind_its_word():
    chip = pj.load_chip("mram-pim-8b", {"array.readout": "digital", "mram.ecc": "secded-72-64"})
    program = place(program_of(chip, ((5, 9), 1)))
    assert address_of(program, "l0", (0, 7), 7).bitline == 63
    assert address_of(program, "l0", (0, 8), 0).bitline == 72
    assert content_of(program, Address(0, 0, 0, 64)) == Parity(0, 0)
    assert content_of(program, Address(0, 0, 4, 143)) == Parity(1, 7)
    assert content_of(program, Address(0, 0, 4, 80)) is None
    assert content_of(program, Address(0, 0, 5, 64)) is None
    assert content_of(program, Address(0, 0, 0, 144 + 64)) is None


@pytest.mark.parametrize(
    ("layer", "weight", "plane", "message"),
    [
        ("l1", 0, 0, r"no layer 'l1' on the array; there are l0"),
        ("other", 0, 0, r"no layer 'other' on the array; there are l0"),
        ("l0", 15, 0, r"weight 15 of layer 'l0': .* shape \(5, 3\); .* 0\.\.14 expected"),
        ("l0", (5, 0), 0, r"weight \(5, 0\) of layer 'l0'"),
        ("l0", (1, 1, 1), 0, r"weight \(1, 1, 1\) of layer 'l0'"),
        ("l0", -1, 0, r"weight -1 of layer 'l0'"),
        ("l0", 0, 8, r"plane = 8: allowed 0\.\.7"),
        ("l0", 0, -1, r"plane = -1: allowed"),
    ],
)
def test_bits_that_are_not_there_are_named(layer, weight, plane, message):
    program = program_of(CHIP, ((5, 3), 1))
    with pytest.raises(ValueError, match=message):
        address_of(program, layer, weight, plane)


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [("bank", 40, 39), ("macro", 64, 63), ("wordline", 256, 255), ("bitline", -1, 511)],
)
def test_addresses_beyond_the_chip_are_named(field, value, limit):
    program = program_of(CHIP, ((5, 3), 1))
    address = Address(0, 0, 0, 0)._replace(**{field: value})
    with pytest.raises(ValueError, match=rf"address\.{field} = {value}: allowed 0\.\.{limit}"):
        content_of(program, address)
    with pytest.raises(ValueError, match=r"level = 1: allowed 0\.\.0"):
        content_of(program, replace_level(1))
    with pytest.raises(TypeError, match=r"address\.wordline: integers expected"):
        content_of(program, Address(0, 0, 1.5, 0))


def replace_level(level):
    return Address(0, 0, 0, 0, level)


def test_a_program_without_array_layers_is_all_free():
    program = replace(program_of(CHIP, ((5, 3), 1)), image={})
    graph = Graph(program.plan.graph.inputs, (), ("input",))
    program = replace(program, plan=replace(program.plan, graph=graph))
    assert content_of(place(program), Address(0, 0, 0, 0)) is None


def test_the_table_has_every_bit_and_its_address():
    program = place(program_of(CHIP, ((2, 2, 3, 4), 1), ((5, 3), 1)), "packed")
    table = address_table(program, "l0")
    assert len(table) == 48 * 8
    lines = table.csv.splitlines()
    assert lines[0] == "layer,kh,kw,c,n,plane,chip,bank,macro,wordline,bitline,level"
    assert len(lines) == 1 + 48 * 8
    for line in lines[1:]:
        layer, *numbers = line.split(",")
        kh, kw, c, n, plane, on_chip, *address = map(int, numbers)
        assert layer == '"l0"'
        bit = Stored("l0", (kh, kw, c, n), plane)
        assert content_of(program, Address(*address, chip=on_chip)) == bit
    assert str(table).splitlines()[-1] == f"... and {48 * 8 - 40} more; csv has all"
    few = address_table(program, "l1", [(4, 2), 0], [7])
    assert few.columns["plane"].tolist() == [7, 7]
    assert few.columns["k"].tolist() == [4, 0]
    assert str(few).splitlines() == [
        "l1: 2 stored bits",
        "k  n  plane  chip  bank  macro  wordline  bitline  level",
        "4  2      7     0     0      0        16       23      0",
        "0  0      7     0     0      0        12        7      0",
    ]
    with pytest.raises(ValueError, match=r"plane = 9: allowed 0\.\.7"):
        address_table(program, "l1", planes=[9])
