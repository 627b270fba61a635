"""The quantised operators that can be imported, by domain and name.

Those of com.microsoft are ONNX Runtime's, as its quantisation tool writes them; those of "pimjax"
come from `quantized_groups`.
"""

from __future__ import annotations

from pimjax.frontend.onnx import quantized_array as array
from pimjax.frontend.onnx import quantized_dynamic as dynamic
from pimjax.frontend.onnx import quantized_elementwise as elementwise
from pimjax.frontend.onnx import quantized_pool as pool
from pimjax.frontend.onnx.quantized_state import HERE, MICROSOFT
from pimjax.frontend.onnx.state import Handler

HANDLERS: dict[tuple[str, str], Handler] = {
    ("", "Cast"): elementwise.cast,
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
    (MICROSOFT, "QuantizeLinear"): elementwise.quantize,
    (HERE, "Clamp"): elementwise.clamp,
    (HERE, "ScaleImages"): dynamic.scale_images,
    (HERE, "Table"): elementwise.table,
}
