"""A network as data flow: operations in order, and the tensors between them.

The same form holds a float network as imported and a quantised one as it runs on a chip; only the
operations differ. Everything here is hashable and static under jit; arrays live beside it, in an
`Image`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pimjax.network.ops.base import Op
from pimjax.network.tensor import TensorSpec

Params = dict[str, Any]
Image = dict[str, Params]
"""Arrays by layer name, then by the operation's name for them."""


@dataclass(frozen=True)
class Input:
    """A tensor that enters: its shape without the batch axis, channels last.

    `tensor` says what its codes stand for; None for a network that takes real numbers.
    """

    name: str
    shape: tuple[int, ...]
    tensor: TensorSpec | None = None


@dataclass(frozen=True)
class Layer:
    """One operation: its name, what it does, and the names of the tensors it reads.

    A tensor has the name of the layer that makes it. `tensor` says what its codes stand for; None
    if they are real numbers. `origin` names the nodes of the imported file that it stands for.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    tensor: TensorSpec | None = None
    origin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Layers in order of execution, between the inputs and the names of the output tensors."""

    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]

    def tensor(self, name: str) -> TensorSpec | None:
        """What the codes of the tensor `name` stand for."""
        return next(item.tensor for item in self._tensors() if item.name == name)

    def consumers(self) -> dict[str, list[Layer]]:
        """The layers that read each tensor."""
        readers: dict[str, list[Layer]] = {item.name: [] for item in self._tensors()}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                readers[name].append(layer)
        return readers

    def _tensors(self) -> tuple[Input | Layer, ...]:
        return (*self.inputs, *self.layers)
