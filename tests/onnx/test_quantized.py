"""Convolutions and products of codes, one node at a time, with ONNX Runtime as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

import pimjax as pj
from tests.onnx.codes import (
    Draw,
    assert_runs_as,
    assert_same,
    chip,
    dequantize,
    graph,
    imported,
    last,
    microsoft,
    quantize,
    runtime,
    stored_values,
    triple,
    weight_operand,
)
from tests.support import examples

seeds = st.integers(0, 2**31 - 1)
types = st.sampled_from([np.uint8, np.int8])

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
