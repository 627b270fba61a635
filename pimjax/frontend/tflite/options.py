"""The settings of each operator that the importer reads, by the names of the schema."""

from __future__ import annotations

from types import ModuleType
from typing import Any

Options = dict[str, Any]

_WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
_DILATION = ("DilationHFactor", "DilationWFactor")
_POOL = ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth"))
_ARITHMETIC = ("FusedActivationFunction",)
_RESIZE = ("AlignCorners", "HalfPixelCenters")
_REDUCE = ("ReducerOptions", ("KeepDims",))

FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ADD": ("AddOptions", _ARITHMETIC),
    "AVERAGE_POOL_2D": _POOL,
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
    "CONV_2D": ("Conv2DOptions", (*_WINDOW, *_DILATION)),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_WINDOW, *_DILATION)),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("FusedActivationFunction", "WeightsFormat")),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "MAX_POOL_2D": _POOL,
    "MEAN": _REDUCE,
    "MIRROR_PAD": ("MirrorPadOptions", ("Mode",)),
    "MUL": ("MulOptions", _ARITHMETIC),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _RESIZE),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", ("BlockSize",)),
    "SPLIT": ("SplitOptions", ("NumSplits",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    ),
    "SUB": ("SubOptions", _ARITHMETIC),
    "SUM": _REDUCE,
    "TRANSPOSE_CONV": ("TransposeConvOptions", _WINDOW),
}
"""Operators with settings: the schema's table, and its fields."""


def read_options(tflite: ModuleType, operator: Any, kind: str) -> Options | None:
    """The settings of a schema `Operator`, {} where it has none; None where the file left them out.

    `tflite` is the package of the schema.
    """
    if kind not in FIELDS:
        return {}
    table, fields = FIELDS[kind]
    union = operator.BuiltinOptions()
    if union is None or operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, table):
        return None
    options = getattr(tflite, table)()
    options.Init(union.Bytes, union.Pos)
    return {field: getattr(options, field)() for field in fields}
