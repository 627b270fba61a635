"""Numbers that change place: transpose, slice, pad, concatenate, split, gather, repeat."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pimjax.frontend.onnx.layout import axis_of, common
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.reshape import axes_of, with_shape
from pimjax.frontend.onnx.state import Axes, Importer, Value, require_size
from pimjax.network.ops import Concat, Pad, Slice, Take


def same(importer: Importer, node: Node) -> Value:
    """The input: Identity, and what inference makes of Dropout."""
    node.ignore("ratio", "seed", "is_test", "consumed_inputs")
    training = importer.constant(node, 2)
    if training is not None and training.any():
        raise UnsupportedError("training_mode = 1; export the model for inference")
    return importer.value(node, 0)


def cast(importer: Importer, node: Node) -> Value:
    """The input, for a cast between floating-point types: all real numbers are float32 here."""
    from onnx import TensorProto

    node.ignore("saturate", "round_mode")
    kind = TensorProto.DataType.Name(node.get("to"))
    if kind not in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"):
        raise UnsupportedError(f"to {kind}; computed tensors stay floating-point")
    return importer.value(node, 0)


def shape_of(importer: Importer, node: Node) -> np.ndarray:
    """The shape as a constant, with the file's batch (1 where it is free)."""
    shape = importer.value(node, 0).shape
    return np.array(shape[node.get("start", 0) : node.get("end")], np.int64)


def size_of(importer: Importer, node: Node) -> np.ndarray:
    """The number of elements as a constant, with the file's batch (1 where it is free)."""
    return np.array(math.prod(importer.value(node, 0).shape), np.int64)


def transpose(importer: Importer, node: Node) -> Value:
    """The same layer with its axes called by other numbers: nothing moves until it has to."""
    x = importer.value(node, 0)
    perm = [int(axis) for axis in node.get("perm", range(len(x.shape))[::-1])]
    if perm[0] != 0:
        raise UnsupportedError(f"perm = {perm} moves the batch; axis 0 must stay the first")
    axes: Axes = tuple(None if axis is None else perm.index(axis) for axis in x.axes)
    return Value(x.name, tuple(x.shape[axis] for axis in perm), axes, x.tensor)


def slice_(importer: Importer, node: Node) -> Value:
    """Slice with constant limits."""
    x = importer.value(node, 0)
    rank = len(x.shape)
    starts, ends = (_numbers(importer, node, i, n) for i, n in ((1, "starts"), (2, "ends")))
    if starts is None or ends is None:
        raise UnsupportedError("starts or ends are left out")
    axes = axes_of(importer, node, rank, 3) or tuple(range(len(starts)))
    steps = _numbers(importer, node, 4, "") or [1] * len(starts)
    cuts = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step).indices(x.shape[axis])
    return sliced(importer, node, x, cuts)


def _numbers(importer: Importer, node: Node, index: int, attribute: str) -> list[int] | None:
    raw = importer.constant(node, index) if node.given(index) else node.get(attribute)
    return None if raw is None else [int(v) for v in np.asarray(raw).reshape(-1)]


def sliced(
    importer: Importer,
    node: Node,
    x: Value,
    cuts: dict[int, tuple[int, int, int]],
    output: int = 0,
) -> Value:
    """`x` cut as Python's range(start, stop, step) along each of the file's axes in `cuts`."""
    full = {axis: (0, length, 1) for axis, length in enumerate(x.shape)}
    counts = {axis: len(range(*cut)) for axis, cut in (full | cuts).items()}
    shape = tuple(counts.values())
    if 0 in shape:
        raise UnsupportedError(f"nothing is left of {list(x.shape)}")
    if cuts.get(0, full[0]) != full[0]:
        raise UnsupportedError("it cuts the batch (axis 0); axes from 1 on can be cut")
    where = [(0, 1, 1) if axis is None else (full | cuts)[axis] for axis in x.axes]
    start, stop, step = zip(*where, strict=True)
    op = Slice(start, tuple(None if end < 0 else end for end in stop), step)
    if shape == x.shape and min(step) > 0:
        return x
    return importer.emit(node, op, (x,), shape, x.axes, tensor=x.tensor, output=output)


