"""The mapping table against the network as it runs, and the refusal of what does not fit."""

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.array.spec import Adc
from pimjax.network.capacity import capacity_of
from pimjax.network.describe import describe
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import (
    AveragePool,
    Conv,
    Dense,
    Dequantize,
    Flatten,
    MaxPool,
    Output,
    Quantize,
    Softmax,
    Unary,
)
from pimjax.network.place import place
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec
from pimjax.network.text import shortened, shortened_apart

CHIP = pj.load_chip("mram-pim-8b")
CODES = TensorSpec(0.1, 0, 0, 255)
OUT = Output("shift", 0, 0, 255)


def arrays(*shape):
    rng = np.random.default_rng(len(shape))
    return {
        "weights": jnp.asarray(rng.integers(-128, 128, shape).astype(np.int8)),
        "bias": jnp.zeros(shape[-1], jnp.int32),
        "shift": jnp.int32(8),
    }


def program(chip=CHIP, own=None):
    layers = (
        Layer("codes", Quantize(CODES), ("input",), CODES),
        Layer("first", Conv(OUT, stride=(2, 2)), ("codes",), CODES),
        Layer("depthwise", Conv(OUT, groups=20, dilation=(2, 2), adc=own), ("first",), CODES),
        Layer("grouped", Conv(OUT, stride=(2, 1), groups=4), ("depthwise",), CODES),
        Layer("pool", MaxPool((2, 2), (2, 2)), ("grouped",), CODES),
        Layer("mean", AveragePool((2, 3), (1, 1), OUT), ("pool",), CODES),
        Layer("flat", Flatten(), ("mean",), CODES),
        Layer("dense", Dense(OUT), ("flat",), CODES),
        Layer("real", Dequantize(CODES), ("dense",)),
        Layer("sigmoid", Unary("sigmoid"), ("real",)),
        Layer("flat_real", Flatten(), ("sigmoid",)),
        Layer("share", Softmax(0), ("flat_real",)),
    )
    image = {
        "first": arrays(3, 3, 3, 20),
        "depthwise": arrays(3, 3, 1, 20),
        "grouped": arrays(1, 1, 5, 8),
        "mean": {"shift": jnp.int32(2)},
        "dense": arrays(8, 10),
    }
    graph = Graph((Input("input", (16, 14, 3)),), layers, ("share",))
    return Program(Plan(chip.bitline(), graph), image, chip)


def test_kinds_places_and_shapes():
    rows = describe(program()).rows
    assert [(row.name, row.kind, row.place, row.output) for row in rows] == [
        ("codes", "quantize", "host", (16, 14, 3)),
        ("first", "conv 3x3 /2", "array", (8, 7, 20)),
        ("depthwise", "conv 3x3 d2 dw", "array", (8, 7, 20)),
        ("grouped", "conv 1x1 /2x1 g4", "array", (4, 7, 8)),
        ("pool", "max pool 2x2 /2", "digital", (2, 3, 8)),
        ("mean", "average pool 2x3", "digital", (1, 1, 8)),
        ("flat", "flatten", "digital", (8,)),
        ("dense", "dense", "array", (10,)),
        ("real", "dequantize", "host", (10,)),
        ("sigmoid", "sigmoid", "host", (10,)),
        ("flat_real", "flatten", "host", (10,)),
        ("share", "softmax", "host", (10,)),
    ]


def test_conversions_are_those_of_a_run():
    _, layers = pj.run(program(), np.ones((1, 16, 14, 3), np.float32), trace=True)
    counted = {name: traced.stats for name, traced in layers.items() if traced.stats is not None}
    description = describe(program())
    assert {row.name: row.conversions for row in description.array_rows} == {
        name: stats.conversions for name, stats in counted.items()
    }
    # Outputs, row groups, slices and planes of the first layer.
    assert description.rows[1].conversions == 8 * 7 * 20 * 1 * 8 * 8
    assert description.conversions == sum(stats.conversions for stats in counted.values())


def test_without_an_adc_nothing_is_converted():
    chip = pj.load_chip("mram-pim-8b", {"adc.kind": "none"})
    description = describe(program(chip))
    assert description.conversions == 0
    assert "ADC none" in str(description)


def test_totals_are_sums():
    description = describe(program())
    cells = [27 * 20 * 8, 9 * 20 * 8, 5 * 8 * 8, 8 * 10 * 8]
    assert [row.mapping.cells for row in description.array_rows] == cells
    assert [row.mapping.k for row in description.array_rows] == [27, 9, 5, 8]
    assert [row.mapping.columns for row in description.array_rows] == [160, 160, 64, 80]
    assert description.cells == sum(cells)
    assert description.macros == 4
    assert description.chips == 1
    assert description.utilisation == sum(cells) / (4 * 256 * 512)
    assert description.mib == 4 * 256 * 512 / 2**23
    assert description.share == 4 / 2560
    assert [row.name for row in description.host_rows][:2] == ["codes", "real"]


