"""Running a plan on an image of the memory: one compilation per batch shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from pimjax.array.columns import as_columns
from pimjax.chip.stats import Stats
from pimjax.network.graph import Graph, Image, Input
from pimjax.network.ops import Dequantize
from pimjax.network.ops.base import Context, Result
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec, require_finite
from pimjax.numerics.reals import held


class Traced(NamedTuple):
    """What a layer left: accumulators before the bias, output codes, statistics.

    Accumulators and statistics are None but for layers on the array. The codes are real numbers
    (float32) where the host computes in those.
    """

    accumulator: np.ndarray | None
    codes: np.ndarray
    stats: Stats | None


class Batch(NamedTuple):
    """What a batch of images gave: output codes, and the exact statistics of each array layer."""

    codes: np.ndarray
    stats: dict[str, Stats]


def execute(
    graph: Graph, image: Image, inputs: tuple[jax.Array, ...], context: Context
) -> dict[str, Result]:
    """Every layer's result for input tensors with a batch axis. Traceable.

    Codes rest in the smallest integer type between layers and are int32 inside them. On a chip the
    host's real numbers are rounded layer by layer: neither the batch nor a trace changes a bit.
    """
    tensors = {item.name: value for item, value in zip(graph.inputs, inputs, strict=True)}
    results: dict[str, Result] = {}
    for layer in graph.layers:
        operands = tuple(widened(tensors[name]) for name in layer.inputs)
        result = layer.op.apply(operands, image.get(layer.name, {}), context)
        if layer.tensor is not None:
            result = result._replace(output=result.output.astype(layer.tensor.dtype))
        elif jnp.issubdtype(result.output.dtype, jnp.floating) and context.spec is not None:
            result = result._replace(output=held(result.output))
        results[layer.name], tensors[layer.name] = result, result.output
    return results


def widened(value: jax.Array) -> jax.Array:
    """Codes as int32, real numbers as they are: what operations take."""
    is_code = jnp.issubdtype(value.dtype, jnp.integer)
    return value.astype(jnp.int32) if is_code else value


@partial(jax.jit, static_argnames=("plan", "devices", "full"))
def _run(
    plan: Plan, image: Image, codes: jax.Array, numbers: jax.Array, devices: int, full: bool
) -> dict[str, Result]:
    """Results by layer: of the output and the statistics alone, or with `full` of everything.

    numbers (b,) int32: what the images are called, for the noise of conversions. With several
    devices each one runs the whole network on its share of the images.
    """

    def network(image: Image, codes: jax.Array, numbers: jax.Array) -> dict[str, Result]:
        context = Context(plan.spec, plan.engine, numbers)
        results = execute(plan.graph, image, (codes,), context)
        if full:
            return results
        kept = code_output(plan.graph)[0]
        empty = jnp.zeros((codes.shape[0], 0), jnp.int8)
        return {
            name: Result(result.output if name == kept else empty, None, result.stats)
            for name, result in results.items()
            if name == kept or result.stats is not None
        }

    if devices == 1:
        return network(image, codes, numbers)
    mesh = jax.make_mesh((devices,), ("batch",), (AxisType.Auto,), devices=jax.devices()[:devices])
    share = PartitionSpec("batch")
    in_specs = (PartitionSpec(), share, share)
    sharded = jax.shard_map(network, mesh=mesh, in_specs=in_specs, out_specs=share, check_vma=False)
    return sharded(image, codes, numbers)


def code_output(graph: Graph) -> tuple[str, TensorSpec | None]:
    """The tensor that holds the output as codes, and what they stand for.

    Where the network ends with a conversion to real numbers this is what enters the conversion.
    """
    name = graph.outputs[0]
    last = next((layer for layer in graph.layers if layer.name == name), None)
    if last is not None and last.tensor is None and isinstance(last.op, Dequantize):
        name = last.inputs[0]
    return name, graph.tensor(name)


def require_images(images: Any, entry: Input) -> np.ndarray:
    """`images` as an array (b, ...) of numbers of the shape that the network takes.

    Anything with `shape`, `dtype` and slices along its first axis will do, so that a file may be
    read as it is needed. Raises TypeError for what is no array of numbers, ValueError for another
    shape.
    """
    is_array = hasattr(images, "shape") and isinstance(getattr(images, "dtype", None), np.dtype)
    try:
        values: np.ndarray = images if is_array else np.asarray(images)
    except ValueError as error:  # rows of different lengths
        raise TypeError(f"images: no array of numbers given: {error}") from None
    # JAX's own test knows bfloat16 as well.
    if not any(jnp.issubdtype(values.dtype, kind) for kind in (jnp.integer, jnp.floating)):
        raise TypeError(f"images: dtype {values.dtype} given; real numbers expected")
    if values.shape[1:] != entry.shape or values.ndim != len(entry.shape) + 1:
        expected = ", ".join(["b", *map(str, entry.shape)])
        hint = ""
        if values.ndim == 4 and (*values.shape[2:], values.shape[1]) == entry.shape:
            hint = "; channels come last here: images.transpose(0, 2, 3, 1)"
        elif values.shape == entry.shape:
            hint = "; for one image, give images[None]"
        raise ValueError(f"images: shape {values.shape} given; ({expected}) expected{hint}")
    if len(values) == 0:
        raise ValueError("images: none given; at least one expected")
    return values


def quantize_input(images: Any, plan: Plan, first: int = 0) -> np.ndarray:
    """What enters the network for real images: codes, or float32 for a network that takes those.

    Raises ValueError for numbers that are not finite; `first` is the index of images[0] to name.
    """
    tensor = plan.graph.inputs[0].tensor
    if tensor is None:
        return require_finite(images, first=first)
    return tensor.codes_of(images, first=first)


def _results(
    program: Program, images: np.ndarray, batch_size: int, full: bool, first: int = 0
) -> Iterator[tuple[int, dict[str, Result]]]:
    """(number of real images, results) batch by batch; a short batch is filled up with zeros.

    A single batch is only as large as the images need; images[0] is called `first`. Raises
    ValueError for a wrong `batch_size` or `first`.
    """
    _require_die(program)
    if isinstance(first, bool) or not isinstance(first, int) or first < 0:
        raise ValueError(f"first: {first!r} given; an int >= 0 expected")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size: {batch_size!r} given; an int >= 1 expected")
    devices = min(len(jax.devices()), batch_size, len(images))
    size = min(batch_size, len(images))
    size = -(-size // devices) * devices
    for start in range(0, len(images), size):
        part = quantize_input(images[start : start + size], program.plan, start)
        real = len(part)
        if real < size:
            fill = np.zeros((size - real, *part.shape[1:]), part.dtype)
            part = np.concatenate([part, fill])
        numbers = jnp.asarray(np.arange(first + start, first + start + size, dtype=np.int32))
        yield real, _run(program.plan, program.image, jnp.asarray(part), numbers, devices, full)


def _require_die(program: Program) -> None:
    """Refuses a program whose chip has columns with errors, and that was put on no die."""
    for name, value in program.chip.column_errors:
        if value != 0 and not any(map(as_columns, program.image.values())):
            raise ValueError(
                f"{name} = {value}: columns with errors belong to a die; run what "
                f"pj.inject(program, [], die) returns, or set it to 0"
            )


def batches(program: Program, images: Any, batch_size: int, first: int = 0) -> Iterator[Batch]:
    """Results of real images (b, h, w, c), batch by batch; images[0] is number `first`.

    Neither the size of a batch nor the number of devices that share it leaves a trace in codes or
    statistics. Raises ValueError for images of another shape, or not finite.
    """
    values = require_images(images, only_input(program.plan.graph))
    name = code_output(program.plan.graph)[0]
    for real, results in _results(program, values, batch_size, False, first):
        stats = {
            layer: result.stats.first(real)
            for layer, result in results.items()
            if result.stats is not None
        }
        yield Batch(np.asarray(results[name].output)[:real], stats)


def trace(program: Program, images: Any, batch_size: int = 64, first: int = 0) -> dict[str, Traced]:
    """Accumulators, output codes and statistics of every layer for real images (b, h, w, c)."""
    values = require_images(images, only_input(program.plan.graph))
    parts: dict[str, list[Traced]] = {name: [] for name in program.layers}
    for real, results in _results(program, values, batch_size, True, first):
        for name, result in results.items():
            accumulator = result.accumulator
            parts[name].append(
                Traced(
                    None if accumulator is None else np.asarray(accumulator)[:real],
                    np.asarray(result.output)[:real],
                    None if result.stats is None else result.stats.first(real),
                )
            )
    return {name: _joined(traced) for name, traced in parts.items()}


def _joined(parts: list[Traced]) -> Traced:
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    stats = first.stats
    for part in parts[1:]:
        stats = None if stats is None or part.stats is None else stats + part.stats
    accumulators = [part.accumulator for part in parts if part.accumulator is not None]
    return Traced(
        np.concatenate(accumulators) if accumulators else None,
        np.concatenate([part.codes for part in parts]),
        stats,
    )


def only_input(graph: Graph) -> Input:
    """The input of a network that has one. Raises ValueError."""
    if len(graph.inputs) != 1:
        names = [item.name for item in graph.inputs]
        raise ValueError(f"the network has {len(names)} inputs, {names}; one is supported")
    return graph.inputs[0]


@overload
def run(
    program: Program,
    images: Any,
    batch_size: int = ...,
    codes: bool = ...,
    trace: Literal[False] = ...,
    first: int = ...,
) -> np.ndarray: ...
@overload
def run(
    program: Program,
    images: Any,
    batch_size: int = ...,
    codes: bool = ...,
    *,
    trace: Literal[True],
    first: int = ...,
) -> tuple[np.ndarray, dict[str, Traced]]: ...
def run(
    program: Program,
    images: Any,
    batch_size: int = 64,
    codes: bool = False,
    trace: bool = False,
    first: int = 0,
) -> np.ndarray | tuple[np.ndarray, dict[str, Traced]]:
    """What the network puts out for real images (b, h, w, c): float32 (b, ...), in its own scale.

    With `codes` the integers that the chip leaves in its output buffer, in the network's own type
    and zero point. With `trace` also {layer: (accumulator, output codes, stats)} of every layer.
    `batch_size` images at a time, shared between all devices: memory does not grow with their
    number, and no result depends on either. On a chip with noisy conversions images[0] is number
    `first`: an image draws its noise by its number, so parts of a set give what the whole gives.

    Raises TypeError or ValueError for images of another shape or kind.
    """
    name, tensor = code_output(program.plan.graph)
    if codes and tensor is None:
        raise ValueError(f"codes = True: the output {name!r} holds real numbers, not codes")
    if trace:
        layers = _trace(program, images, batch_size, first)
        outputs = layers[name].codes
    else:
        layers = {}
        outputs = np.concatenate(
            [batch.codes for batch in batches(program, images, batch_size, first)]
        )
    if not codes and tensor is not None:
        outputs = tensor.values_of(outputs)
    return (outputs, layers) if trace else outputs


_trace = trace