def split(importer: Importer, node: Node) -> tuple[Value, ...]:
    """One slice for each output."""
    x = importer.value(node, 0)
    axis = axis_of(node.get("axis", 0), len(x.shape))
    count = node.get("num_outputs", len(node.outputs))
    even = -(-x.shape[axis] // count)
    lengths = _numbers(importer, node, 1, "split") or [even] * count
    ends = np.minimum(np.cumsum([0, *lengths]), x.shape[axis]).tolist()
    parts = itertools.pairwise(ends)
    return tuple(
        sliced(importer, node, x, {axis: (start, stop, 1)}, output)
        for output, (start, stop) in enumerate(parts)
    )


def pad(importer: Importer, node: Node) -> Value:
    """Padding, constant, reflected or repeated; negative amounts crop."""
    x = importer.value(node, 0)
    rank = len(x.shape)
    amounts = _numbers(importer, node, 1, "pads")
    amounts = node.get("paddings") if amounts is None else amounts
    given = importer.constant(node, 2)
    value = float(node.get("value", 0.0)) if given is None else float(given.reshape(()))
    mode = node.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        raise UnsupportedError(f"mode = {mode!r}; constant, reflect and edge can be")
    axes = axes_of(importer, node, rank, 3) or tuple(range(rank))
    pairs = list(zip(amounts[: len(axes)], amounts[len(axes) :], strict=True))
    sides = {axis: (0, 0) for axis in range(rank)} | dict(zip(axes, pairs, strict=True))
    if sides[0] != (0, 0):
        raise UnsupportedError("it pads the batch (axis 0); axes from 1 on can be padded")
    if not any(map(any, sides.values())):
        return x
    if mode != "constant" and min(map(min, sides.values())) < 0:
        raise UnsupportedError(f"negative amounts {list(amounts)} with mode = {mode!r}")
    shape = tuple(length + sum(sides[axis]) for axis, length in enumerate(x.shape))
    widths = tuple((0, 0) if axis is None else sides[axis] for axis in x.axes)
    op = Pad(widths, value, mode)
    return importer.emit(node, op, (x,), shape, x.axes, tensor=x.tensor)


def concat(importer: Importer, node: Node) -> Value:
    """Tensors one after the other."""
    values = [importer.value(node, index) for index in range(len(node.inputs))]
    values = common(importer, node, values)
    first = values[0]
    axis = axis_of(node.get("axis", 1), len(first.shape))
    lengths = [value.shape[axis] for value in values]
    shape = (*first.shape[:axis], sum(lengths), *first.shape[axis + 1 :])
    return importer.emit(node, Concat(first.place(axis)), tuple(values), shape, first.axes)


def gather(importer: Importer, node: Node) -> Value:
    """The elements at constant indices along an axis."""
    x, indices = importer.value(node, 0), importer.constant(node, 1)
    assert indices is not None
    axis = axis_of(node.get("axis", 0), len(x.shape))
    chosen = tuple(int(i) % x.shape[axis] for i in indices.reshape(-1))
    step = "" if indices.ndim == 1 else "take"
    y = taken(importer, node, x, axis, chosen, step)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return with_shape(importer, node, y, shape)


def taken(
    importer: Importer, node: Node, x: Value, axis: int, indices: tuple[int, ...], step: str = ""
) -> Value:
    """The elements `indices` along the file's `axis`."""
    shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
    op = Take(x.place(axis), indices)
    return importer.emit(node, op, (x,), shape, x.axes, tensor=x.tensor, step=step)


def expand(importer: Importer, node: Node) -> Value:
    """Axes of length 1 repeated to the constant shape."""
    x, target = importer.value(node, 0), importer.constant(node, 1)
    assert target is not None
    shape = np.broadcast_shapes(x.shape, tuple(int(n) for n in target))
    if len(shape) > len(x.shape):
        raise UnsupportedError(f"{list(x.shape)} to {list(shape)}: the batch must stay axis 0")
    return _repeated(importer, node, x, [n // m for n, m in zip(shape, x.shape, strict=True)])


def tile(importer: Importer, node: Node) -> Value:
    """Copies side by side along each axis."""
    x, counts = importer.value(node, 0), importer.constant(node, 1)
    assert counts is not None
    return _repeated(importer, node, x, [int(n) for n in counts])


def _repeated(importer: Importer, node: Node, x: Value, counts: list[int]) -> Value:
    if counts[0] != 1:
        raise UnsupportedError("it repeats the batch (axis 0); axes from 1 on can be repeated")
    require_size([n * count for n, count in zip(x.shape, counts, strict=True)])
    axes = [axis for axis, count in enumerate(counts) if count != 1]
    for axis in axes:
        step = "" if axis == axes[-1] else f"axis{axis}"
        indices = tuple(range(x.shape[axis])) * counts[axis]
        x = taken(importer, node, x, axis, indices, step)
    return x
