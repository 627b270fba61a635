"""The operators that are imported, by the schema's name."""

from __future__ import annotations

from collections.abc import Callable

from pimjax.frontend.tflite import (
    arithmetic,
    arrays,
    moves,
    pool,
    softmax,
    tables,
    transposed,
)
from pimjax.frontend.tflite.node import Lowered, Node

OPERATORS: dict[str, Callable[[Node], Lowered]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": pool.average_pool,
    "CONCATENATION": moves.concatenate,
    "CONV_2D": arrays.conv,
    "DEPTHWISE_CONV_2D": arrays.depthwise,
    "DEPTH_TO_SPACE": moves.depth_to_space,
    "DEQUANTIZE": arithmetic.dequantize,
    "EXPAND_DIMS": moves.reshape,
    "FULLY_CONNECTED": arrays.dense,
    "HARD_SWISH": tables.hard_swish,
    "LEAKY_RELU": tables.leaky_relu,
    "LOGISTIC": tables.logistic,
    "MAX_POOL_2D": pool.max_pool,
    "MEAN": pool.mean,
    "MIRROR_PAD": moves.mirror_pad,
    "MUL": arithmetic.multiply,
    "PAD": moves.pad,
    "PADV2": moves.pad,
    "PRELU": tables.prelu,
    "QUANTIZE": arithmetic.quantize,
    "RELU": arithmetic.relu,
    "RELU6": arithmetic.relu6,
    "RELU_0_TO_1": arithmetic.relu_0_to_1,
    "RELU_N1_TO_1": arithmetic.relu_n1_to_1,
    "RESHAPE": moves.reshape,
    "RESIZE_NEAREST_NEIGHBOR": moves.resize_nearest,
    "SLICE": moves.box,
    "SOFTMAX": softmax.softmax,
    "SPACE_TO_DEPTH": moves.space_to_depth,
    "SPLIT": moves.split,
    "SQUEEZE": moves.reshape,
    "STRIDED_SLICE": moves.strided_slice,
    "SUB": arithmetic.subtract,
    "SUM": pool.total,
    "TANH": tables.tanh,
    "TRANSPOSE": moves.transpose,
    "TRANSPOSE_CONV": transposed.transposed_conv,
}
