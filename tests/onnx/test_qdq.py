"""Groups of real operators between DequantizeLinear and QuantizeLinear, beside ONNX Runtime."""

import ml_dtypes
import numpy as np
import pytest
from onnx import helper, numpy_helper

import pimjax as pj
from tests.onnx.codes import (
    Draw,
    assert_runs_as,
    chip,
    dequantize,
    every_code,
    graph,
    imported,
    last,
    quantize,
    runtime,
    triple,
)


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


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_as_training_tools_write_them(bits):
    """Scales as Constant nodes, real or 4-bit weights, a bias in real numbers."""
    draw = Draw(4)
    x = draw.rng.normal(size=(2, 3, 6, 6)).astype(np.float32)
    real = draw.rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    scale = np.abs(real).max((1, 2, 3)) / np.float32(2 ** (bits - 1) - 1)
    constants = {"x_scale": np.float32(0.03), "x_zero": np.uint8(120), "w_scale": scale}
    constants |= {"w_zero": np.zeros(4, np.int8)}
    constants |= {"y_scale": np.float32(0.05), "y_zero": np.uint8(128)}
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(array)))
        for name, array in constants.items()
    ]
    codes = np.rint(real / scale.reshape(-1, 1, 1, 1))
    stored = {"bias": draw.rng.normal(size=4).astype(np.float32)}
    if bits == 8:
        stored["w"] = real
        nodes.append(helper.make_node("QuantizeLinear", triple("w"), ["w_q"], axis=0))
        nodes.append(
            helper.make_node("DequantizeLinear", ["w_q", *triple("w")[1:]], ["w_d"], axis=0)
        )
    else:
        stored["w"] = codes.astype(ml_dtypes.int4)
        nodes.append(helper.make_node("DequantizeLinear", ["w", "w_scale"], ["w_d"], axis=0))
    nodes += [*quantize("x"), dequantize("x", "x_d")]
    nodes += [helper.make_node("Conv", ["x_d", "w_d", "bias"], ["r"])]
    nodes += [helper.make_node("QuantizeLinear", ["r", *triple("y")[1:]], ["y"]), dequantize()]
    model = graph(nodes, {"real_x": x}, stored, outputs=("real_y",))
    if bits == 4:
        model.opset_import[0].version, model.ir_version = 21, 10
    program = pj.compile(imported(model), chip())
    assert (pj.weights(program)["y"] == np.moveaxis(codes, (0, 1), (3, 2))).all()
    got = pj.run(program, last(x), codes=True).astype(int)
    assert np.abs(got - last(runtime(model, x, extra=["y"])["y"])).max() <= (bits == 4)


def other_groups(kind, seed: int):
    """Concat, Mul, Sigmoid, LeakyRelu, Pad, Slice, Transpose, MatMul, Softmax in QDQ form."""
    draw = Draw(seed, kind)
    x = draw.rng.normal(size=(2, 4, 6, 6)).astype(np.float32)
    stored = {}
    for name, scale in {"x": 0.02, "l": 0.015, "s": 1 / 256, "m": 0.01, "k": 0.02}.items():
        stored |= {f"{name}_scale": np.float32(scale), f"{name}_zero": draw.codes()}
    for name, scale in {"d": 0.05, "o": 1 / 256, "g": 0.004}.items():
        stored |= {f"{name}_scale": np.float32(scale), f"{name}_zero": draw.codes()}
    stored |= {"o_zero": every_code(kind)[0], "s_zero": every_code(kind)[0]}
    stored |= {"w": draw.codes(6, 5, kind=np.int8), "w_scale": np.float32(0.01)}
    stored |= {"w_zero": np.int8(0), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 1])}
    stored |= {"start": np.array([1]), "stop": np.array([7]), "axis": np.array([2])}
    nodes = [
        *qdq("x"),
        helper.make_node("LeakyRelu", ["x_d"], ["l"], alpha=0.1),
        *qdq("l"),
        helper.make_node("Sigmoid", ["l_d"], ["s"]),
        *qdq("s"),
        helper.make_node("Mul", ["l_d", "s_d"], ["m"]),
        *qdq("m"),
        helper.make_node("Concat", ["m_d", "l_d"], ["k"], axis=1),
        *qdq("k"),
        helper.make_node("Pad", ["k_d", "pads"], ["padded"]),
        helper.make_node("Slice", ["padded", "start", "stop", "axis"], ["cut"]),
        helper.make_node("QuantizeLinear", ["cut", *triple("k")[1:]], ["cut_q"]),
        helper.make_node("DequantizeLinear", ["cut_q", *triple("k")[1:]], ["cut_d"]),
        helper.make_node("GlobalAveragePool", ["cut_d"], ["g"]),
        *qdq("g"),
        helper.make_node("Add", ["k_d", "g_d"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", *triple("k")[1:]], ["a_q"]),
        helper.make_node("DequantizeLinear", ["a_q", *triple("k")[1:]], ["a_d"]),
        helper.make_node("Transpose", ["a_d"], ["turned"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["turned"], ["back"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", triple("w"), ["w_d"]),
        helper.make_node("MatMul", ["back", "w_d"], ["d"]),
        *qdq("d"),
        helper.make_node("Softmax", ["d_d"], ["o"], axis=-1),
        *qdq("o"),
    ]
    return graph(nodes, {"x": x}, stored, outputs=("o_d",)), x


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("seed", range(3))
def test_other_qdq_groups(kind, seed):
    trace = assert_runs_as(*other_groups(kind, seed))
    compared = {"l_q", "s_q", "m_q", "k_q", "cut_q", "g_q", "a_q", "d_q", "o_q"}
    assert compared <= set(trace)
