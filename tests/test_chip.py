"""Configs: every shipped chip, every mistake with its own words, overrides, round trips."""

import tomllib
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.chip.configs import configs_folder
from pimjax.chip.load import ChipNotFoundError
from pimjax.chip.schema import Adc, Array, Energy, Mram, Precision, Timing
from tests.support import examples

DEFAULT = "mram-pim-8b"


# Shipped chips


@pytest.mark.parametrize("name", pj.chip_names())
def test_shipped_chips_load_and_round_trip(name, tmp_path):
    chip = pj.load_chip(name)
    assert chip.name == name
    assert chip.description
    assert chip.sources
    path = tmp_path / "copy.toml"
    path.write_text(chip.to_toml(), encoding="utf-8")
    for spelled in (path, str(path)):
        again = pj.load_chip(spelled)
        assert again == chip
        assert hash(again) == hash(chip)
        assert again.to_toml() == chip.to_toml()


@pytest.mark.parametrize("name", pj.chip_names())
def test_shipped_files_say_everything(name):
    """No field is left to a default."""
    text = (configs_folder() / "chips" / f"{name}.toml").read_text(encoding="utf-8")
    written, complete = tomllib.loads(text), tomllib.loads(pj.load_chip(name).to_toml())
    assert written.keys() == complete.keys()
    for table in ("precision", "array", "adc", "mram", "timing", "energy"):
        assert written[table].keys() == complete[table].keys()


@pytest.mark.parametrize("name", pj.chip_names())
def test_every_device_value_of_a_shipped_chip_has_a_source(name):
    """Each key of [mram] is named by a line of `sources` (the word code of choice needs none)."""
    lines = pj.load_chip(name).sources
    for key in {field.name for field in fields(Mram)} - {"word_bits", "ecc"}:
        assert any(f"mram.{key}" in line.split(": ")[0].split(", ") for line in lines), key


def test_the_promised_chips_are_there():
    promised = {DEFAULT, "mram-pim-lossless", "mram-pim-digital", "mram-imc-22nm-128kb"}
    assert promised <= set(pj.chip_names())
    assert list(pj.chip_names()) == sorted(pj.chip_names())


def test_the_default_chip_is_as_promised():
    chip = pj.load_chip(DEFAULT)
    assert (chip.precision.act_bits, chip.precision.act_signed) == (8, False)
    assert (chip.precision.weight_bits, chip.precision.weight_encoding) == (8, "twos_complement")
    assert (chip.array.wordlines, chip.array.bitlines, chip.array.active_wordlines) == (
        256,
        512,
        128,
    )
    assert (chip.array.readout, chip.adc.bits, chip.adc.step) == ("bitline", 6, 1)
    assert chip.mram.capacity_mib == 40
    for other in ("mram-pim-lossless", "mram-pim-digital"):
        near = pj.load_chip(other)
        assert (near.precision, near.array, near.mram) == (chip.precision, chip.array, chip.mram)
    assert pj.load_chip("mram-pim-digital").adc.kind == "none"
    assert 2 ** pj.load_chip("mram-pim-lossless").adc.bits - 1 >= 128


# Mistakes: what is overridden, and the sentence that answers it

