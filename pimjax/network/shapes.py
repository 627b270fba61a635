"""What a plan would put out, by shape and type alone: nothing is computed, no engine is traced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from pimjax.array.columns import columns_obstacle
from pimjax.array.engines import Counted, Engine
from pimjax.array.geometry import Geometry
from pimjax.array.spec import Adc, Bitline
from pimjax.network.graph import Image
from pimjax.network.ops.base import Context, Result
from pimjax.network.program import Plan
from pimjax.network.run import execute


def results_by_shape(plan: Plan, image: Image, batch: int = 1) -> dict[str, Result]:
    """The result of every layer with shapes and types in place of arrays.

    Statistics know their conversions, but no clip counts. Raises what the operations raise for
    tensors and arrays that do not suit each other.
    """
    entering = tuple(
        jax.ShapeDtypeStruct(
            (batch, *item.shape), jnp.float32 if item.tensor is None else item.tensor.dtype
        )
        for item in plan.graph.inputs
    )
    context = _ShapeContext(plan.spec, images=jnp.zeros(batch, jnp.int32))
    return jax.eval_shape(lambda a, x: execute(plan.graph, a, x, context), image, entering)


def _tile(x: jax.Array, prepared: Any, spec: Bitline, geometry: Geometry, *_: Any) -> Counted:
    height, width = geometry.out
    counts = jnp.zeros((x.shape[0], height), jnp.int32)
    y = jnp.zeros((x.shape[0], height, width, geometry.out_channels), jnp.int32)
    return Counted(y, counts, counts)


# Every engine's results have these shapes; tracing a real one takes ten times as long.
_ZEROS = Engine("shapes", lambda spec: None, lambda w, *_: w, _tile, lambda *_: 0, columns_obstacle)


class _ShapeContext(Context):
    """A context whose engine gives zeros of the right shape."""

    def readout(self, adc: Adc | None, columns: bool = False) -> tuple[Bitline, Engine]:
        assert self.spec is not None
        return (self.spec if adc is None else replace(self.spec, adc=adc)), _ZEROS
