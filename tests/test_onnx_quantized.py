"""Quantised operators of ONNX and ONNX Runtime, one node at a time, with ONNX Runtime as oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

import pimjax as pj
from pimjax.frontend.model import ModelError
from tests.onnx_codes import (
    MICROSOFT,
    assert_runs_as,
    assert_same,
    chip,
    graph,
    imported,
    last,
    runtime,
)
from tests.support import examples

seeds = st.integers(0, 2**31 - 1)
types = st.sampled_from([np.uint8, np.int8])


def every_code(kind) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.arange(limits.min, limits.max + 1).astype(kind)


class Draw:
    """Random scales, zero points and codes of one type."""

    def __init__(self, seed: int, kind=np.uint8) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = kind

    def scale(self, *shape) -> np.ndarray:
        return np.exp(self.rng.uniform(-6, 1, shape)).astype(np.float32)

    def codes(self, *shape, kind=None) -> np.ndarray:
        return self.rng.choice(every_code(kind or self.kind), shape)

    def operand(self, name: str) -> dict[str, np.ndarray]:
        """A scale and a zero point, by name."""
        return {f"{name}_scale": self.scale(), f"{name}_zero": self.codes()}


def triple(name: str) -> list[str]:
    return [name, f"{name}_scale", f"{name}_zero"]


def quantize(name: str) -> list:
    """The node that makes codes of a real input."""
    return [helper.make_node("QuantizeLinear", [f"real_{name}", *triple(name)[1:]], [name])]


def dequantize(name: str = "y", output: str = "real_y"):
    return helper.make_node("DequantizeLinear", triple(name), [output])


def microsoft(op: str, operands: list[str], outputs=("y",), **attributes):
    return helper.make_node(op, operands, list(outputs), domain=MICROSOFT, **attributes)


def on_codes(model, *arrays) -> np.ndarray:
    """What the imported model makes of codes, without a chip."""
    return np.asarray(imported(model)(*map(last, arrays))[0])


# --- functions of one and of two codes, over all codes -------------------------------------------


@examples(10)
@given(seeds, types, st.sampled_from(["QLinearAdd", "QLinearMul"]), st.booleans())
def test_every_pair_of_codes(seed, kind, op, scales_alike):
    """All 65536 pairs: the order of roundings, and the fused multiply-adds of the addition."""
    draw = Draw(seed, kind)
    stored = {**draw.operand("a"), **draw.operand("b"), **draw.operand("y")}
    if scales_alike:  # many results on ties
        stored["b_scale"] = stored["a_scale"]
        stored["y_scale"] = np.float32(1.5) * stored["a_scale"]
    a, b = np.meshgrid(every_code(kind), every_code(kind), indexing="ij")
    nodes = [microsoft(op, [*triple("a"), *triple("b"), *triple("y")[1:]])]
    entering = {"a": a.reshape(1, -1), "b": b.reshape(1, -1)}
    model = graph(nodes, entering, stored)
    wanted = runtime(model, *entering.values())["y"]
    assert_same(on_codes(model, *entering.values()), wanted)


@examples(10)
@given(seeds, types, st.booleans(), st.booleans())
def test_add_that_broadcasts(seed, kind, swapped, by_channel):
    """Where one operand is a single number for each run of the other, the roundings differ."""
    draw = Draw(seed, kind)
    stored = {**draw.operand("a"), **draw.operand("b"), **draw.operand("y")}
    rows, columns = every_code(kind).reshape(1, 256, 1, 1), every_code(kind).reshape(1, 1, 1, 256)
    small, other = (rows, columns) if by_channel else (columns, rows)
    big = np.broadcast_to(other, (1, 256, 1, 256)).copy()
    operands = {"a": big, "b": small} if swapped else {"a": small, "b": big}
    nodes = [microsoft("QLinearAdd", [*triple("a"), *triple("b"), *triple("y")[1:]])]
    model = graph(nodes, operands, stored)
    wanted = runtime(model, *operands.values())["y"]
    assert_same(on_codes(model, *operands.values()), wanted)


@examples(6)
@given(seeds, types, st.booleans())
def test_add_of_a_constant(seed, kind, first):
    draw = Draw(seed, kind)
    stored = {**draw.operand("a"), **draw.operand("b"), **draw.operand("y")}
    stored["b"] = draw.codes(3, 1, 1)
    x = draw.codes(2, 3, 4, 5)
    order = [*triple("b"), *triple("a")] if first else [*triple("a"), *triple("b")]
    model = graph([microsoft("QLinearAdd", [*order, *triple("y")[1:]])], {"a": x}, stored)
    assert_same(on_codes(model, x), runtime(model, x)["y"])


@examples(20)
@given(seeds, types, st.sampled_from(["QLinearLeakyRelu", "QLinearSigmoid"]))
def test_functions_of_one_code(seed, kind, op):
    draw = Draw(seed, kind)
    stored = {**draw.operand("x"), **draw.operand("y")}
    attributes = {"alpha": float(draw.rng.uniform(0, 1))} if "Relu" in op else {}
    x = every_code(kind)[None]
    model = graph([microsoft(op, [*triple("x"), *triple("y")[1:]], **attributes)], {"x": x}, stored)
    assert_same(on_codes(model, x), runtime(model, x)["y"])


@examples(10)
@given(seeds, types)
def test_concat(seed, kind):
    draw = Draw(seed, kind)
    stored = {**draw.operand("a"), **draw.operand("b"), **draw.operand("y")}
    stored |= {"b_scale": stored["y_scale"], "b_zero": stored["y_zero"]}
    a, b = (draw.codes(2, channels, 4, 5) for channels in (2, 3))
    order = [*triple("y")[1:], *triple("a"), *triple("b")]
    model = graph([microsoft("QLinearConcat", order, axis=1)], {"a": a, "b": b}, stored)
    assert_same(on_codes(model, a, b), runtime(model, a, b)["y"])


@examples(6)
@given(seeds, types, st.sampled_from([3, 100]), st.booleans())
def test_softmax(seed, kind, length, close):
    draw = Draw(seed, kind)
    stored = {**draw.operand("x"), "y_scale": np.float32(1 / 256), "y_zero": every_code(kind)[0]}
    x = draw.codes(4, length)
    x = np.clip(x, x.min(), x.min() + 9) if close else x
    attributes = {"axis": -1, "opset": 13}
    nodes = [microsoft("QLinearSoftmax", [*triple("x"), *triple("y")[1:]], **attributes)]
    model = graph(nodes, {"x": x}, stored)
    assert_same(on_codes(model, x), runtime(model, x)["y"])


# --- pooling -------------------------------------------------------------------------------------


@examples(12)
@given(seeds, types, st.integers(1, 9), st.integers(1, 9))
def test_global_average_pool(seed, kind, height, width):
    draw = Draw(seed, kind)
    stored = {**draw.operand("x"), **draw.operand("y")}
    if seed % 2:
        stored["y_scale"] = stored["x_scale"]
    x = draw.codes(2, 5, height, width)
    nodes = [microsoft("QLinearGlobalAveragePool", [*triple("x"), *triple("y")[1:]])]
    model = graph(nodes, {"x": x}, stored)
    assert_same(on_codes(model, x), runtime(model, x)["y"])


@examples(15)
@given(
    seeds,
    types,
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
)
def test_average_pool(seed, kind, window, stride, count_padding):
    draw = Draw(seed, kind)
    stored = {**draw.operand("x"), **draw.operand("y")}
    if seed % 2:
        stored["y_scale"] = stored["x_scale"]
    pads = [int(draw.rng.integers(0, size)) for size in window * 2]
    attributes = {"kernel_shape": window, "strides": stride, "pads": pads}
    attributes["count_include_pad"] = int(count_padding)
    x = draw.codes(2, 5, 7, 6)
    operands = [*triple("x"), *triple("y")[1:]]
    model = graph([microsoft("QLinearAveragePool", operands, **attributes)], {"x": x}, stored)
    assert_same(on_codes(model, x), runtime(model, x)["y"])


# --- between codes and real numbers --------------------------------------------------------------


@examples(15)
@given(seeds, types)
def test_quantize_and_back(seed, kind):
    """Ties, numbers far outside, and the numbers next to ties."""
    draw = Draw(seed, kind)
    stored = draw.operand("y")
    ties = (np.arange(-300, 300) + np.float32(0.5)) * stored["y_scale"]
    near = np.concatenate([np.nextafter(ties, np.float32(s)) for s in (-np.inf, np.inf)])
    wild = draw.rng.normal(size=2000) * stored["y_scale"] * 90
    x = np.concatenate([ties, near, wild, [1e30, -1e30, 0, -0.0]]).astype(np.float32)[None]
    nodes = [*quantize("y"), dequantize()]
    model = graph(nodes, {"real_y": x}, stored, outputs=("y", "real_y_again"))
    model.graph.node[1].output[0] = "real_y_again"
    wanted = runtime(model, x)
    codes, real = (np.asarray(value) for value in imported(model)(x))
    assert_same(codes, wanted["y"])
    assert (real == wanted["real_y_again"]).all()


@examples(10)
@given(seeds, st.sampled_from(["float", "zeros", "positive", "negative"]))
def test_dynamic_quantize_is_done_image_by_image(seed, what):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(3, 400)) * np.exp(rng.uniform(-5, 5, (3, 1)))).astype(np.float32)
    x = {"float": x, "zeros": x * 0, "positive": abs(x), "negative": -abs(x)}[what]
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])]
    model = graph(nodes, {"x": x}, {}, outputs=("y", "scale", "zero"))
    got = [np.asarray(value) for value in imported(model)(x)]
    for image in range(3):
        wanted = runtime(model, x[image : image + 1])
        for value, name in zip(got, ("y", "scale", "zero"), strict=True):
            assert (value[image] == wanted[name]).all()


# --- convolutions and products on the array ------------------------------------------------------

convolutions = st.fixed_dictionaries(
    {
        "groups": st.sampled_from([(1, 3, 4), (2, 2, 3), (6, 1, 1)]),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "padding": st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]),
    }
)
weight_types = st.sampled_from([np.uint8, np.int8])


def conv_case(draw: Draw, settings: dict, weight_kind):
    """(codes x, weights w, attributes of the node)."""
    groups, inner, outer = settings["groups"]
    attributes = {"strides": settings["strides"], "dilations": settings["dilations"]}
    attributes |= {"group": groups, "auto_pad": settings["padding"]}
    if settings["padding"] == "NOTSET":
        attributes["pads"] = draw.rng.integers(0, 3, 4).tolist()
    elif settings["padding"] != "VALID":
        attributes["dilations"] = (1, 1)
    w = draw.codes(groups * outer, inner, *settings["kernel"], kind=weight_kind)
    return draw.codes(2, groups * inner, 7, 6), w, attributes


def weight_operand(draw: Draw, w: np.ndarray, channels: int, per_channel: bool, zero: bool) -> dict:
    scale = draw.scale(channels) if per_channel else draw.scale()
    zeros = draw.codes(kind=w.dtype.type) if zero else w.dtype.type(0)
    zeros = np.full(channels, zeros) if per_channel else zeros
    return {"w": w, "w_scale": scale, "w_zero": zeros}


@examples(10)
@given(seeds, types, weight_types, convolutions, st.booleans(), st.booleans())
def test_qlinear_conv(seed, kind, weight_kind, settings, per_channel, zero):
    """All attributes, zero points of weights too; scales from no clipping to nearly all."""
    draw = Draw(seed, kind)
    weight_kind = np.int8 if kind is np.int8 else weight_kind
    x, w, attributes = conv_case(draw, settings, weight_kind)
    stored = {**draw.operand("x"), **weight_operand(draw, w, len(w), per_channel, zero)}
    stored |= draw.operand("y") | {"bias": draw.rng.integers(-5000, 5000, len(w), np.int32)}
    if seed % 3:
        products = stored["x_scale"] * stored["w_scale"].max()
        stored["y_scale"] = np.float32(products * w[0].size * draw.rng.choice([2, 50]))
    operands = [*triple("x"), *triple("w"), *triple("y")[1:], "bias"]
    nodes = [helper.make_node("QLinearConv", operands, ["y"], **attributes), dequantize()]
    model = graph(nodes, {"x": x}, stored, outputs=("real_y",))
    program = pj.compile(imported(model), chip())
    got = pj.run(program, stored_values(x, stored), codes=True)
    assert_same(got, runtime(model, x, extra=["y"])["y"])


def stored_values(x: np.ndarray, stored: dict) -> np.ndarray:
    """Real numbers of the codes x, channels last, that round to the same codes again."""
    return last((x.astype(np.float64) - stored["x_zero"]) * stored["x_scale"]).astype(np.float32)


def test_qlinear_conv_at_the_extremes():
    """The largest sums there are, a bias at the edge of 32 bits, factors far below and above 1."""
    for code, weight, bias in ((255, -128, -(2**31) + 2**25), (255, 127, 2**31 - 2**25), (0, 5, 7)):
        for scale in (1e-9, 1.0, 1e4):
            x = np.full((1, 16, 5, 5), code, np.uint8)
            stored = {
                **{"x_scale": np.float32(1), "x_zero": np.uint8(0)},
                **{"w": np.full((2, 16, 3, 3), weight, np.int8), "w_scale": np.float32(scale)},
                **{"w_zero": np.int8(0), "y_scale": np.float32(1), "y_zero": np.uint8(100)},
                "bias": np.array([bias, 0], np.int32),
            }
            operands = [*triple("x"), *triple("w"), *triple("y")[1:], "bias"]
            nodes = [helper.make_node("QLinearConv", operands, ["y"]), dequantize()]
            model = graph(nodes, {"x": x}, stored, outputs=("real_y",))
            program = pj.compile(imported(model), chip())
            got = pj.run(program, stored_values(x, stored), codes=True)
            assert_same(got, runtime(model, x, extra=["y"])["y"])


@examples(6)
@given(seeds, types, weight_types, convolutions, st.booleans())
def test_conv_integer(seed, kind, weight_kind, settings, zero):
    draw = Draw(seed, np.uint8)
    x, w, attributes = conv_case(draw, settings, weight_kind)
    zeros = draw.codes(kind=weight_kind) if zero else weight_kind(0)
    stored = {**draw.operand("x"), "w": w, "w_zero": zeros}
    operands = ["x", "w", "x_zero", "w_zero"]
    nodes = [
        *quantize("x"),
        helper.make_node("ConvInteger", operands, ["sums"], **attributes),
        helper.make_node("Cast", ["sums"], ["real_sums"], to=1),
        helper.make_node("Mul", ["real_sums", "factor"], ["y"]),
    ]
    stored["factor"] = draw.scale(1, len(w), 1, 1)
    model = graph(nodes, {"real_x": np.zeros_like(x, np.float32)}, stored)
    real = (x.astype(np.float32) - stored["x_zero"]) * stored["x_scale"]
    trace = assert_runs_as(model, real.astype(np.float32))
    assert trace["sums"].codes.dtype == np.int32


@examples(5)
@given(seeds, types, weight_types, st.booleans(), st.booleans(), st.booleans())
def test_products(seed, kind, weight_kind, per_channel, zero, with_output):
    """QLinearMatMul, QGemm into codes and into real numbers, and MatMulInteger."""
    draw = Draw(seed, kind)
    weight_kind = np.int8 if kind is np.int8 else weight_kind
    inner, outer = (int(n) for n in draw.rng.integers(1, 40, 2))
    x = (draw.rng.normal(size=(3, inner)) * 2).astype(np.float32)
    stored = {**draw.operand("x"), **draw.operand("y"), **draw.operand("z")}
    w = draw.codes(inner, outer, kind=weight_kind)
    stored |= weight_operand(draw, w, outer, per_channel, zero)
    stored |= {"turned": w.T.copy(), "c": draw.rng.integers(-3000, 3000, outer, np.int32)}
    weights, outputs = triple("w"), triple("y")[1:]
    alpha = float(draw.rng.choice([1.0, 0.7]))
    gemm = [*triple("x"), "turned", *weights[1:], "c", *(outputs if with_output else [])]
    nodes = [
        *quantize("x"),
        helper.make_node("QLinearMatMul", [*triple("x"), *weights, *outputs], ["y"]),
        microsoft("QGemm", gemm, ["g"], transB=1, alpha=alpha),
        dequantize(),
    ]
    if with_output:
        nodes.append(helper.make_node("DequantizeLinear", ["g", *outputs], ["real_g"]))
    last_one = "real_g" if with_output else "g"
    nodes.append(helper.make_node("Add", ["real_y", last_one], ["out"]))
    model = graph(nodes, {"real_x": x}, stored, outputs=("out",))
    trace = assert_runs_as(model, x)
    if not with_output:
        assert (trace["g"].codes == runtime(model, x, extra=["g"])["g"]).all()


@pytest.mark.parametrize("weight_kind", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["MatMulInteger", "ConvInteger"])
def test_dynamic_layers(op, weight_kind):
    """As `quantize_dynamic` writes them; every image as if it were alone."""
    draw = Draw(5)
    is_conv = op == "ConvInteger"
    shape = (5, 3, 3, 3) if is_conv else (20, 5)
    x = draw.rng.normal(size=(4, 3, 6, 7) if is_conv else (4, 20)).astype(np.float32)
    x *= np.float32([1, 10, 0.1, 3]).reshape(-1, *[1] * (x.ndim - 1))
    stored = {"w": draw.codes(*shape, kind=weight_kind), "w_zero": weight_kind(9)}
    stored |= {"w_scale": draw.scale(), "bias": draw.scale(5, 1, 1) if is_conv else draw.scale(5)}
    attributes = {"pads": [1, 0, 2, 1]} if is_conv else {}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["codes", "scale", "zero"]),
        helper.make_node(op, ["codes", "w", "zero", "w_zero"], ["sums"], **attributes),
        helper.make_node("Mul", ["scale", "w_scale"], ["factor"]),
        helper.make_node("Cast", ["sums"], ["real"], to=1),
        helper.make_node("Mul", ["real", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
    model = graph(nodes, {"x": x}, stored)
    program = pj.compile(imported(model), chip())
    outputs, trace = pj.run(program, last(x), trace=True)
    for image in range(4):
        wanted = runtime(model, x[image : image + 1], extra=["codes", "sums"])
        assert_same(trace["sums"].codes[image : image + 1], wanted["sums"])
        assert (outputs[image] == last(wanted["y"])[0]).all()
        alone = pj.run(program, last(x)[image : image + 1])
        assert (alone[0] == outputs[image]).all()


# --- QDQ groups ----------------------------------------------------------------------------------


def qdq(name: str) -> list:
    """Quantise and dequantise the tensor `name`; the result is `name`_d."""
    return [
        helper.make_node("QuantizeLinear", [name, *triple(name)[1:]], [f"{name}_q"]),
        helper.make_node("DequantizeLinear", [f"{name}_q", *triple(name)[1:]], [f"{name}_d"]),
    ]


def qdq_model(kind, seed: int, activation: str = "Relu"):
    """Conv, activation, pooling, a chain of real functions, a residual, Gemm: all in QDQ form."""
    draw = Draw(seed, kind)
    x = draw.rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    zero, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    middle = (zero + high + 1) // 2
    stored = {"limit": np.float32(2.5), "floor": np.float32(0), "two": np.float32(2)}
    stored |= {"shape": np.array([0, -1]), "factor": draw.scale(4, 1, 1)}
    norm = {"n_scale": draw.scale(4), "n_bias": draw.scale(4), "n_mean": draw.scale(4)}
    stored |= norm | {"n_var": draw.scale(4)}
    for name, scale, is_positive in (
        *(("x", 0.03, False), ("c", 0.011, True), ("p", 0.011, True), ("b", 0.02, False)),
        *(("s", 0.03, False), ("a", 0.02, False), ("g", 0.05, False), ("m", 0.011, True)),
    ):
        stored |= {f"{name}_scale": np.float32(scale)}
        stored |= {f"{name}_zero": kind(zero if is_positive else middle)}
    w, dense = draw.codes(4, 3, 3, 3, kind=np.int8), draw.codes(4 * 2 * 2, 5, kind=np.int8)
    stored |= {"w": w, "w_scale": draw.scale(4) / 100, "w_zero": np.zeros(4, np.int8)}
    stored |= {"v": dense, "v_scale": np.float32(0.002), "v_zero": np.int8(0)}
    stored |= {"bias": draw.rng.integers(-500, 500, 4, np.int32)}
    stored |= {"bias_scale": stored["x_scale"] * stored["w_scale"]}
    stored |= {"bias_zero": np.zeros(4, np.int32)}
    clip = ["c1", "floor", "limit"] if activation == "Clip" else ["c1"]
    nodes = [
        *qdq("x"),
        helper.make_node("DequantizeLinear", triple("w"), ["w_d"], axis=0),
        helper.make_node("DequantizeLinear", triple("bias"), ["bias_d"], axis=0),
        helper.make_node("DequantizeLinear", triple("v"), ["v_d"]),
        helper.make_node("Conv", ["x_d", "w_d", "bias_d"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node(activation, clip, ["c"]),
        *qdq("c"),
        helper.make_node("MaxPool", ["c_d"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        *qdq("p"),
        helper.make_node("BatchNormalization", ["p_d", *norm, "n_var"], ["b1"]),
        helper.make_node("HardSwish", ["b1"], ["b2"]),
        helper.make_node("Mul", ["b2", "factor"], ["b"]),
        *qdq("b"),
        helper.make_node("Add", ["b_d", "p_d"], ["s"]),
        *qdq("s"),
        helper.make_node("AveragePool", ["s_d"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
        *qdq("a"),
        helper.make_node("Reshape", ["a_d", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v_d"], ["g"]),
        *qdq("g"),
    ]
    return graph(nodes, {"x": x}, stored, outputs=("g_d",)), x


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_qdq_groups(kind):
    model, x = qdq_model(kind, seed=3)
    trace = assert_runs_as(model, x)
    assert {"x_q", "c_q", "p_q", "b_q", "s_q", "a_q", "g_q"} <= set(trace)
    program = pj.compile(imported(model), chip())
    kinds = [type(layer.op).__name__ for layer in program.plan.graph.layers]
    assert kinds.count("Conv") == kinds.count("Dense") == kinds.count("Dequantize") == 1
    assert not {"FloatConv", "FloatDense", "Affine", "Binary", "Unary"} & set(kinds)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_cap_before_quantize_is_a_clamp_of_codes(seed):
    """As ONNX Runtime with no optimisation, but for its float32 sums: at most one code away."""
    model, x = qdq_model(np.uint8, seed, "Clip")
    trace = pj.run(pj.compile(imported(model), chip()), last(x), trace=True)[1]
    wanted = last(runtime(model, x, extra=["c_q"])["c_q"])
    assert np.abs(trace["c_q"].codes.astype(int) - wanted).max() <= 1
    assert trace["c_q"].codes.max() == wanted.max() == round(2.5 / 0.011)


def test_the_lossless_chip_computes_the_same():
    model, x = qdq_model(np.uint8, seed=3)
    assert_runs_as(model, x, "mram-pim-lossless")


def test_real_results_of_dequantised_products():
    """Without QuantizeLinear after it a product is still one of codes, scaled on the host."""
    draw = Draw(1)
    x = draw.rng.normal(size=(2, 3, 5, 5)).astype(np.float32)
    stored = {"x_scale": np.float32(0.03), "x_zero": np.uint8(120), "bias": draw.scale(4)}
    stored |= {"w": draw.codes(4, 3, 3, 3, kind=np.int8), "w_scale": draw.scale(4)}
    stored |= {"w_zero": np.zeros(4, np.int8)}
    nodes = [
        *qdq("x"),
        helper.make_node("DequantizeLinear", triple("w"), ["w_d"], axis=0),
        helper.make_node("Conv", ["x_d", "w_d", "bias"], ["y"]),
    ]
    model = graph(nodes, {"x": x}, stored)
    program = pj.compile(imported(model), chip())
    wanted = last(runtime(model, x)["y"])
    bias_steps = stored["x_scale"] * stored["w_scale"].max()
    assert np.abs(pj.run(program, last(x)) - wanted).max() <= bias_steps
    assert "Conv" in [type(layer.op).__name__ for layer in program.plan.graph.layers]


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_a_network_that_takes_codes_is_given_real_numbers(kind):
    draw = Draw(2, kind)
    x = draw.codes(2, 3, 6, 6)
    stored = {**draw.operand("x"), **draw.operand("y")}
    stored |= weight_operand(draw, draw.codes(4, 3, 3, 3, kind=np.int8), 4, True, False)
    operands = [*triple("x"), *triple("w"), *triple("y")[1:]]
    nodes = [
        helper.make_node("Transpose", ["x_last"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("QLinearConv", operands, ["y"]),
    ]
    model = graph(nodes, {"x_last": last(x)}, stored)
    program = pj.compile(imported(model), chip())
    got = pj.run(program, stored_values(x, stored), codes=True)
    assert got.dtype == kind
    assert_same(got, runtime(model, last(x))["y"])


# --- what cannot be imported ---------------------------------------------------------------------


def refused(nodes, stored, entering=None) -> str:
    x = np.zeros((1, 2, 4, 4), np.float32)
    with pytest.raises(ModelError) as caught:
        imported(graph(nodes, entering or {"real_x": x}, stored))
    return str(caught.value)


STORED = {
    **{"x_scale": np.float32(0.1), "x_zero": np.uint8(3)},
    **{"w": np.ones((4, 2, 3, 3), np.int8), "w_scale": np.float32(0.1), "w_zero": np.int8(0)},
    **{"y_scale": np.float32(0.1), "y_zero": np.uint8(3)},
}
CONV = [*triple("x"), *triple("w"), *triple("y")[1:]]


def test_codes_do_not_enter_real_operators():
    said = refused([*quantize("x"), helper.make_node("Relu", ["x"], ["y"], name="r")], STORED)
    assert "Relu 'r': input 0 'x' holds codes" in said


def test_real_numbers_do_not_enter_operators_on_codes():
    operands = ["real_x", *CONV[1:]]
    said = refused([helper.make_node("QLinearConv", operands, ["y"])], STORED)
    assert "QLinearConv 'y': input 0 'real_x' holds real numbers, not codes" in said


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"x_scale": np.ones(2, np.float32)},
            "x_scale has 2 scales: only weights can",
        ),
        ({"y_scale": np.float32(0)}, "y_scale = 0.0: a positive scale expected"),
        ({"w_scale": np.float32(-1)}, "w_scale = -1.0: a positive scale expected"),
        ({"x_scale": np.float32(np.nan)}, "x_scale[] = nan; finite numbers"),
        ({"w": np.ones((4, 3, 3, 3), np.int8)}, "weights [4, 3, 3, 3] in 1 groups"),
        ({"w": np.ones((4, 2, 3, 3), np.float32)}, "codes of type float32; integers can be"),
    ],
)
def test_what_a_convolution_of_codes_refuses(changed, reason):
    nodes = [*quantize("x"), helper.make_node("QLinearConv", CONV, ["y"])]
    if "x_scale" in changed and changed["x_scale"].size > 1:
        nodes[0] = helper.make_node("QuantizeLinear", ["real_x", *triple("y")[1:]], ["x"])
    assert reason in refused(nodes, STORED | changed)


def test_other_refusals():
    gemm = microsoft("QGemm", [*CONV[:6], "", *CONV[6:]], transA=1)
    assert "transA = 1" in refused([*quantize("x"), gemm], STORED)
    pool = microsoft("QLinearGlobalAveragePool", [*CONV[:3], *CONV[6:]], channels_last=1)
    assert "channels_last = 1" in refused([*quantize("x"), pool], STORED)
    codes = {"x": np.zeros((1, 2, 4, 4), np.uint8)}
    said = refused([helper.make_node("Relu", ["x"], ["y"])], {}, codes)
    assert "input 'x' holds UINT8" in said
