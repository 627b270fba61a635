"""A network as it was imported, float or quantised, before a chip is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.graph import Graph, Image
from pimjax.network.ops.base import Context
from pimjax.network.run import execute


class ModelError(ValueError):
    """A file or module that cannot be imported, in one sentence a mistake."""


@dataclass(frozen=True, eq=False)
class Model:
    """A graph and its arrays (NumPy), images channels last. `source` is the file it came from."""

    graph: Graph
    params: Image
    source: str = ""

    @property
    def is_quantized(self) -> bool:
        """Whether it came with integer weights and needs no calibration."""
        return any(
            isinstance(layer.op, QuantizedConv | QuantizedDense) for layer in self.graph.layers
        )

    def __call__(self, *inputs: Any) -> tuple[jax.Array, ...]:
        """The outputs of a float model, in float32, for inputs with a batch axis."""
        tensors = self.tensors(*inputs)
        return tuple(tensors[name] for name in self.graph.outputs)

    def tensors(self, *inputs: Any) -> dict[str, jax.Array]:
        """Every tensor of a float model by name, inputs included."""
        arrays = tuple(jnp.asarray(value) for value in inputs)
        outputs = _tensors(self.graph, self.params, arrays)
        names = [item.name for item in self.graph.inputs]
        return dict(zip(names, arrays, strict=True)) | outputs


@partial(jax.jit, static_argnames=("graph",))
def _tensors(graph: Graph, params: Image, inputs: tuple[jax.Array, ...]) -> dict[str, jax.Array]:
    results = execute(graph, params, inputs, Context())
    return {name: result.output for name, result in results.items()}
