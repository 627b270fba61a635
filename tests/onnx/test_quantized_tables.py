"""Functions, pools and conversions of codes, over all codes, with ONNX Runtime as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from tests.onnx.codes import (
    Draw,
    assert_same,
    dequantize,
    every_code,
    graph,
    imported,
    last,
    microsoft,
    quantize,
    runtime,
    triple,
)
from tests.support import examples

seeds = st.integers(0, 2**31 - 1)
types = st.sampled_from([np.uint8, np.int8])


def on_codes(model, *arrays) -> np.ndarray:
    """What the imported model makes of codes, without a chip."""
    return np.asarray(imported(model)(*map(last, arrays))[0])


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


@pytest.mark.slow
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


@pytest.mark.slow
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
