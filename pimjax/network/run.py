"""Running a plan on an image of the memory: one compilation per batch shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.chip.stats import Stats
from pimjax.network.graph import Graph, Image
from pimjax.network.ops.base import Context, Result
from pimjax.network.program import Plan, Program


class Batch(NamedTuple):
    """What a batch of images gave: output codes, and the exact statistics of each array layer."""

    codes: np.ndarray
    stats: dict[str, Stats]


def execute(
    graph: Graph, image: Image, inputs: tuple[jax.Array, ...], context: Context
) -> dict[str, Result]:
    """Every layer's result for input tensors with a batch axis. Traceable.

    Codes rest in the smallest integer type between layers and are int32 inside them.
    """
    tensors = {item.name: value for item, value in zip(graph.inputs, inputs, strict=True)}
    results: dict[str, Result] = {}
    for layer in graph.layers:
        operands = tuple(_widened(tensors[name]) for name in layer.inputs)
        result = layer.op.apply(operands, image.get(layer.name, {}), context)
        if layer.tensor is not None:
            result = result._replace(output=result.output.astype(layer.tensor.dtype))
        results[layer.name], tensors[layer.name] = result, result.output
    return results


def _widened(value: jax.Array) -> jax.Array:
    is_code = jnp.issubdtype(value.dtype, jnp.integer)
    return value.astype(jnp.int32) if is_code else value


@partial(jax.jit, static_argnames=("plan",))
def _outputs(plan: Plan, image: Image, codes: jax.Array) -> tuple[jax.Array, dict[str, Stats]]:
    results = _execute_plan(plan, image, codes)
    stats = {name: result.stats for name, result in results.items() if result.stats is not None}
    return results[plan.graph.outputs[0]].output, stats


@partial(jax.jit, static_argnames=("plan",))
def _traced(plan: Plan, image: Image, codes: jax.Array) -> dict[str, Result]:
    return _execute_plan(plan, image, codes)


def _execute_plan(plan: Plan, image: Image, codes: jax.Array) -> dict[str, Result]:
    return execute(plan.graph, image, (codes,), Context(plan.spec, plan.engine))


def quantize_input(images: Any, plan: Plan) -> np.ndarray:
    """Input codes of real images: round half even(x / scale) + zero point, held to the range.

    Raises ValueError for numbers that are not finite.
    """
    tensor = plan.graph.inputs[0].tensor
    assert tensor is not None
    return tensor.codes_of(images)


def batches(program: Program, images: Any, batch_size: int) -> Iterator[Batch]:
    """Results of real images (b, h, w, c), batch by batch; a short last batch is padded.

    The padding images leave no trace in codes or statistics.
    """
    codes = quantize_input(images, program.plan)
    for start in range(0, len(codes), batch_size):
        part = codes[start : start + batch_size]
        real = len(part)
        if real < batch_size and start > 0:
            part = np.concatenate([part, np.zeros_like(part[:1]).repeat(batch_size - real, 0)])
        outputs, stats = _outputs(program.plan, program.image, jnp.asarray(part))
        kept = {name: stat.first(real) for name, stat in stats.items()}
        yield Batch(np.asarray(outputs)[:real], kept)


def trace(program: Program, images: Any) -> dict[str, Result]:
    """Accumulators, output codes and statistics of every layer for one batch of real images."""
    codes = quantize_input(images, program.plan)
    return _traced(program.plan, program.image, jnp.asarray(codes))
