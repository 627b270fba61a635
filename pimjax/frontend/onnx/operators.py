"""Every operator that can be imported, by domain and name."""

from __future__ import annotations

from pimjax.frontend.onnx import (
    convolution,
    dense,
    elementwise,
    move,
    normalise,
    pool,
    rearrange,
    reshape,
    resize,
)
from pimjax.frontend.onnx.elementwise import binary, many, unary
from pimjax.frontend.onnx.pool import global_pool, reduction
from pimjax.frontend.onnx.quantized.operators import HANDLERS as QUANTIZED
from pimjax.frontend.onnx.state import Handler

FLOAT: dict[str, Handler] = {
    "Abs": unary("abs"),
    "Add": binary("add"),
    "AveragePool": pool.average_pool,
    "BatchNormalization": normalise.batch_norm,
    "Cast": move.cast,
    "Clip": elementwise.clip,
    "Concat": move.concat,
    "Conv": convolution.conv,
    "ConvTranspose": convolution.conv_transpose,
    "DepthToSpace": rearrange.depth_to_space,
    "Div": binary("div"),
    "Dropout": move.same,
    "Elu": unary("elu", alpha=1.0),
    "Exp": unary("exp"),
    "Expand": move.expand,
    "Flatten": reshape.flatten,
    "Floor": unary("floor"),
    "Gather": move.gather,
    "Gelu": elementwise.gelu,
    "Gemm": dense.gemm,
    "GlobalAveragePool": global_pool("mean"),
    "GlobalMaxPool": global_pool("max"),
    "HardSigmoid": unary("hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": unary("hard_swish"),
    "Identity": move.same,
    "LRN": normalise.local_response,
    "LeakyRelu": unary("leaky_relu", alpha=0.01),
    "LogSoftmax": normalise.softmax(log=True),
    "MatMul": dense.matmul,
    "Max": many("max"),
    "MaxPool": pool.max_pool,
    "Mean": many("add", mean=True),
    "Min": many("min"),
    "Mul": binary("mul"),
    "Neg": unary("neg"),
    "PRelu": elementwise.prelu,
    "Pad": move.pad,
    "Pow": binary("pow"),
    "ReduceMax": reduction("max"),
    "ReduceMean": reduction("mean"),
    "ReduceMin": reduction("min"),
    "ReduceSum": reduction("sum"),
    "Relu": unary("relu"),
    "Reshape": reshape.reshape,
    "Resize": resize.resize,
    "Round": unary("round"),
    "Selu": unary("selu", alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "Shape": move.shape_of,
    "Sigmoid": unary("sigmoid"),
    "Size": move.size_of,
    "Slice": move.slice_,
    "Softmax": normalise.softmax(),
    "Softplus": unary("softplus"),
    "SpaceToDepth": rearrange.space_to_depth,
    "Split": move.split,
    "Sqrt": unary("sqrt"),
    "Squeeze": reshape.squeeze,
    "Sub": binary("sub"),
    "Sum": many("add"),
    "Tanh": unary("tanh"),
    "Tile": move.tile,
    "Transpose": move.transpose,
    "Unsqueeze": reshape.unsqueeze,
    "Upsample": resize.upsample,
}
"""ONNX's own operators on real numbers."""

HANDLERS: dict[tuple[str, str], Handler] = {
    **{("", name): handler for name, handler in FLOAT.items()},
    **QUANTIZED,
}
"""To import one more operator: a handler (see `state`), and a line in a table of this module."""

KEPT: frozenset[tuple[str, str]] = frozenset()
"""Operators whose handler is called even where all inputs are constants."""