MISTAKES = [
    # unknown keys: full path and the nearest known name
    ({"adc.bit": 5}, "adc.bit: unknown key; did you mean 'adc.bits'?"),
    ({"adc.stepp": 5}, "adc.stepp: unknown key; did you mean 'adc.step'?"),
    ({"precison.act_bits": 5}, "precison: unknown key; did you mean 'precision'?"),
    ({"array.act_bits": 5}, "array.act_bits: unknown key; did you mean 'precision.act_bits'?"),
    ({"weight_encoding": "x"}, "did you mean 'precision.weight_encoding'?"),
    ({"adc.qqq": 1}, "adc.qqq: unknown key; known here are kind, bits, step, offset"),
    ({"foo.bar": 1}, "foo: unknown key; known here are name, description, sources, precision"),
    # wrong types
    ({"adc.bits": "5"}, "adc.bits = '5': an integer expected; allowed 1..16"),
    ({"adc.bits": 5.0}, "adc.bits = 5.0: an integer expected; allowed 1..16"),
    ({"adc.bits": True}, "adc.bits = True: an integer expected; allowed 1..16"),
    ({"adc.bits": None}, "adc.bits = None: an integer expected; allowed 1..16"),
    ({"precision.act_signed": 1}, "precision.act_signed = 1: true or false expected"),
    ({"precision.act_signed": "no"}, "precision.act_signed = 'no': true or false expected"),
    ({"timing.clock_mhz": "fast"}, "timing.clock_mhz = 'fast': a number expected"),
    ({"name": 5}, "name = 5: text expected"),
    ({"name": ""}, "name = '': a name of at least one letter expected"),
    ({"sources": "a paper"}, "sources = 'a paper': a list expected"),
    ({"sources": [1]}, "sources.0 = 1: text expected"),
    ({"adc": 3}, "adc = 3: a table expected"),
    ({"adc.bits.more": 3}, "override 'adc.bits.more': 'bits' is a value, not a table"),
    # out of range
    ({"adc.bits": 0}, "adc.bits = 0: out of range; allowed 1..16"),
    ({"adc.bits": 17}, "adc.bits = 17: out of range; allowed 1..16"),
    ({"precision.act_bits": 13}, "precision.act_bits = 13: out of range; allowed 1..12"),
    ({"precision.weight_bits": 0}, "precision.weight_bits = 0: out of range; allowed 1..12"),
    ({"precision.cell_bits": -1}, "precision.cell_bits = -1: out of range; allowed 1..12"),
    (
        {"precision.accumulator_bits": 33},
        "precision.accumulator_bits = 33: out of range; allowed 8..32",
    ),
    (
        {"precision.accumulator_bits": 7},
        "precision.accumulator_bits = 7: out of range; allowed 8..32",
    ),
    ({"array.wordlines": 0}, "array.wordlines = 0: out of range; allowed 1..1048576"),
    ({"timing.clock_mhz": 0}, "timing.clock_mhz = 0: out of range; allowed above 0"),
    ({"energy.mac_pj": -0.5}, "energy.mac_pj = -0.5: out of range; allowed from 0"),
    ({"energy.mac_pj": float("nan")}, "energy.mac_pj = nan: "),
    ({"energy.mac_pj": float("inf")}, "energy.mac_pj = inf: "),
    # the device
    (
        {"mram.thermal_stability_temperature_k": 85.0},
        "mram.thermal_stability_temperature_k = 85.0: in kelvin, from 150 to 700; 85 C is 358.15 K",
    ),
    ({"mram.thermal_stability_temperature_k": 701.0}, "in kelvin, from 150 to 700"),
    ({"mram.thermal_stability_temperature_k": float("nan")}, "in kelvin, from 150 to 700"),
    (
        {"mram.thermal_stability": 0.5},
        "mram.thermal_stability = 0.5: out of range; allowed 1..1000",
    ),
    (
        {"mram.thermal_stability_sigma": 0.31},
        "mram.thermal_stability_sigma = 0.31: out of range; allowed 0..0.3",
    ),
    (
        {"mram.curie_temperature_k": 700.0},
        "mram.curie_temperature_k = 700.0: out of range; allowed 701..2000",
    ),
    ({"mram.write_overdrive": 1.0}, "mram.write_overdrive = 1.0: out of range; allowed above 1"),
    (
        {"mram.read_current_ratio": 1.0},
        "mram.read_current_ratio = 1.0: out of range; allowed 0..0.99",
    ),
    (
        {"mram.disturb_exponent": 3},
        "mram.disturb_exponent = 3: out of range; allowed 1..2",
    ),
    ({"mram.disturb_exponent": 1.0}, "mram.disturb_exponent = 1.0: an integer expected"),
    (
        {"mram.write_pulse": 20.0},
        "mram.write_pulse: unknown key; did you mean 'mram.write_pulse_ns'?",
    ),
    ({"mram.tmr": 0.0}, "mram.tmr = 0.0: out of range; allowed above 0"),
    (
        {"array.spare_wordlines": -1},
        "array.spare_wordlines = -1: out of range; allowed 0..1048576",
    ),
    # choices, with the nearest one
    (
        {"adc.rounding": "half_evn"},
        "adc.rounding = 'half_evn': 'half_even', 'half_up' or 'floor' allowed; "
        "did you mean 'half_even'?",
    ),
    ({"adc.rounding": 5}, "adc.rounding = 5: 'half_even', 'half_up' or 'floor' allowed"),
    ({"array.readout": "bitlines"}, "did you mean 'bitline'?"),
    ({"precision.weight_encoding": "two_complement"}, "did you mean 'twos_complement'?"),
    ({"mram.ecc": "secded"}, "mram.ecc = 'secded': 'none', 'secded-39-32'"),
    # rationals
    ({"adc.step": 0}, "adc.step = 0: greater than 0 expected"),
    ({"adc.step": "-1/2"}, "adc.step = '-1/2': greater than 0 expected"),
    ({"adc.step": 0.5}, 'text such as "255/63" expected, to be exact; write "1/2"'),
    ({"adc.step": float("inf")}, 'adc.step = inf: an integer or text such as "255/63" expected'),
    ({"adc.step": "1/0"}, "adc.step = '1/0': an integer or text such as"),
    ({"adc.step": "one"}, "adc.step = 'one': an integer or text such as"),
    ({"adc.step": "1e3"}, "adc.step = '1e3': an integer or text such as"),
    ({"adc.step": ""}, "adc.step = '': an integer or text such as"),
    ({"adc.step": True}, "adc.step = True: an integer or text such as"),
    ({"adc.offset": 1.5}, 'adc.offset = 1.5: an integer or text such as "255/63"'),
    ({"adc.offset": None}, "adc.offset = None: an integer or text such as"),
    (
        {"adc.step": 2**20 + 1},
        "adc.step = 1048577: numerator and denominator up to 1048576 are supported",
    ),
    ({"adc.offset": f"1/{2**20 + 1}"}, "numerator and denominator up to 1048576"),
    # combinations
    (
        {"array.active_wordlines": 257},
        "array.active_wordlines = 257: more than the array.wordlines = 256 of a macro; "
        "allowed 1..256",
    ),
    (
        {"precision.weight_encoding": "binary"},
        "precision.weight_bits = 8: with precision.weight_encoding = 'binary' allowed 1",
    ),
    ({"precision.weight_encoding": "ternary"}, "'ternary' allowed 2"),
    (
        {"precision.weight_encoding": "differential", "precision.weight_bits": 1},
        "precision.weight_bits = 1: with precision.weight_encoding = 'differential' allowed 2..12",
    ),
    (
        {"mram.ecc": "secded-72-64"},
        "mram.ecc = 'secded-72-64': a word code cannot correct a bitline that sums several cells "
        "(array.readout = 'bitline'); use 'none', or array.readout = 'digital'",
    ),
    (
        {"precision.accumulator_bits": 8},
        "precision.accumulator_bits = 8: one full row group can sum to -2056320..2040255, which "
        "needs 22 bits; widen it to at least that (at most 32), lower array.active_wordlines, or "
        "set precision.accumulator_overflow to 'wrap' or 'saturate'",
    ),
    (
        {
            "precision.act_bits": 12,
            "precision.weight_bits": 12,
            "precision.weight_encoding": "offset_binary",
            "precision.input_slice_bits": 12,
            "precision.cell_bits": 12,
            "array.active_wordlines": 129,
        },
        "array.active_wordlines = 129: with precision.input_slice_bits = 12 and "
        "precision.cell_bits = 12 a partial sum reaches 2163204225, at most 2147483646 is allowed",
    ),
    # the override itself
    ({"": 3}, "override '': a dotted path such as 'adc.bits' expected"),
    ({5: 3}, "override 5: a dotted path such as 'adc.bits' expected"),
]


