"""Quantised files that cannot be imported, and what is said."""

import numpy as np
import pytest
from onnx import helper

from pimjax.frontend.model import ModelError
from tests.onnx.codes import (
    graph,
    imported,
    microsoft,
    quantize,
    triple,
)


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
        ({"x_scale": np.float32(np.nan)}, "x_scale[] = nan; finite float32 numbers"),
        ({"w": np.ones((4, 3, 3, 3), np.int8)}, "weights [4, 3, 3, 3] in 1 groups"),
        ({"w": np.ones((4, 2, 3, 3), np.float32)}, "codes of type float32; integers can be"),
    ],
)
def test_what_a_convolution_of_codes_refuses(changed, reason):
    nodes = [*quantize("x"), helper.make_node("QLinearConv", CONV, ["y"])]
    if "x_scale" in changed and changed["x_scale"].size > 1:
        nodes[0] = helper.make_node("QuantizeLinear", ["real_x", *triple("y")[1:]], ["x"])
    assert reason in refused(nodes, STORED | changed)


def test_all_is_told_of_a_rewritten_file():
    """The convolution and what follows it are rewritten; the last node is unknown."""
    coding = triple("x")[1:]
    nodes = [
        helper.make_node("QuantizeLinear", ["real_x", *coding], ["x"]),
        helper.make_node("DequantizeLinear", triple("x"), ["x_d"]),
        helper.make_node("DequantizeLinear", triple("w"), ["w_d"]),
        helper.make_node("Conv", ["x_d", "w_d"], ["c"], name="conv"),
        helper.make_node("QuantizeLinear", ["c", *coding], ["c_q"]),
        helper.make_node("DequantizeLinear", ["c_q", *coding], ["c_d"]),
        helper.make_node("Flatten", ["c_d"], ["f"]),
        helper.make_node("Frobnicate", ["f"], ["y"], name="frob"),
    ]
    said = refused(nodes, STORED | {"w": np.ones((4, 3, 3, 3), np.int8)})
    assert "QLinearConv 'conv': weights [4, 3, 3, 3] in 1 groups" in said
    assert "Frobnicate 'frob': this operator is not supported" in said


def test_other_refusals():
    gemm = microsoft("QGemm", [*CONV[:6], "", *CONV[6:]], transA=1)
    assert "transA = 1" in refused([*quantize("x"), gemm], STORED)
    pool = microsoft("QLinearGlobalAveragePool", [*CONV[:3], *CONV[6:]], channels_last=1)
    assert "channels_last = 1" in refused([*quantize("x"), pool], STORED)
    codes = {"x": np.zeros((1, 2, 4, 4), np.uint8)}
    said = refused([helper.make_node("Relu", ["x"], ["y"])], {}, codes)
    assert "input 'x' holds UINT8" in said
