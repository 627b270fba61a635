"""A compiled network: a static plan and an image of what the memory holds.

The plan (hashable, static under jit) decides every shape and branch. The image is a pytree of
arrays: weight codes as the array reads them, biases, requantisation numbers. Faults and other
settings of a sweep change only the image, so a plan compiles once.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax

from pimjax.array.spec import Bitline
from pimjax.network.ops import Op

Params = dict[str, jax.Array]
Image = dict[str, Params]


@dataclass(frozen=True)
class TensorSpec:
    """What the codes of a tensor stand for: real value = scale (code - zero_point)."""

    scale: float
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class Layer:
    """One operation: its name, what it does, and the names of the tensors it reads.

    A tensor has the name of the layer that makes it; the network's input is "input".
    """

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The static half of a network on a chip: layers in order of execution.

    `engine` names the engine that runs the array's layers, "auto" for the fastest.
    """

    spec: Bitline
    layers: tuple[Layer, ...]
    input: TensorSpec
    output: TensorSpec
    engine: str = "auto"


@dataclass(frozen=True)
class Program:
    """A plan and the image it runs on."""

    plan: Plan
    image: Image

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in order of execution."""
        return tuple(layer.name for layer in self.plan.layers)