@pytest.mark.parametrize(("overrides", "sentence"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes_are_explained(overrides, sentence):
    with pytest.raises(pj.ChipError) as caught:
        pj.load_chip(DEFAULT, overrides)
    message = str(caught.value)
    assert sentence in message
    assert "\n" not in message
    assert "pydantic" not in message
    assert isinstance(caught.value, ValueError)


def written(overrides: dict) -> str | None:
    """The default chip's file with the same mistakes in it; None where TOML cannot say them."""
    table = tomllib.loads(pj.load_chip(DEFAULT).to_toml())
    for dotted, value in overrides.items():
        *groups, key = str(dotted).split(".")
        here = table
        for group in groups:
            here = here.setdefault(group, {})
        if value is None or not isinstance(here, dict) or not isinstance(dotted, str) or not key:
            return None
        here[key] = value
    return tomli_w.dumps(table)


IN_FILES = [(written(overrides), sentence) for overrides, sentence in MISTAKES]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(text, sentence) for text, sentence in IN_FILES if text],
    ids=[sentence[:40] for text, sentence in IN_FILES if text],
)
def test_a_file_is_checked_as_overrides_are(text, sentence, tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(pj.ChipError) as caught:
        pj.load_chip(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(pj.ChipError) as caught:
        pj.load_chip(DEFAULT, {"adc.bits": 0, "adc.colour": "red", "precision.act_bits": 99})
    message = str(caught.value)
    for part in ("mram-pim-8b: ", "adc.bits = 0", "adc.colour: unknown key", "act_bits = 99"):
        assert part in message
    with pytest.raises(pj.ChipError) as caught:
        pj.load_chip(DEFAULT, {"array.active_wordlines": 999, "mram.ecc": "bch-44-32"})
    assert "array.active_wordlines = 999" in str(caught.value)
    assert "mram.ecc = 'bch-44-32'" in str(caught.value)


def test_numpy_numbers_are_explained_too():
    with pytest.raises(
        pj.ChipError, match=r"adc\.bits = .*5.*an integer expected; allowed 1\.\.16"
    ):
        pj.load_chip(DEFAULT, {"adc.bits": np.int64(5)})


@pytest.mark.parametrize("overrides", [["adc.bits=5"], "adc.bits=5", 5])
def test_overrides_that_are_no_mapping(overrides):
    with pytest.raises(TypeError, match=r"overrides: .* a mapping such as .*adc\.bits"):
        pj.load_chip(DEFAULT, overrides)


# What is accepted


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (2, Fraction(2)),
        ("255/63", Fraction(255, 63)),
        ("+3", Fraction(3)),
        (Fraction(1, 7), Fraction(1, 7)),
        ("1/1048576", Fraction(1, 2**20)),
        (2**20, Fraction(2**20)),
    ],
)
def test_rationals(value, step):
    chip = pj.load_chip(DEFAULT, {"adc.step": value})
    assert chip.adc.step == step
    assert isinstance(chip.adc.step, Fraction)


