"""Small nodes with random attributes against ONNX Runtime."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.onnx.support import assert_equal_to_runtime, graph, images, node
from tests.support import examples

pytestmark = pytest.mark.slow

PADDINGS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@st.composite
def windows(draw, transposed=False):
    """Attributes of a window over one or two axes, an image that it fits, and its kernel."""
    rank = draw(st.sampled_from([1, 2, 2]))
    numbers = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    kernel, strides, dilations = draw(numbers), draw(numbers), draw(numbers)
    mode = draw(st.sampled_from(PADDINGS))
    attributes = {"strides": strides, "dilations": dilations, "auto_pad": mode}
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if mode == "NOTSET":
        before, after = (
            [draw(st.integers(0, k - 1 if not transposed else 3)) for k in kernel] for _ in range(2)
        )
        attributes["pads"] = before + after
    if mode.startswith("SAME"):
        # ONNX Runtime has no dilation with these, and no stride beyond the kernel.
        attributes["dilations"], reach = [1] * rank, kernel
        attributes["strides"] = [min(s, k) for s, k in zip(strides, kernel, strict=True)]
    size = [draw(st.integers(1 if transposed else span, 8)) for span in reach]
    return attributes, kernel, size


@given(windows(), st.sampled_from([1, 2, 3]), st.booleans(), st.data())
@examples(12)
def test_conv(window, groups, bias, data):
    attributes, kernel, size = window
    c, n = (groups * data.draw(st.integers(1, 3)) for _ in range(2))
    stored = {"w": images(n, c // groups, *kernel), "b": images(n, seed=1)}
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    model = graph(
        [node("Conv", inputs, group=groups, **attributes)], {"x": ["n", c, *size]}, stored=stored
    )
    assert_equal_to_runtime(model, images(2, c, *size))


@given(windows(transposed=True), st.sampled_from([1, 2]), st.booleans(), st.data())
@examples(15)
def test_conv_transpose(window, groups, bias, data):
    attributes, kernel, size = window
    strides, dilations = attributes["strides"], attributes["dilations"]
    pads = attributes.get("pads", [0] * 2 * len(size))
    extra = None
    if attributes["auto_pad"] == "NOTSET" and data.draw(st.booleans()):
        largest = (max(s, d) - 1 for s, d in zip(strides, dilations, strict=True))
        extra = [data.draw(st.integers(0, most)) for most in largest]
    out = [
        (n - 1) * s + (k - 1) * d + 1 - pads[i] - pads[i + len(size)]
        for i, (n, s, k, d) in enumerate(zip(size, strides, kernel, dilations, strict=True))
    ]
    assume(min(out) > 0)
    c, n = (groups * data.draw(st.integers(1, 3)) for _ in range(2))
    stored = {"w": images(c, n // groups, *kernel), "b": images(n, seed=1)}
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    made = node("ConvTranspose", inputs, group=groups, output_padding=extra, **attributes)
    model = graph([made], {"x": ["n", c, *size]}, stored=stored)
    assert_equal_to_runtime(model, images(2, c, *size))


@given(windows(), st.booleans(), st.booleans(), st.booleans())
@examples(18)
def test_pooling(window, largest, ceil_mode, count_padding):
    attributes, kernel, size = window
    attributes |= {"kernel_shape": kernel, "ceil_mode": int(ceil_mode)}
    if attributes["auto_pad"] != "NOTSET":
        attributes["ceil_mode"] = 0
    if largest:
        made = node("MaxPool", ["x"], **attributes)
    else:
        made = node("AveragePool", ["x"], count_include_pad=int(count_padding), **attributes)
    model = graph([made], {"x": ["n", 2, *size]}, opset=19)
    assert_equal_to_runtime(model, images(2, 2, *size))


@given(
    st.sampled_from(["nearest", "linear"]),
    st.sampled_from(
        ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
    ),
    st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([None, 0.5, 1.5, 2.0, 3.0]),
)
@examples(40)
def test_resize(mode, coordinates, nearest, size, target, scale):
    stored = {"none": np.zeros(0, np.float32), "sizes": np.array([1, 2, *target], np.int64)}
    if scale is not None:
        assume(min(size) * scale >= 1)
        stored["scales"] = np.array([1, 1, scale, scale], np.float32)
    inputs = ["x", "", "scales"] if scale is not None else ["x", "", "", "sizes"]
    made = node(
        "Resize",
        inputs,
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest if mode == "nearest" else None,
    )
    model = graph([made], {"x": [1, 2, *size]}, stored=stored, opset=19)
    assert_equal_to_runtime(model, images(1, 2, *size))


@given(st.sampled_from([1, 2, 3, 4]), st.sampled_from([9, 11, 13]), st.booleans(), st.data())
@examples(14)
def test_softmax_before_and_after_opset_13(rank, opset, log, data):
    lengths = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    axis = data.draw(st.integers(1, rank))
    made = node("LogSoftmax" if log else "Softmax", ["x"], axis=axis)
    model = graph([made], {"x": ["n", *lengths]}, opset=opset)
    assert_equal_to_runtime(model, images(2, *lengths))


@given(
    st.sampled_from(["Add", "Sub", "Mul", "Div"]),
    st.tuples(*[st.integers(1, 3)] * 3),
    st.integers(0, 4),
    st.integers(0, 7),
    st.booleans(),
    st.booleans(),
)
@examples(20)
def test_arithmetic_with_a_constant(op, lengths, rank, kept, first, after_conv):
    """The constant broadcasts along some axes; the tensor may be an image or lie as in the file."""
    shape = [n if kept >> i & 1 else 1 for i, n in enumerate(lengths)]
    constant = np.abs(images(*[1, *shape][4 - rank :])) + np.float32(0.5)
    names = ["c", "t"] if first else ["t", "c"]
    relu = node("Relu", ["x"], ["s"])
    shift = node("Add", ["s", "one"], ["t"])
    stored = {"c": constant, "one": np.float32(1)}
    before = [relu, shift]
    if not after_conv:
        stored["flat"] = np.array([0, -1], np.int64)
        stored["back"] = np.array([0, *lengths], np.int64)
        before += [
            node("Reshape", ["t", "flat"], ["u"]),
            node("Reshape", ["u", "back"], ["v"]),
        ]
        names = ["v" if name == "t" else name for name in names]
    model = graph([*before, node(op, names)], {"x": ["n", *lengths]}, stored=stored)
    assert_equal_to_runtime(model, images(2, *lengths))


@given(st.permutations([1, 2, 3]), st.permutations([1, 2, 3]), st.data())
@examples(10)
def test_shapes_and_orders(first, second, data):
    """Transposes, reshapes and what cares for the order, in a chain."""
    lengths = [data.draw(st.sampled_from([1, 2, 4, 6])) for _ in range(3)]
    stored = {"flat": np.array([0, -1], np.int64)}
    moved = [lengths[axis - 1] for axis in first]
    splits = [n for n in range(1, moved[0] + 1) if moved[0] % n == 0]
    cut = data.draw(st.sampled_from(splits))
    stored["five"] = np.array([0, cut, moved[0] // cut, *moved[1:]], np.int64)
    stored["four"] = np.array([0, moved[0], *moved[1:]], np.int64)
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Transpose", ["r"], ["a"], perm=[0, *first]),
        node("Reshape", ["a", "five"], ["b"]),
        node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["c", "four"], ["d"]),
        node("MaxPool", ["d"], ["e"], kernel_shape=[1, 1]),
        node("Transpose", ["e"], ["f"], perm=[0, *second]),
        node("Softmax", ["f"], ["g"], axis=2),
        node("Reshape", ["g", "flat"], ["y"]),
    ]
    model = graph(nodes, {"x": ["n", *lengths]}, ("y", "d", "g"), stored=stored)
    assert_equal_to_runtime(model, images(2, *lengths))


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_slices_and_pieces(axis):
    """Split, Slice, Gather and Concat along every axis of an image."""
    stored = {
        "parts": np.array([1, 3], np.int64),
        "start": np.array([-1], np.int64),
        "end": np.array([-100], np.int64),
        "axes": np.array([axis], np.int64),
        "step": np.array([-2], np.int64),
        "indices": np.array([[2, 0], [-1, 1]], np.int64),
        "one": np.array(2, np.int64),
    }
    nodes = [
        node("Split", ["x", "parts"], ["a", "b"], axis=axis),
        node("Slice", ["b", "start", "end", "axes", "step"], ["c"]),
        node("Concat", ["a", "b", "c"], ["d"], axis=axis),
        node("Gather", ["d", "indices"], ["e"], axis=axis),
        node("Gather", ["d", "one"], ["f"], axis=axis),
    ]
    model = graph(nodes, {"x": ["n", 4, 4, 4]}, ("a", "d", "e", "f"), stored=stored)
    assert_equal_to_runtime(model, images(2, 4, 4, 4))
