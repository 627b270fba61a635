"""What an import knows while it walks through the nodes of a file, and how a handler adds to it.

A handler is a function `handler(importer, node)`. It looks its operands up, emits layers and
returns what the node's outputs are, in order: one result or a tuple of them. A result is

- a `Value`: a tensor that depends on the network's inputs, made by a layer (or a tensor that was
  there already: a node that changes nothing adds no layer), or
- a NumPy array: a constant after all, like the shape of a tensor.

A node whose inputs are all constants never comes to its handler, it is evaluated (but for the
operators that `operators.KEPT` names). A handler raises `UnsupportedError` with a phrase that says
what cannot be imported and what is accepted; the walk goes on and reports all of them together. An
attribute that a handler has not asked for with `node.get` or waved through with `node.ignore`
counts as unsupported. To add an operator: a handler, and a line in the table of `operators`.

    def relu(importer: Importer, node: Node) -> Value:
        x = importer.value(node, 0)
        return importer.emit(node, Unary("relu"), (x,), x.shape, x.axes)

Axes. `Value.shape` is the shape in the file, batch first. How the tensor lies in pimjax is written
in `Value.axes`: for every axis after the batch, the axis of the file that it holds, or None for an
axis of length 1 that the file does not have. An image (b, c, h, w) lies channels last: axes
(2, 3, 1). What enters and leaves the network is channels last if it has four axes in the file, and
as in the file otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.network.graph import Image, Input, Layer, Params
from pimjax.network.ops import Reshape, Transpose
from pimjax.network.ops.base import Op
from pimjax.network.tensor import TensorSpec

Axes = tuple[int | None, ...]

LARGEST = 1 << 28
"""Elements of a tensor in the file: more is taken for a mistake in it."""


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the inputs: the layer that makes it, its shape and how it lies.

    `tensor` says what its codes stand for; None for real numbers.
    """

    name: str
    shape: tuple[int, ...]
    axes: Axes
    tensor: TensorSpec | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the axes as they lie, without the batch."""
        return tuple(1 if axis is None else self.shape[axis] for axis in self.axes)

    def place(self, axis: int) -> int:
        """Where the file's axis `axis` lies, counted without the batch, as in the operations."""
        return self.axes.index(axis)


Result = Value | np.ndarray
Handler = Callable[["Importer", Node], Result | tuple[Result, ...]]


def plain(rank: int) -> Axes:
    """The order of the file."""
    return tuple(range(1, rank))


def channels_last(rank: int) -> Axes:
    """The file's axis 1, the channels, moved to the end: (2, 3, 1) for images."""
    return (*range(2, rank), *range(1, min(rank, 2)))


@dataclass
class Importer:
    """Tensors, layers and arrays so far. `batch` is the length of the file's batch axis."""

    batch: int = 1
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    params: Image = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    arranged: dict[tuple[Value, Axes], Value] = field(default_factory=dict)

    def value(self, node: Node, index: int) -> Value:
        """The operand that depends on the inputs. Raises UnsupportedError for a constant."""
        name = node.given(index)
        if name not in self.values:
            found = f"{name!r} is a constant" if name else "is left out"
            raise UnsupportedError(f"input {index} {found}; a tensor computed from inputs can be")
        return self.values[name]

    def constant(self, node: Node, index: int) -> np.ndarray | None:
        """The constant operand; None where it is left out.

        Raises UnsupportedError for one that depends on the network's inputs.
        """
        name = node.given(index)
        if name in self.values:
            raise UnsupportedError(f"input {index} {name!r} is computed; a constant can be")
        return self.constants[name] if name else None

    def weights(self, node: Node, index: int) -> np.ndarray:
        """A constant operand that must be there, as finite float32.

        Raises UnsupportedError, also with the first index that is NaN or infinite.
        """
        array = self.constant(node, index)
        if array is None:
            raise UnsupportedError(f"input {index} is left out")
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32, copy=False)
        if not np.isfinite(narrow.sum(dtype=np.float64)):
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(narrow))[0])
            raise UnsupportedError(
                f"{node.given(index)}{list(at)} = {array[at]}; finite float32 numbers expected"
            )
        return narrow

    def emit(
        self,
        node: Node,
        op: Op,
        inputs: tuple[Value, ...],
        shape: tuple[int, ...],
        axes: Axes,
        params: Params | None = None,
        tensor: TensorSpec | None = None,
        *,
        step: str = "",
        output: int = 0,
    ) -> Value:
        """The tensor of a new layer, of the shape (batch first) and axes given.

        The layer has the name of the node's output number `output`; a layer on the way to it has
        "/" and `step` after that.
        """
        require_size(shape)
        name = self.unused("/".join(filter(None, (node.outputs[output], step))))
        layer = Layer(name, op, tuple(v.name for v in inputs), tensor, (node.name,))
        self.layers.append(layer)
        if params:
            self.params[name] = params
        return Value(name, shape, axes, tensor)

    def arrange(self, node: Node, value: Value, axes: Axes, step: str = "order") -> Value:
        """The tensor with its axes lying so: `value` itself where they do already."""
        if value.axes == axes:
            return value
        key = (value, axes)
        if key not in self.arranged:
            self.arranged[key] = self._arrange(node, value, axes, step)
        return self.arranged[key]

    def _arrange(self, node: Node, value: Value, axes: Axes, step: str) -> Value:
        def put(value: Value, op: Op, axes: Axes) -> Value:
            return self.emit(node, op, (value,), value.shape, axes, tensor=value.tensor, step=step)

        def longer(axes: Axes) -> list[int]:
            return [axis for axis in axes if axis is not None and value.shape[axis] > 1]

        if longer(value.axes) != longer(axes):
            known = tuple(axis for axis in value.axes if axis is not None)
            order = tuple(axis for axis in axes if axis is not None)
            if known != value.axes:
                value = put(value, Reshape(tuple(value.shape[axis] for axis in known)), known)
            value = put(value, Transpose(tuple(known.index(axis) for axis in order)), order)
        if value.axes == axes:
            return value
        return put(value, Reshape(replace(value, axes=axes).lengths), axes)

    def unused(self, name: str) -> str:
        """`name`, with a number after it if a layer or an input has it already."""
        free, count = name, 1
        while free in self.names:
            count += 1
            free = f"{name}_{count}"
        self.names.add(free)
        return free


def require_size(shape: Sequence[int]) -> None:
    """Raises UnsupportedError for a tensor that is empty, or that no memory holds."""
    if shape and min(shape) < 1:
        raise UnsupportedError(f"an empty tensor {list(shape)}")
    if math.prod(shape) >= LARGEST:
        raise UnsupportedError(f"a tensor {list(shape)}; less than {LARGEST} elements can be")


def as_tuple(result: Any) -> tuple[Any, ...]:
    """What a handler returned, as a tuple."""
    return result if isinstance(result, tuple) else (result,)