def test_overrides_change_what_they_name_and_nothing_else():
    chip = pj.load_chip(DEFAULT)
    other = pj.load_chip(DEFAULT, {"adc.bits": 5, "array.active_wordlines": 64})
    assert (other.adc.bits, other.array.active_wordlines) == (5, 64)
    assert replace(other, adc=chip.adc, array=chip.array) == chip
    assert other != chip
    assert pj.load_chip(DEFAULT, {"adc.bits": 6}) == chip
    assert pj.load_chip(DEFAULT, {}) == chip
    table = {"bits": 4, "step": "3/2"}
    assert pj.load_chip(DEFAULT, {"adc": table}).adc == Adc(bits=4, step=Fraction(3, 2))
    assert table == {"bits": 4, "step": "3/2"}


def test_ecc_goes_with_the_digital_readout():
    chip = pj.load_chip(DEFAULT, {"mram.ecc": "secded-72-64", "array.readout": "digital"})
    assert chip.mram.ecc == "secded-72-64"


# Round trips

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20)
positive = st.floats(0, 1e300, exclude_min=True, allow_nan=False, allow_infinity=False)
not_negative = st.floats(0, 1e300, allow_nan=False, allow_infinity=False)
rationals = st.builds(Fraction, st.integers(-(2**20), 2**20), st.integers(1, 2**20))

built = st.builds(
    pj.Chip,
    name=names,
    description=st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=40),
    sources=st.lists(names, max_size=3).map(tuple),
    precision=st.builds(
        Precision,
        act_bits=st.integers(1, 12),
        act_signed=st.booleans(),
        weight_bits=st.integers(2, 12),
        weight_encoding=st.sampled_from(("twos_complement", "offset_binary", "differential")),
        differential_readout=st.sampled_from(("separate", "paired")),
        input_slice_bits=st.integers(1, 4),
        cell_bits=st.integers(1, 4),
        accumulator_bits=st.integers(8, 32),
        accumulator_overflow=st.sampled_from(("wrap", "saturate")),
    ),
    array=st.builds(
        Array,
        wordlines=st.integers(128, 2**20),
        bitlines=st.integers(1, 2**20),
        active_wordlines=st.integers(1, 128),
        row_order=st.sampled_from(("kernel_channel", "channel_kernel")),
        banks=st.integers(1, 2**20),
        spare_bitlines=st.integers(0, 2**20),
    ),
    adc=st.builds(
        Adc,
        kind=st.sampled_from(("uniform", "none")),
        bits=st.integers(1, 16),
        step=rationals.map(abs).filter(bool),
        offset=rationals,
        rounding=st.sampled_from(("half_even", "half_up", "floor")),
        symmetric=st.booleans(),
    ),
    mram=st.builds(
        Mram,
        capacity_mib=positive,
        word_bits=st.integers(1, 1024),
        thermal_stability=st.floats(1, 1000),
        thermal_stability_temperature_k=st.floats(150, 700),
        write_overdrive=st.floats(1, 1e300, exclude_min=True),
        disturb_exponent=st.sampled_from((1, 2)),
        resistance_sigma=not_negative,
    ),
    timing=st.builds(Timing, clock_mhz=positive),
    energy=st.builds(Energy, mac_pj=not_negative),
)