def test_layers_spread_over_chips():
    chip = pj.load_chip("mram-pim-8b", {"array.banks": 1, "array.macros_per_bank": 3})
    description = describe(program(chip))
    assert description.chips == 2
    assert description.share == 4 / 6
    assert "66.7 % of the 6 of 2 chips" in str(description)


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_the_table_fits_the_line(width):
    long = program()
    names = {
        layer.name: f"{layer.name}/" + 9 * "long;" + layer.name for layer in long.plan.graph.layers
    }
    layers = tuple(
        replace(
            layer,
            name=names[layer.name],
            inputs=tuple(names.get(name, name) for name in layer.inputs),
        )
        for layer in long.plan.graph.layers
    )
    graph = Graph(long.plan.graph.inputs, layers, (names["share"],))
    image = {names[name]: params for name, params in long.image.items()}
    text = describe(Program(replace(long.plan, graph=graph), image, CHIP)).table(width)
    assert max(map(len, text.splitlines())) <= width
    assert ("left out to fit" in text) == (width < 160)
    assert "conv 1x1 /2x1 g4" in text
    assert "first/" in text


def test_a_layers_own_converter_is_shown():
    assert "step 5/2" not in str(describe(program()))
    own = Adc(bits=5, step=Fraction(5, 2), offset=Fraction(4))
    description = describe(program(own=own))
    assert description.rows[2].adc == own
    assert "5 bits, step 5/2, offset 4" in description.table(160)


def test_describe_prints_the_table_and_returns_the_data(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    description = program().describe()
    assert capsys.readouterr().out == description.table(130) + "\n"
    program().describe(90)
    assert capsys.readouterr().out == description.table(90) + "\n"
    assert repr(description) == "Description(mram-pim-8b: 12 layers, 4 macros)"


def test_names_are_shortened_in_the_middle():
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde…hijk"
    assert shortened("abcdefghijk", 3) == "a…k"


def test_names_are_shortened_where_they_stay_different():
    assert shortened_apart(["abcdefghijk", "short"], 10) == ["abcde…hijk", "short"]
    names = [f"block/layer{number}/conv_output_0" for number in range(12)]
    assert len(set(shortened_apart(names, 15))) == 12
    assert max(map(len, shortened_apart(names, 15))) == 15
    assert shortened_apart(["same" * 9] * 2, 9) == ["same…same"] * 2


def test_capacity_is_the_smaller_of_banks_and_memory():
    assert capacity_of(CHIP).macros == 2560
    smaller = pj.load_chip("mram-pim-8b", {"mram.capacity_mib": 1.999})
    assert capacity_of(smaller).macros == 127
    multi = pj.load_chip("mram-pim-8b", {"precision.cell_bits": 4})
    assert capacity_of(multi).macros == 2560 // 4
    fewer = pj.load_chip("mram-pim-8b", {"array.banks": 3})
    assert capacity_of(fewer).macros == 3 * 64
    with pytest.raises(ValueError, match=r"mram\.capacity_mib = 0\.01: less than one macro"):
        capacity_of(pj.load_chip("mram-pim-8b", {"mram.capacity_mib": 0.01}))


def fully_connected(k, outputs, chip):
    image = {"large": {**arrays(1, outputs), "weights": np.zeros((k, outputs), np.int8)}}
    image["small"] = arrays(outputs, 4)
    layers = (Layer("large", Dense(OUT), ("input",)), Layer("small", Dense(OUT), ("large",)))
    graph = Graph((Input("input", (k,), CODES),), layers, ("small",))
    return Program(Plan(chip.bitline(), graph), image, chip)


def test_what_does_not_fit_is_refused_with_numbers():
    network = fully_connected(8192, 4096, CHIP)  # 64 x 64 shelves and 2, two a macro
    place(network)
    chip = pj.load_chip("mram-pim-8b", {"array.banks": 10})
    message = (
        r"the network needs 2049 macros of 256 x 512 cells \(32\.0 MiB\), but the chip "
        r"mram-pim-8b has 640 \(10\.0 MiB; a chip: 10 banks of 64 macros, memory of 40 MiB for "
        r"2560\); its largest layers are large \(2048\), small \(1\); use chips = 4 to spread it "
        r"over 4 chips, or fewer weight bits \(precision\.weight_bits = 8\)"
    )
    with pytest.raises(ValueError, match=message):
        place(fully_connected(8192, 4096, chip), chips=1)
    with pytest.raises(ValueError, match=r"but 3 chips mram-pim-8b have 1920 .* use chips = 4"):
        place(fully_connected(8192, 4096, chip), chips=3)
    place(fully_connected(8192, 4096, chip), chips=4)
    for wrong in (0, True, 1.5):
        with pytest.raises(ValueError, match="chips"):
            place(network, chips=wrong)
