"""The quantised operators that can be imported, by domain and name.

Those of com.microsoft are ONNX Runtime's, as its quantisation tool writes them; those of "pimjax"
come from rewriting QDQ files (see `qdq`).
"""

from __future__ import annotations

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized import array, dynamic, elementwise, pool
from pimjax.frontend.onnx.quantized.moves import MOVES
from pimjax.frontend.onnx.quantized.softmax import softmax
from pimjax.frontend.onnx.quantized.state import HERE, MICROSOFT
from pimjax.frontend.onnx.state import Handler, Importer

HANDLERS: dict[tuple[str, str], Handler] = {
    ("", "Cast"): elementwise.cast,
    ("", "Concat"): elementwise.plain_concat,
    ("", "ConvInteger"): array.conv_integer,
    ("", "DequantizeLinear"): elementwise.dequantize,
    ("", "DynamicQuantizeLinear"): dynamic.dynamic_quantize,
    ("", "MatMulInteger"): array.matmul_integer,
    ("", "QLinearConv"): array.qlinear_conv,
    ("", "QLinearMatMul"): array.qlinear_matmul,
    ("", "QuantizeLinear"): elementwise.quantize,
    (MICROSOFT, "DequantizeLinear"): elementwise.dequantize,
    (MICROSOFT, "QGemm"): array.qgemm,
    (MICROSOFT, "QLinearAdd"): elementwise.add,
    (MICROSOFT, "QLinearAveragePool"): pool.average_pool,
    (MICROSOFT, "QLinearConcat"): elementwise.concat,
    (MICROSOFT, "QLinearGlobalAveragePool"): pool.global_average_pool,
    (MICROSOFT, "QLinearLeakyRelu"): elementwise.leaky_relu,
    (MICROSOFT, "QLinearMul"): elementwise.multiply,
    (MICROSOFT, "QLinearSigmoid"): elementwise.sigmoid,
    (MICROSOFT, "QLinearSoftmax"): softmax,
    (MICROSOFT, "QuantizeLinear"): elementwise.quantize,
    (HERE, "Clamp"): elementwise.clamp,
    (HERE, "ScaleImages"): dynamic.scale_images,
    (HERE, "Table"): elementwise.table,
}

TAKE_CODES = frozenset((*HANDLERS, *(("", name) for name in MOVES if name != "Relu")))
TAKE_CODES |= {("", name) for name in ("Expand", "Shape", "Size", "Tile")}
"""Operators that codes may enter."""


def require_real(importer: Importer, node: Node) -> None:
    """Raises UnsupportedError where codes enter an operator of real numbers."""
    mode = node.attributes.get("mode", "nearest")
    if (node.domain, node.op) in TAKE_CODES and not (node.op == "Resize" and mode != "nearest"):
        return
    for index, name in enumerate(node.inputs):
        if name in importer.values and importer.values[name].tensor is not None:
            raise UnsupportedError(
                f"input {index} {name!r} holds codes; real numbers (DequantizeLinear) can enter"
            )
