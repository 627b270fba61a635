"""The operations, by where they are done. To add one: a file, and a line here."""

from pimjax.network.ops.array.conv import Conv
from pimjax.network.ops.array.dense import Dense
from pimjax.network.ops.base import Context, Op, Place, Result
from pimjax.network.ops.digital.add import Add
from pimjax.network.ops.digital.arithmetic import AlignedAdd, Multiply
from pimjax.network.ops.digital.mean import MeanPool, Sum
from pimjax.network.ops.digital.pair_table import PairTable
from pimjax.network.ops.digital.pool import AveragePool, MaxPool
from pimjax.network.ops.digital.rescale import Clamp, Rescale
from pimjax.network.ops.digital.softmax import FixedSoftmax
from pimjax.network.ops.digital.table import Table
from pimjax.network.ops.digital.zero_term import ZeroTerm
from pimjax.network.ops.host.code_pool import CodeAveragePool
from pimjax.network.ops.host.code_softmax import CodeSoftmax
from pimjax.network.ops.host.convert import Dequantize, Quantize
from pimjax.network.ops.host.dynamic import QuantizeImages, RangeScale, RangeZero, ScaleImages
from pimjax.network.ops.host.elementwise import Binary, Unary
from pimjax.network.ops.host.linear import Affine, FloatConv, FloatDense
from pimjax.network.ops.host.quantize_away import QuantizeAway
from pimjax.network.ops.host.reduce import (
    FloatAveragePool,
    Interpolate,
    LocalResponse,
    Reduce,
    Softmax,
)
from pimjax.network.ops.move.shape import (
    Concat,
    Flatten,
    Identity,
    Pad,
    Reshape,
    Slice,
    Spread,
    Take,
    Transpose,
)
from pimjax.network.ops.output import Output

ARRAY: tuple[type[Op], ...] = (Conv, Dense)
DIGITAL: tuple[type[Op], ...] = (
    *(Add, AveragePool, MaxPool, Rescale, Clamp, Table, PairTable),
    *(AlignedAdd, Multiply, MeanPool, Sum, FixedSoftmax, ZeroTerm),
)
MOVES: tuple[type[Op], ...] = (
    *(Reshape, Flatten, Transpose, Slice, Pad, Concat, Take, Spread, Identity),
)
HOST: tuple[type[Op], ...] = (
    *(Quantize, QuantizeAway, Dequantize, FloatConv, FloatDense, Affine, Unary, Binary),
    *(FloatAveragePool, CodeAveragePool, CodeSoftmax, Reduce, Softmax, LocalResponse, Interpolate),
    *(RangeScale, RangeZero, QuantizeImages, ScaleImages),
)
OPS: tuple[type[Op], ...] = (*ARRAY, *DIGITAL, *MOVES, *HOST)

__all__ = [
    "ARRAY",
    "DIGITAL",
    "HOST",
    "MOVES",
    "OPS",
    "Add",
    "Affine",
    "AlignedAdd",
    "AveragePool",
    "Binary",
    "Clamp",
    "CodeAveragePool",
    "CodeSoftmax",
    "Concat",
    "Context",
    "Conv",
    "Dense",
    "Dequantize",
    "FixedSoftmax",
    "Flatten",
    "FloatAveragePool",
    "FloatConv",
    "FloatDense",
    "Identity",
    "Interpolate",
    "LocalResponse",
    "MaxPool",
    "MeanPool",
    "Multiply",
    "Op",
    "Output",
    "Pad",
    "PairTable",
    "Place",
    "Quantize",
    "QuantizeAway",
    "QuantizeImages",
    "RangeScale",
    "RangeZero",
    "Reduce",
    "Rescale",
    "Reshape",
    "Result",
    "ScaleImages",
    "Slice",
    "Softmax",
    "Spread",
    "Sum",
    "Table",
    "Take",
    "Transpose",
    "Unary",
    "ZeroTerm",
]
