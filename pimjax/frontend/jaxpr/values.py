"""What a variable of a jaxpr stands for while it is lowered.

A constant, a tensor of the model, or a number-by-number function of one tensor that is not yet
written as a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Path = tuple[str, ...]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that does not depend on the input; `owners` are the modules whose arrays it uses.

    A `value` without axes stands for that number everywhere in `shape`.
    """

    value: Any
    shape: Shape
    owners: frozenset[Path] = frozenset()

    @property
    def is_number(self) -> bool:
        """Whether it is one number."""
        return np.ndim(self.value) == 0

    def full(self) -> Any:
        """The array in its shape."""
        if np.shape(self.value) == self.shape:
            return self.value
        return np.broadcast_to(np.asarray(self.value), self.shape)

    def array(self) -> np.ndarray:
        """The array in its shape, float64."""
        return np.asarray(self.full(), np.float64)


def constant(value: Any, owners: frozenset[Path] = frozenset()) -> Constant:
    """The constant of an array; one that is the same number everywhere is kept as that number.

    Arrays of a module keep their axes: what it learned per channel stays so for one channel.
    """
    shape = tuple(np.shape(value))
    if not owners and shape and isinstance(value, np.ndarray) and value.size:
        first = value.ravel()[0]
        if (value == first).all():
            return Constant(np.asarray(first), shape)
    return Constant(value, shape, owners)


@dataclass(frozen=True)
class Tensor:
    """A node's output as a variable shows it: axis i there is axis `order[i]` of the node.

    Axis 0 of a node is the batch. `shape` may be longer than the node's where that has length 1:
    a broadcast that is not carried out yet.
    """

    node: int
    shape: Shape
    order: tuple[int, ...]

    def arranged(self, axes: tuple[int, ...]) -> Tensor:
        """The same numbers, axis i being axis `axes[i]` of this one."""
        shape = tuple(self.shape[axis] for axis in axes)
        return Tensor(self.node, shape, tuple(self.order[axis] for axis in axes))


@dataclass(frozen=True, eq=False)
class Expr:
    """A function of each number of the tensor `root`: a primitive of it, and of constants."""

    primitive: Any
    params: Mapping[str, Any]
    operands: tuple[Value, ...]
    shape: Shape
    is_float: bool
    root: Tensor
    where: str


Value = Constant | Tensor | Expr


@dataclass(frozen=True)
class Failed:
    """What could not be lowered, and why; it counts only where it is used."""

    text: str
    shape: Shape
