"""How operands come to lie in the same way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Importer, Value, channels_last


def common(importer: Importer, node: Node, values: Sequence[Value]) -> list[Value]:
    """Tensors of one rank, all lying as the first does, or as images if one of them is an image."""
    ranks = {len(value.shape) for value in values}
    if len(ranks) > 1:
        shapes = " and ".join(str(list(value.shape)) for value in values)
        raise UnsupportedError(f"tensors {shapes}; the batch must be axis 0 of all, of equal rank")
    image = channels_last(ranks.pop())
    orders = [value.axes for value in values]
    axes = image if image in orders else orders[0]
    return [importer.arrange(node, value, axes) for value in values]


def constant_like(
    importer: Importer, x: Value, constant: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]]:
    """A constant that broadcasts with `x`, lying as `x` with batch axis 1; and the joint shape."""
    rank = len(x.shape)
    leading = constant.shape[: max(constant.ndim - rank, 0)]
    full = constant.reshape(*[1] * (rank - constant.ndim), *constant.shape[len(leading) :])
    if leading or full.shape[0] != 1:
        raise UnsupportedError(
            f"a constant {list(constant.shape)} with a tensor {list(x.shape)}; the constant must be"
            " the same for the whole batch (axis 0)"
        )
    shape = np.broadcast_shapes(full.shape, x.shape)
    order = [axis for axis in x.axes if axis is not None]
    lengths = [1 if axis is None else full.shape[axis] for axis in x.axes]
    return full.transpose(0, *order).reshape(1, *lengths), shape


def channels_at_end(importer: Importer, node: Node, x: Value) -> Value:
    """The tensor with the file's axis 1 as the last."""
    if x.axes and x.axes[-1] == 1:
        return x
    return importer.arrange(node, x, channels_last(len(x.shape)))


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises UnsupportedError for the batch axis and beyond."""
    if not -rank <= axis < rank:
        raise UnsupportedError(f"axis {axis} of a tensor with {rank} axes")
    if axis % rank == 0:
        raise UnsupportedError(
            "axis 0 is the batch, whose images are independent; axes from 1 on can be"
        )
    return axis % rank