@pytest.fixture(scope="module")
def chip_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("chips") / "chip.toml"


@examples(100)
@given(built)
def test_any_chip_round_trips_through_its_file(chip_file, chip):
    chip_file.write_text(chip.to_toml(), encoding="utf-8", newline="")
    again = pj.load_chip(chip_file)
    assert again == chip
    assert hash(again) == hash(chip)


# Chips built in Python


def test_a_chip_is_built_and_checked_in_python():
    chip = pj.Chip(name="mine", adc=Adc(bits=5, step="3/2"))
    assert chip.adc.step == Fraction(3, 2)
    assert chip.precision == Precision()
    assert chip == pj.load_chip(DEFAULT, {"adc": {"bits": 5, "step": "3/2"}} | described(chip))
    with pytest.raises(ValueError, match="bits"):
        Adc(bits=99)
    with pytest.raises(ValueError, match=r"array\.active_wordlines = 300.* allowed 1\.\.256"):
        pj.Chip(name="mine", array=Array(active_wordlines=300))
    with pytest.raises(ValueError, match="colour"):
        pj.Chip(name="mine", colour="red")


def described(chip) -> dict:
    return {"name": chip.name, "description": chip.description, "sources": list(chip.sources)}


def test_defaults_are_those_of_the_default_chip():
    chip = pj.load_chip(DEFAULT)
    assert (chip.mram, chip.array) == (Mram(), Array())


def test_a_chip_cannot_be_changed():
    chip = pj.load_chip(DEFAULT)
    with pytest.raises(AttributeError):
        chip.name = "other"
    with pytest.raises(AttributeError):
        chip.adc.bits = 5
    with pytest.raises(ValueError, match=r"precision\.weight_bits = 8"):
        replace(chip, precision=replace(chip.precision, weight_encoding="binary"))


# Files that are not there, or not chips


def test_a_near_miss_of_a_shipped_name():
    with pytest.raises(
        ChipNotFoundError, match="'mram-pim-8'; did you mean 'mram-pim-8b'"
    ) as caught:
        pj.load_chip("mram-pim-8")
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ValueError)
    for name in pj.chip_names():
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["nothing like it", "", "MRAM"])
def test_names_of_no_chip(name):
    with pytest.raises(ChipNotFoundError, match=f"'{name}'"):
        pj.load_chip(name)


def test_paths_that_do_not_exist(tmp_path):
    for path in (tmp_path / "none.toml", str(tmp_path / "none.toml"), "./none.toml", "none.toml"):
        with pytest.raises(ChipNotFoundError, match=r"none\.toml' does not exist"):
            pj.load_chip(path)
    with pytest.raises(ChipNotFoundError, match="is a folder"):
        pj.load_chip(tmp_path)


@pytest.mark.parametrize("wrong", [5, None, ["mram-pim-8b"], b"mram-pim-8b"])
def test_what_is_neither_name_nor_path(wrong):
    with pytest.raises(TypeError, match=r"chip: .* given; the name of a shipped chip or the path"):
        pj.load_chip(wrong)


def test_files_that_are_no_chip(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = \n")
    with pytest.raises(pj.ChipError, match=r"broken\.toml: not a TOML file \(.*line 1"):
        pj.load_chip(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(pj.ChipError, match=r"broken\.toml: not a TOML file"):
        pj.load_chip(path)
    path.write_text("")
    with pytest.raises(pj.ChipError, match=r"broken\.toml: name: missing; it has no default"):
        pj.load_chip(path)
    path.write_text("name = 'short'\n")
    assert pj.load_chip(path) == pj.Chip(name="short")


def test_a_file_called_like_a_chip_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT).write_text("name = 'other'\n")
    assert pj.load_chip(DEFAULT).name == DEFAULT
    assert pj.load_chip(f"./{DEFAULT}").name == "other"
    assert pj.load_chip(Path(DEFAULT)).name == "other"
