"""Running a plan on an image of the memory: one compilation per batch shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.engines import select
from pimjax.chip.stats import Stats
from pimjax.network.ops.base import Context, Result
from pimjax.network.program import Image, Plan, Program


class Batch(NamedTuple):
    """What a batch of images gave: output codes, and the exact statistics of each array layer."""

    codes: np.ndarray
    stats: dict[str, Stats]


def execute(plan: Plan, image: Image, codes: jax.Array) -> dict[str, Result]:
    """Every layer's result for input codes (b, h, w, c). Traceable."""
    context = Context(plan.spec, select(plan.engine, plan.spec))
    tensors = {"input": codes.astype(jnp.int32)}
    results: dict[str, Result] = {}
    for layer in plan.layers:
        inputs = tuple(tensors[name] for name in layer.inputs)
        result = layer.op.apply(inputs, image.get(layer.name, {}), context)
        results[layer.name], tensors[layer.name] = result, result.codes
    return results


@partial(jax.jit, static_argnames=("plan",))
def _outputs(plan: Plan, image: Image, codes: jax.Array) -> tuple[jax.Array, dict[str, Stats]]:
    results = execute(plan, image, codes)
    stats = {name: result.stats for name, result in results.items() if result.stats is not None}
    return results[plan.layers[-1].name].codes, stats


@partial(jax.jit, static_argnames=("plan",))
def _traced(plan: Plan, image: Image, codes: jax.Array) -> dict[str, Result]:
    return execute(plan, image, codes)


def quantize_input(images: Any, plan: Plan) -> np.ndarray:
    """Input codes of real images: round half even(x / scale) + zero point, held to the range.

    Raises ValueError for numbers that are not finite.
    """
    tensor, values = plan.input, np.asarray(images, np.float32)
    if not np.isfinite(values).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
        raise ValueError(f"images{index} = {values[tuple(index)]}: finite numbers expected")
    codes = np.rint(values / np.float32(tensor.scale)) + tensor.zero_point
    return np.clip(codes, tensor.low, tensor.high).astype(np.int32)


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
