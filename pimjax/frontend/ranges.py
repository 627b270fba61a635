"""Ranges of activations from calibration images: minimum and maximum, percentile, squared error.

Images stream through the float network in batches; of every tensor only its extremes and a fixed
number of samples per image are kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.frontend.model import Model, ModelError
from pimjax.network.graph import Graph, Image
from pimjax.network.ops import Context
from pimjax.network.run import execute, only_input, require_images
from pimjax.network.tensor import require_finite

METHODS = ("minmax", "percentile", "mse")

SAMPLES = 2048
"""Samples of a tensor per image, the same elements of each: all of a smaller one."""

_SMALLEST_RANGE = 1e-30
"""Smaller numbers have no scale in float32 that could be divided by."""

_SHRINKS = np.linspace(1.0, 0.3, 36)


class Seen(NamedTuple):
    """What calibration saw of a tensor: extremes (exact) and samples (images * SAMPLES,)."""

    low: float
    high: float
    samples: np.ndarray


def observe(model: Model, images: Any, batch_size: int = 16) -> dict[str, Seen]:
    """Extremes and samples of every tensor of a float model, inputs included.

    Raises ValueError for images that the network cannot take, that are not finite, or that are
    all zero.
    """
    values = require_images(images, only_input(model.graph))
    lows: dict[str, list[np.ndarray]] = {}
    highs: dict[str, list[np.ndarray]] = {}
    samples: dict[str, list[np.ndarray]] = {}
    size = min(batch_size, len(values))
    lit = False
    for start in range(0, len(values), size):
        part = require_finite(values[start : start + size], "calibration", start)
        real, lit = len(part), lit or bool(part.any())
        if real < size:  # repeats leave the extremes as they are
            part = np.concatenate([part, part[:1].repeat(size - real, 0)])
        for name, (low, high, some) in _observe(
            model.graph, model.params, jnp.asarray(part)
        ).items():
            lows.setdefault(name, []).append(np.asarray(low))
            highs.setdefault(name, []).append(np.asarray(high))
            samples.setdefault(name, []).append(np.asarray(some)[:real].ravel())
    if not lit:
        raise ValueError("calibration: all images are zero; give typical images of the task")
    seen = {}
    for name in lows:
        low, high = float(np.min(lows[name])), float(np.max(highs[name]))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ModelError(
                f"{model.source or 'model'}: the float network gives {low}..{high} at {name} on "
                f"the calibration images; numbers that are not finite cannot be quantised"
            )
        seen[name] = Seen(low, high, np.concatenate(samples[name]))
    return seen


@partial(jax.jit, static_argnames=("graph",))
def _observe(
    graph: Graph, params: Image, images: jax.Array
) -> dict[str, tuple[jax.Array, jax.Array, jax.Array]]:
    results = execute(graph, params, (images,), Context())
    tensors = {graph.inputs[0].name: images}
    tensors |= {name: result.output for name, result in results.items()}
    return {name: (jnp.min(value), jnp.max(value), _some(value)) for name, value in tensors.items()}


def _some(value: jax.Array) -> jax.Array:
    flat = value.reshape(value.shape[0], -1)
    length = flat.shape[1]
    if length <= SAMPLES:
        return flat
    return flat[:, _places(length)]


def _places(length: int) -> np.ndarray:
    """SAMPLES different places of that many, in order.

    Drawn, because any regular stride misses channels of some tensor; the stream of this generator
    is frozen in NumPy, so the same network always gets the same ranges.
    """
    return np.sort(np.random.RandomState(0).permutation(length)[:SAMPLES])


def choose_range(
    seen: Seen, method: str, bits: int, percentile: float = 99.99
) -> tuple[float, float]:
    """(low, high) of the real numbers that codes of `bits` bits shall cover; 0 lies inside.

    "minmax": the extremes. "percentile": that share of the samples on either side, or the extremes
    where only zeros are left. "mse": the shrunken range with the least squared error of rounding
    and clipping over the samples. Raises ValueError for another percentile than 50 .. 100.
    """
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if method == "percentile":
        if not 50 < percentile <= 100:
            raise ValueError(
                f"percentile: {percentile} given; above 50 and at most 100 expected, such as 99.99"
            )
        ends = np.percentile(seen.samples, [100 - percentile, percentile])
        chosen = max(low, min(float(ends[0]), 0.0)), min(high, max(float(ends[1]), 0.0))
        return chosen if chosen[0] < chosen[1] else (low, high)
    if method == "minmax" or np.float32(high - low) < _SMALLEST_RANGE:
        return low, high
    levels = (1 << bits) - 1
    best, best_error = (low, high), np.inf
    samples = seen.samples.astype(np.float32)
    for shrink in _SHRINKS:
        a, b = low * shrink, high * shrink
        scale = np.float32((b - a) / levels)
        zero = np.rint(-a / scale)
        codes = np.clip(np.rint(samples / scale) + zero, 0, levels) - zero
        error = float(np.mean((codes * scale - samples) ** 2))
        if error < best_error:
            best, best_error = (a, b), error
    return best
