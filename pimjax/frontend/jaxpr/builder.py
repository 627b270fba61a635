"""The layers as they are written: nodes by number, and tensors brought into the layout wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pimjax.frontend.jaxpr.values import Constant, Expr, Path, Shape, Tensor
from pimjax.network.ops import Flatten, Identity, Op, Reshape, Take, Transpose

Arrays = dict[str, np.ndarray]


class Unsupported(Exception):
    """What a lowering cannot express."""


@dataclass(frozen=True)
class Node:
    """An operation, the nodes it reads, its arrays, its output's shape without the batch."""

    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    params: Arrays = field(default_factory=dict)
    owners: frozenset[Path] = frozenset()


INPUT = 0


class Builder:
    """Nodes in order of execution; node 0 is the input."""

    def __init__(self, input_shape: Shape, batch: int) -> None:
        self.batch = batch
        self.nodes: dict[int, Node] = {INPUT: Node(Identity(), (), input_shape)}
        self.problems: list[str] = []
        self.written: dict[Expr, Tensor] = {}
        self.input = Tensor(INPUT, (batch, *input_shape), tuple(range(len(input_shape) + 1)))

    def emit(
        self,
        op: Op,
        inputs: tuple[int, ...],
        shape: Shape,
        params: Arrays | None = None,
        owners: frozenset[Path] = frozenset(),
    ) -> int:
        """The number of a new node."""
        number = len(self.nodes)
        self.nodes[number] = Node(op, inputs, shape, params or {}, owners)
        return number

    def plain(self, node: int) -> Tensor:
        """The tensor that shows a node as it is."""
        shape = (self.batch, *self.nodes[node].shape)
        return Tensor(node, shape, tuple(range(len(shape))))

    def problem(self, text: str, shape: Shape) -> Tensor:
        """A stand-in for what cannot be lowered, so that the rest can be looked at."""
        if text not in self.problems:
            self.problems.append(text)
        return self.plain(self.emit(Identity(), (INPUT,), tuple(shape[1:])))

    def solid(self, tensor: Tensor) -> Tensor:
        """The tensor with its broadcasts carried out."""
        node = tensor.node
        for axis, length in zip(tensor.order, tensor.shape, strict=True):
            shape = self.nodes[node].shape
            if axis and shape[axis - 1] != length:
                wider = (*shape[: axis - 1], length, *shape[axis:])
                node = self.emit(Take(axis - 1, (0,) * length), (node,), wider)
        return Tensor(node, tensor.shape, tensor.order)

    def in_order(self, tensor: Tensor, order: tuple[int, ...]) -> Tensor:
        """The tensor with the axis order `order`; broadcasts stay as they are."""
        if tensor.order == order:
            return tensor
        at = [0] * len(order)
        for axis, place in enumerate(order):
            at[place] = tensor.order[axis]
        if at[0] != 0:
            raise Unsupported("the batch axis is moved")
        shape = self.nodes[tensor.node].shape
        moved = tuple(shape[axis - 1] for axis in at[1:])
        node = self.emit(Transpose(tuple(axis - 1 for axis in at[1:])), (tensor.node,), moved)
        return Tensor(node, tensor.shape, order)

    def canonical(self, tensor: Tensor) -> int:
        """The node that holds exactly this tensor, its axes in the variable's order."""
        whole = self.solid(tensor)
        return self.in_order(whole, tuple(range(len(whole.order)))).node

    def reshaped(self, tensor: Tensor, sizes: Shape) -> Tensor:
        """The numbers in the shape `sizes`; the batch stays an axis of its own.

        Axes of length 1 may stand before it.
        """
        tensor = self.solid(tensor)
        long = [place for place, size in zip(tensor.order, tensor.shape, strict=True) if size > 1]
        before = math.prod(sizes[: sizes.index(self.batch)]) if self.batch in sizes else 0
        if long[0] != 0 or before != 1:
            raise Unsupported(f"the batch axis of {tensor.shape} is not one of {sizes}")
        if long != sorted(long):
            rest = [axis for axis in range(len(tensor.order)) if tensor.order[axis] != 0]
            first = tensor.order.index(0)
            tensor = self.plain(self.canonical(tensor.arranged((first, *rest))))
        at = sizes.index(self.batch)
        shape = (*sizes[:at], *sizes[at + 1 :])
        node = tensor.node
        if shape != self.nodes[node].shape:
            flat = len(shape) == 1 and len(self.nodes[node].shape) > 1
            op = Flatten() if flat else Reshape(shape)
            node = self.emit(op, (node,), shape)
        return Tensor(node, sizes, (*range(1, at + 1), 0, *range(at + 1, len(sizes))))

    def model_constant(self, known: Constant, order: tuple[int, ...]) -> np.ndarray:
        """A constant in the node's axes, float64; axes along which it is the same get length 1."""
        if known.is_number:
            return np.full((1,) * len(order), np.asarray(known.value, np.float64))
        array = np.transpose(known.array(), np.argsort(order))
        for axis in range(array.ndim):
            first = array.take([0], axis)
            array = first if (array == first).all() else array
        if array.shape[0] != 1:
            raise Unsupported("a constant differs from image to image of the batch")
        return array


def by_node_axis(order: tuple[int, ...], items: Any) -> list[Any]:
    """Settings by a variable's axes as settings by the node's axes."""
    return [item for _, item in sorted(zip(order, items, strict=True), key=lambda pair: pair[0])]
