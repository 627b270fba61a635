"""Operators that move numbers, against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import examples
from tests.tflite.build import Net
from tests.tflite.support import (
    check,
    codes,
    every_code,
    seeds,
    zero_point,
)


@pytest.mark.slow
@examples(10)
@given(seeds, st.booleans())
def test_concatenation_of_uint8_rescales(folder, seed, equal):
    rng = np.random.default_rng(seed)
    scale, zero = rng.uniform(0.01, 0.5, 3), [zero_point(rng, np.uint8) for _ in range(3)]
    if equal:
        scale[1], zero[1] = scale[0], zero[0]
    net = Net()
    net.tensor("x", (1, 4, 8, 8), np.uint8, scale[0], zero[0])
    net.tensor("z", (1, 4, 8, 8), np.uint8, scale[1], zero[1])
    net.tensor("y", (1, 4, 16, 8), np.uint8, scale[2] if not equal else scale[0], zero[2])
    net.operator("QUANTIZE", ["x"], ["z"])
    net.operator("CONCATENATION", ["x", "z"], ["y"], "ConcatenationOptions", axis=2)
    check(folder, net, every_code(np.uint8).reshape(1, 4, 8, 8), ("y", "z"))


def moves():
    """(operator, constants after x, settings, shape of the result) on x (1, 4, 6, 8)."""
    i = np.int32
    return [
        ("RESHAPE", [np.array([1, 24, 8], i)], ("ReshapeOptions", {}), (1, 24, 8)),
        ("EXPAND_DIMS", [np.array(1, i)], ("ExpandDimsOptions", {}), (1, 1, 4, 6, 8)),
        ("TRANSPOSE", [np.array([0, 3, 1, 2], i)], ("TransposeOptions", {}), (1, 8, 4, 6)),
        ("PAD", [np.array([[0, 0], [1, 2], [0, 3], [0, 0]], i)], ("PadOptions", {}), (1, 7, 9, 8)),
        (
            "MIRROR_PAD", [np.array([[0, 0], [1, 3], [2, 0], [0, 0]], i)],
            ("MirrorPadOptions", {"mode": 0}), (1, 8, 8, 8),
        ),
        (
            "MIRROR_PAD", [np.array([[0, 0], [4, 3], [2, 0], [0, 0]], i)],
            ("MirrorPadOptions", {"mode": 1}), (1, 11, 8, 8),
        ),
        (
            "SLICE", [np.array([0, 1, 2, 0], i), np.array([1, 2, -1, 5], i)],
            ("SliceOptions", {}), (1, 2, 4, 5),
        ),
        (
            "STRIDED_SLICE",
            [np.array([0, 1, -3, 0], i), np.array([0, 4, 9, -1], i), np.array([1, 2, 1, 3], i)],
            ("StridedSliceOptions", {"endMask": 1}), (1, 2, 3, 3),
        ),
        (
            "STRIDED_SLICE",
            [np.array([0, 1, -3, 5], i), np.array([1, 4, 9, 8], i), np.array([1, 1, 1, 1], i)],
            ("StridedSliceOptions", {"shrinkAxisMask": 4, "beginMask": 8}), (1, 3, 8),
        ),
        ("DEPTH_TO_SPACE", [], ("DepthToSpaceOptions", {"blockSize": 2}), (1, 8, 12, 2)),
        ("SPACE_TO_DEPTH", [], ("SpaceToDepthOptions", {"blockSize": 2}), (1, 2, 3, 32)),
        *(
            (
                "RESIZE_NEAREST_NEIGHBOR", [np.array(size, i)],
                ("ResizeNearestNeighborOptions", settings), (1, *size, 8),
            )
            for size in [(8, 12), (3, 7), (1, 1), (9, 13)]
            for settings in [{}, {"alignCorners": True}, {"halfPixelCenters": True}]
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("case", moves(), ids=lambda case: f"{case[0]}-{case[2][1]}-{case[3]}")
def test_moves(folder, dtype, case):
    kind, constants, (table, settings), shape = case
    rng = np.random.default_rng(0)
    meaning = () if dtype == np.float32 else (0.25, 7)
    net = Net()
    net.tensor("x", (1, 4, 6, 8), dtype, *meaning)
    names = [net.constant(f"c{i}", data) for i, data in enumerate(constants)]
    net.tensor("y", shape, dtype, *meaning)
    net.operator(kind, ["x", *names], ["y"], table, **settings)
    check(folder, net, rng.integers(0, 128, (2, 4, 6, 8)).astype(dtype))


def test_squeeze_pad_with_a_value_and_split(folder):
    net = Net()
    net.tensor("x", (1, 4, 1, 6), np.int8, 0.5, 3)
    net.tensor("s", (1, 4, 6), np.int8, 0.5, 3)
    net.tensor("p", (1, 6, 7), np.int8, 0.5, 3)
    net.constant("widths", np.array([[0, 0], [1, 1], [0, 1]], np.int32))
    net.constant("value", np.array([-77], np.int8), 0.5, 3)
    net.constant("axis", np.array(1, np.int32))
    for name in ("a", "b"):
        net.tensor(name, (1, 3, 7), np.int8, 0.5, 3)
    net.operator("SQUEEZE", ["x"], ["s"], "SqueezeOptions", squeezeDims=[2])
    net.operator("PADV2", ["s", "widths", "value"], ["p"], "PadV2Options")
    net.operator("SPLIT", ["axis", "p"], ["a", "b"], "SplitOptions", numSplits=2)
    check(folder, net, codes(np.random.default_rng(0), np.int8, (2, 4, 1, 6)), ("a", "b", "p"))
