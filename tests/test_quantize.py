"""The quantised form of small float models: its codes in plain integers, its error, its layers."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

from pimjax.frontend.bind import bind
from pimjax.frontend.compile import float_shapes
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantize import OUTPUT_BITS, quantize
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.ops import (
    Add,
    Affine,
    AveragePool,
    Binary,
    Clamp,
    Concat,
    Context,
    Dequantize,
    Flatten,
    FloatAveragePool,
    Identity,
    MaxPool,
    Pad,
    Quantize,
    Reduce,
    Rescale,
    Reshape,
    Slice,
    Softmax,
    Spread,
    Take,
    Transpose,
    Unary,
)
from pimjax.network.run import execute
from tests import oracle, plain
from tests.models import RELU, conv, dense, model_of
from tests.support import make_chip

SHAPE = (6, 6, 4)
IMAGES = np.random.default_rng(7).normal(0.3, 1, size=(3, *SHAPE)).astype(np.float32)
CHIP = make_chip(adc_kind="none")
AROUND = ((1, 1), (1, 1), (0, 0))
SIGMOID = (Unary("sigmoid"), {})


class Found:
    """A model, its quantised form for `chip`, and the tensors of both for IMAGES.

    It runs on CHIP, whose 8 bits hold the codes of fewer: each shape is compiled once.
    """

    def __init__(self, model: Model, chip=CHIP, ranges=None, run_on=CHIP):
        self.model = model
        results = execute(model.graph, model.params, (jnp.asarray(IMAGES),), Context())
        self.float = {"x": IMAGES} | {n: np.asarray(r.output) for n, r in results.items()}
        self.extremes = {
            name: (float(min(v.min(), 0)), float(max(v.max(), 0))) for name, v in self.float.items()
        } | (ranges or {})
        spec = chip.bitline()
        self.quantized = quantize(model, spec, self.extremes, self.extremes, float_shapes(model))
        self.layers = {layer.name: layer for layer in self.quantized.graph.layers}
        self.specs = {item.name: item.tensor for item in self.quantized.graph.inputs}
        self.specs |= {name: layer.tensor for name, layer in self.layers.items()}
        self.program = bind(self.quantized, run_on)
        self.known = {"x": self.specs["x"].codes_of(IMAGES)}

    def tensor(self, name: str) -> np.ndarray:
        """Codes, or real numbers where there are none; only what leads to it is computed."""
        if name not in self.known:
            plan, image = self.program.plan, self.program.image
            layer = next(layer for layer in plan.graph.layers if layer.name == name)
            inputs = [jnp.asarray(self.tensor(entry)) for entry in layer.inputs]
            inputs = [x if x.dtype == jnp.float32 else x.astype(jnp.int32) for x in inputs]
            result = layer.op.apply(tuple(inputs), image.get(name, {}), Context(plan.spec))
            self.known[name] = np.asarray(result.output)
        return self.known[name]

    def codes(self, name: str) -> np.ndarray:
        return self.tensor(name).astype(np.int64)

    def real(self, name: str) -> np.ndarray:
        values, spec = self.tensor(name).astype(np.float64), self.specs[name]
        return values if spec is None else (values - spec.zero_point) * spec.scale

    def ops(self) -> list[type]:
        return [type(layer.op) for layer in self.layers.values()]

    def sqnr_db(self, name: str | None = None) -> float:
        """Signal to noise against the float model; that of the output by default."""
        (output,) = self.quantized.graph.outputs
        right = self.float[name or self.model.graph.outputs[0]].astype(np.float64)
        noise = self.real(name or output) - right
        return 10 * np.log10((right**2).sum() / (noise**2).sum())


def found(*steps, outputs=None, **options) -> Found:
    return Found(model_of(*steps, shape=SHAPE, outputs=outputs), **options)


def factor_of(numbers) -> float:
    return float(numbers["multiplier"]) * 2.0 ** (float(numbers["exponent"]) - 31)


# Codes of tensors.


@pytest.mark.parametrize(("bits", "signed"), [(2, False), (5, True), (8, False), (8, True)])
def test_what_drives_the_array_has_the_chips_codes_and_the_tail_16_bits(bits, signed):
    chip = make_chip(act_bits=bits, act_signed=signed, adc_kind="none")
    here = found(
        *(conv(1, 4, 4), RELU, (MaxPool((2, 2), (2, 2)), {}), (Flatten(), {})),
        *(dense(3, 36, 5), RELU, (Binary("add"), {}, "t5", "t4")),
        chip=chip,
        outputs=("t6",),
    )
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    for name in ("x", "t1", "t2", "t3"):
        assert (here.specs[name].low, here.specs[name].high) == (low, high)
        ends = (high - low) * here.specs[name].scale
        right = {"x": "x", "t1": "t1", "t2": "t1", "t3": "t1"}[name]
        assert ends == pytest.approx(np.subtract(*here.extremes[right][::-1]), rel=1e-6)
    for name in ("t4", "t5", "t6"):
        spec = here.specs[name]
        largest = 2 ** (OUTPUT_BITS - 1)
        assert (spec.low, spec.high, spec.zero_point) == (-largest, largest - 1, 0)
        assert spec.dtype == np.int16
        most = np.abs(here.float[name]).max()
        # A quarter of the range is left for images that calibration did not see.
        assert spec.scale * (largest - 1) == pytest.approx(1.25 * most, rel=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_real_zero_is_a_code_and_the_ends_are_nearly_met(signed):
    chip = make_chip(act_signed=signed, adc_kind="none")
    here = found(conv(1, 4, 4), RELU, conv(2, 4, 3), chip=chip)
    for name in ("x", "t1"):
        spec = here.specs[name]
        low, high = here.extremes[name]
        assert spec.low <= spec.zero_point <= spec.high
        assert abs((spec.low - spec.zero_point) * spec.scale - low) <= spec.scale
        assert abs((spec.high - spec.zero_point) * spec.scale - high) <= spec.scale
    assert here.specs["t1"].zero_point == here.specs["t1"].low


# Array layers.


def test_weights_bias_and_factor_are_those_of_the_scales():
    here = found(conv(1, 4, 6), RELU, conv(2, 6, 4, groups=2, stride=(2, 2)))
    for name, entry, layer in (("t1", "x", "t0"), ("t2", "t1", "t2")):
        float_params, params = here.model.params[layer], here.quantized.params[name]
        kernel, bias = (float_params[key].astype(np.float64) for key in ("kernel", "bias"))
        scales = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        assert (params["weights"] == np.rint(kernel / scales)).all()
        unit = here.specs[entry].scale * scales
        assert np.abs(params["bias"] * unit - bias).max() <= unit.max() / 2
        assert params["factor"] == pytest.approx(unit / here.specs[name].scale, rel=1e-12)
    assert here.layers["t2"].op.groups == 2
    assert here.layers["t2"].op.stride == (2, 2)
    assert here.ops() == [QuantizedConv, QuantizedConv]


@pytest.mark.slow
def test_a_relu_becomes_the_clamp_of_the_layer_before_it():
    here = found(conv(1, 4, 4), RELU, dense(2, 4, 4), (Unary("clip", (0.0, 0.5)), {}), RELU)
    assert list(here.layers) == ["t1", "t3", "t4"]
    assert here.layers["t1"].origin == ("node0", "node1")
    first, second = here.layers["t1"].op.output, here.layers["t3"].op.output
    spec = here.specs["t1"]
    assert (first.rule, first.low, first.high) == ("fixed_point", spec.zero_point, spec.high)
    assert (second.low, second.high) == (0, round(0.5 / here.specs["t3"].scale))
    assert here.tensor("t3").max() == second.high
    assert here.layers["t4"].op == Clamp(0, 2**15 - 1)


@pytest.mark.parametrize("outputs", [("t0", "t1"), None])
def test_an_activation_is_its_own_layer_where_its_input_is_needed(outputs):
    steps = [conv(1, 4, 4), RELU] + ([] if outputs else [(Binary("add"), {}, "t0", "t1")])
    model = model_of(*steps, shape=SHAPE, outputs=outputs)
    here = Found(model)
    assert list(here.layers)[:2] == ["t0", "t1"]
    assert (here.tensor("t1") == np.maximum(here.tensor("t0"), 0)).all()


def test_a_bias_that_dwarfs_the_weights_is_kept():
    """A channel that batch norm has switched off: weights of 1e-9 beside a bias of 3."""
    op, params = conv(1, 4, 4)
    params["kernel"][..., 1] *= 1e-9
    params["kernel"][..., 2] = 0
    params["bias"][1:3] = 3.0
    here = found((op, params), dense(2, 4, 2))
    assert np.abs(here.real("t0")[..., 1:3] - 3).max() <= here.specs["t0"].scale
    assert np.abs(here.quantized.params["t0"]["bias"]).max() <= 2**26 + 1


def test_a_range_far_below_its_inputs_is_refused_with_the_layer():
    steps = ((Binary("add"), {}, "x", "x"), conv(1, 4, 4))
    with pytest.raises(ModelError, match=r"^t0: requantisation factor .* range is far below"):
        found(*steps, ranges={"t0": (0.0, 1e-12)})
    with pytest.raises(ModelError, match=r"^t0: requantisation factor"):
        found(conv(1, 4, 4), conv(2, 4, 4), ranges={"t0": (0.0, 1e-14)})


# Integers beside the array.


@pytest.mark.parametrize("relu", [False, True])
def test_an_addition(relu):
    steps = [conv(1, 4, 4), conv(2, 4, 4), (Binary("add"), {}, "t0", "t1")]
    steps += [RELU] * relu + [conv(4, 4, 2)]
    here = found(*steps)
    name = "t3" if relu else "t2"
    assert here.ops()[2] is Add
    assert (name in here.layers) and ("t2" in here.layers) != relu
    out = here.specs[name]
    total = np.zeros(here.codes("t0").shape, np.int64)
    for branch in ("t0", "t1"):
        spec = here.specs[branch]
        m, e = plain.multiplier_and_exponent(spec.scale / out.scale)
        centred = here.codes(branch) - spec.zero_point
        total += np.vectorize(lambda v, m=m, e=e: oracle.fixed_point(int(v), m, e))(centred)
    low = out.zero_point if relu else out.low
    right = np.clip(total + out.zero_point, low, out.high)
    assert (here.codes(name) == right).all()


def test_an_addition_of_a_tensor_to_itself():
    here = found(conv(1, 4, 4), (Binary("add"), {}, "t0", "t0"), conv(4, 4, 2))
    assert np.abs(here.real("t1") - 2 * here.real("t0")).max() <= 1.5 * here.specs["t1"].scale


def rescaled(here, source, target) -> np.ndarray:
    """Codes of `source` as codes of the tensor `target`."""
    own, out = here.specs[source], here.specs[target]
    return plain.requantized(
        here.codes(source) - own.zero_point,
        "fixed_point",
        own.scale / out.scale,
        out.zero_point,
        out.low,
        out.high,
    )


def test_a_concatenation_brings_its_parts_to_one_scale():
    here = found(
        conv(1, 4, 4),
        (*conv(2, 4, 4), "x"),
        (Concat(2), {}, "t0", "x", "t1", "t0"),
        (*conv(4, 16, 2), "t2"),
        ranges={"t2": (-5.0, 5.0)},
    )
    assert here.ops().count(Rescale) == 3
    parts = [rescaled(here, name, "t2") for name in ("t0", "x", "t1", "t0")]
    assert (here.codes("t2") == np.concatenate(parts, axis=-1)).all()
    assert here.layers["t2"].inputs == ("t0>t2", "x>t2", "t1>t2", "t0>t2")


def test_parts_of_the_same_scale_stay_as_they_are():
    range_of_all = {name: (-3.0, 4.0) for name in ("x", "t0", "t1")}
    here = found(conv(1, 4, 4), (Concat(2), {}, "x", "t0"), conv(2, 8, 2), ranges=range_of_all)
    assert Rescale not in here.ops()
    parts = here.codes("x"), here.codes("t0")
    assert (here.codes("t1") == np.concatenate(parts, axis=-1)).all()


def test_max_pooling_is_on_codes():
    pool = MaxPool((3, 2), (2, 2), ((1, 1), (0, 0)))
    here = found(conv(1, 4, 4), (pool, {}), dense(2, 4, 2))
    assert here.specs["t1"] == here.specs["t0"]
    right = oracle.max_pool(here.codes("t0"), (3, 2), (2, 2), ((1, 1), (0, 0)))
    assert (here.codes("t1") == right).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("op", "window", "stride", "padding"),
    [
        (FloatAveragePool((2, 2), (2, 2)), (2, 2), (2, 2), "VALID"),
        (
            FloatAveragePool((3, 2), (2, 2), ((1, 1), (0, 1)), count_padding=True),
            *((3, 2), (2, 2), ((1, 1), (0, 1))),
        ),
        (FloatAveragePool((2, 1), (2, 2), ((0, 0), (0, 0))), (2, 1), (2, 2), "VALID"),
        (Reduce("mean", (0, 1)), (6, 6), (1, 1), "VALID"),
        (Reduce("mean", (1, 0), keep=False), (6, 6), (1, 1), "VALID"),
    ],
    ids=["plain", "padding counts", "no sides", "mean", "flat mean"],
)
@pytest.mark.parametrize("relu", [False, True])
def test_averages_are_exact_sums(op, window, stride, padding, relu):
    """A ReLU is fused into a pool; behind a mean over the whole image it clamps the codes."""
    here = found(conv(1, 4, 4), (op, {}), *([RELU] * relu), dense(2, 4, 2))
    fused = relu and isinstance(op, FloatAveragePool)
    name = "t2" if fused else "t1"
    source, out = here.specs["t0"], here.specs[name]
    factor = source.scale / out.scale / (window[0] * window[1])
    m, e = plain.multiplier_and_exponent(factor)
    right = oracle.average_pool(
        here.codes("t0"),
        window,
        stride,
        lambda total, count: oracle.fixed_point(total, m, e),
        out.zero_point if fused else out.low,
        out.high,
        padding,
        zero_point_in=source.zero_point,
        zero_point=out.zero_point,
    )
    flat = isinstance(op, Reduce) and not op.keep
    right = right[:, 0, 0] if flat else right
    assert here.tensor(name).shape == right.shape
    assert (here.codes(name) == right).all()
    assert here.ops().count(AveragePool) == 1
    assert here.ops().count(Clamp) == (relu and not fused)


@pytest.mark.parametrize(
    "op",
    [
        FloatAveragePool((2, 2), (1, 1), "SAME"),
        FloatAveragePool((3, 3), (2, 2), ((1, 1), (1, 1))),
        FloatAveragePool((2, 2), (1, 1), dilation=(2, 1)),
        FloatAveragePool((2, 2), (2, 2), ((0, 1), (0, 1)), count_padding=True, tail=(1, 1)),
        Reduce("mean", (2,)),
        Reduce("max", (0, 1)),
        Softmax(2),
        Unary("tanh"),
    ],
    ids=repr,
)
def test_what_is_not_done_in_codes_is_done_on_the_host(op):
    outputs = 1 if op == Reduce("mean", (2,)) else 4
    here = found(conv(1, 4, 4), (op, {}), RELU, conv(2, outputs, 2, size=1))
    assert here.ops() == [QuantizedConv, Dequantize, type(op), Unary, Quantize, QuantizedConv]
    assert [*here.layers] == ["t0", "t0:real", "t1", "t2", "t2:codes", "t3"]
    assert [here.specs[name] is None for name in here.layers] == [False, True, True, True] + [
        False
    ] * 2
    assert (here.tensor("t0:real") == here.specs["t0"].values_of(here.tensor("t0"))).all()
    assert (here.tensor("t2:codes") == here.specs["t2:codes"].codes_of(here.tensor("t2"))).all()
    assert here.specs["t2:codes"].high == 255


def test_a_tensor_is_converted_once_each_way():
    gate = (Binary("mul"), {}, "t0", "t1")
    here = found(
        *(conv(1, 4, 4), SIGMOID, gate, (*conv(2, 4, 4), "t2"), (*conv(3, 4, 4), "t2")),
        (Binary("sub"), {}, "t3", "t4"),
    )
    names = [*here.layers]
    assert names == [
        *("t0", "t0:real", "t1", "t2", "t2:codes", "t3", "t4"),
        *("t3:real", "t4:real", "t5", "t5:codes"),
    ]
    assert here.quantized.graph.outputs == ("t5:codes",)
    assert here.specs["t5:codes"].low == -(2**15)
    assert here.sqnr_db() > 30


def test_a_constant_stays_beside_its_host_layer():
    scale = {"scale": np.array([1, 2, 3, 4], np.float32), "shift": np.ones(4, np.float32)}
    here = found((Affine(), scale), conv(1, 4, 2))
    assert [*here.layers] == ["x:real", "t0", "t0:codes", "t1"]
    assert (here.tensor("t0") == here.tensor("x:real") * scale["scale"] + 1).all()


MOVES = {
    "reshape": (Reshape((12, 12)), lambda x: x.reshape(-1, 12, 12)),
    "transpose": (Transpose((1, 2, 0)), lambda x: x.transpose(0, 2, 3, 1)),
    "slice": (Slice((1, 5, 0), (6, None, 4), (2, -2, 1)), lambda x: x[:, 1:6:2, 5::-2]),
    "take": (Take(1, (0, 0, 3, 5)), lambda x: x[:, :, [0, 0, 3, 5]]),
    "identity": (Identity(), lambda x: x),
    "flatten": (Flatten(), lambda x: x.reshape(len(x), -1)),
}


@pytest.mark.parametrize("name", MOVES)
def test_codes_that_move_stay_codes(name):
    op, right = MOVES[name]
    here = found(conv(1, 4, 4), (op, {}), outputs=("t1",))
    assert here.specs["t1"] == here.specs["t0"]
    assert (here.codes("t1") == right(here.codes("t0"))).all()
    assert here.ops() == [QuantizedConv, type(op)]


def test_padding_is_the_code_of_zero():
    op = Pad(((1, 2), (0, 1), (0, 0)))
    here = found(conv(1, 4, 4), (op, {}), conv(2, 4, 2))
    zero = here.specs["t0"].zero_point
    assert zero != 0
    right = np.pad(here.codes("t0"), ((0, 0), *op.widths), constant_values=zero)
    assert (here.codes("t1") == right).all()
    assert here.layers["t1"].op.value == zero


def test_gaps_are_the_code_of_zero():
    here = found(conv(1, 4, 4), (Spread((1, 2)), {}), conv(2, 4, 2))
    right = np.full((3, 11, 16, 4), here.specs["t0"].zero_point)
    right[:, ::2, ::3] = here.codes("t0")
    assert (here.codes("t1") == right).all()


def test_padding_with_another_number_is_done_on_the_host():
    here = found(conv(1, 4, 4), (Pad(AROUND, 1.5), {}), conv(2, 4, 2))
    assert [*here.layers] == ["t0", "t0:real", "t1", "t1:codes", "t2"]
    assert here.tensor("t1").max() >= 1.5


# How good it is.


def residual_steps() -> tuple:
    return (
        *(conv(1, 4, 4), RELU, conv(3, 4, 4), RELU, conv(5, 4, 4)),
        *((Binary("add"), {}, "t4", "t1"), RELU, (Reduce("mean", (0, 1), keep=False), {})),
        dense(9, 4, 4),
    )


@cache
def residual(act_bits=8, weight_bits=8, encoding="twos_complement", signed=False) -> Found:
    chip = make_chip(
        act_bits=act_bits,
        weight_bits={"binary": 1, "ternary": 2}.get(encoding, weight_bits),
        weight_encoding=encoding,
        act_signed=signed,
        adc_kind="none",
    )
    return found(*residual_steps(), chip=chip)


def test_8_bits_are_good_and_fewer_are_worse():
    by_bits = {bits: residual(bits, bits).sqnr_db() for bits in (8, 6, 4, 2)}
    assert by_bits[8] > 35
    assert by_bits[4] > 12
    assert by_bits[8] > by_bits[6] + 6 > by_bits[4] + 12 > by_bits[2] + 15


@pytest.mark.parametrize("bits", range(2, 8))
def test_every_width_of_weights_and_activations(bits):
    """A bit is worth some 6 dB; 3 are demanded of it, down from 8 bits."""
    least = 35 - 7 * (8 - bits)
    for here in (residual(bits, 8), residual(8, bits)):
        assert here.sqnr_db() > least
        for name, spec in here.specs.items():
            assert here.codes(name).min() >= spec.low
            assert here.codes(name).max() <= spec.high


@pytest.mark.parametrize("encoding", ["offset_binary", "differential"])
@pytest.mark.parametrize("signed", [False, True])
def test_encodings_and_signed_activations_are_as_good(encoding, signed):
    assert residual(encoding=encoding, signed=signed).sqnr_db() > 35


def test_the_chip_itself_computes_the_same_codes():
    narrow = make_chip(
        act_bits=4, act_signed=True, weight_bits=5, weight_encoding="differential", adc_kind="none"
    )
    steps = (conv(1, 4, 4), RELU, conv(2, 4, 4))
    wide, own = found(*steps, chip=narrow), found(*steps, chip=narrow, run_on=narrow)
    assert own.specs == wide.specs
    assert (own.codes("t2") == wide.codes("t2")).all()


@pytest.mark.parametrize(("encoding", "least"), [("ternary", 4), ("binary", 0)])
def test_coarse_weights_still_resemble_the_network(encoding, least):
    here = residual(encoding=encoding)
    assert here.sqnr_db() > least
    (legal,) = {"ternary": [{-1, 0, 1}], "binary": [{-1, 1}]}[encoding]
    assert set(np.unique(here.quantized.params["t1"]["weights"]).tolist()) <= legal


def test_every_layer_is_near_the_float_network():
    here = residual()
    for name in ("t1", "t3", "t6", "t7", "t8"):
        assert here.sqnr_db(name) > 30


def test_origins_name_every_node_of_the_file():
    here = residual()
    origins = [node for layer in here.quantized.graph.layers for node in layer.origin]
    assert set(origins) == {f"node{i}" for i in range(9)}


def test_arguments_stay_as_they_are():
    model = model_of(*residual_steps(), shape=SHAPE)
    before = {n: {k: v.copy() for k, v in p.items()} for n, p in model.params.items()}
    graph = model.graph
    Found(model)
    assert model.graph is graph
    assert all((model.params[n][k] == v).all() for n, p in before.items() for k, v in p.items())
    assert all(model.params[n].keys() == p.keys() for n, p in before.items())


def test_the_quantised_model_has_a_matrix_product_where_the_float_one_had():
    assert isinstance(residual().layers["t8"].op, QuantizedDense)


def test_a_factor_is_the_nearest_of_31_bits():
    here = found(conv(1, 4, 4), (FloatAveragePool((2, 2), (2, 2)), {}), dense(2, 4, 2))
    exact = here.specs["t0"].scale / here.specs["t1"].scale / 4
    assert factor_of(here.quantized.params["t1"]) == pytest.approx(exact, rel=2.0**-31)
