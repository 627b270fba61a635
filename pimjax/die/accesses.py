"""How often a program's cells are read for one image."""

from __future__ import annotations

from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from pimjax.array.encoding import input_slices
from pimjax.array.rows import input_sums
from pimjax.network.graph import Layer
from pimjax.network.ops import Conv, Dense
from pimjax.network.program import Program
from pimjax.network.run import quantize_input, trace
from pimjax.network.shapes import results_by_shape
from pimjax.numerics.digits import take_digit


def reads_per_image(program: Program) -> dict[str, int]:
    """Times that each cell of a layer is read for one image, by layer on the array; an upper bound.

    Bitline readout: a wordline is driven at most once per input slice of every output position. A
    digit 0 does not drive it, so that real images read less: see `measured_reads`. Digital readout:
    once. *Assumption:* a word read serves all positions of an image.
    """
    results = results_by_shape(program.plan, program.image)
    slices = len(input_slices(program.plan.spec))
    reads = {}
    for layer in program.plan.graph.layers:
        if layer.op.place == "array":
            positions = prod(results[layer.name].output.shape[1:-1])
            once = program.chip.array.readout == "digital"
            reads[layer.name] = 1 if once else positions * slices
    return reads


def measured_reads(program: Program, images: Any) -> dict[str, float]:
    """Times that a cell of a layer is read for one of these images, by layer: the real accesses.

    Mean over the layer's wordlines and the images (float32 (b, h, w, c), as the model takes them)
    of the slices in which a wordline is driven: those whose digit is not 0, padding included. For
    `pj.faults.ReadDisturb(reads=...)`. Digital readout: 1, as in `reads_per_image`.
    """
    if program.chip.array.readout == "digital":
        return {name: float(count) for name, count in reads_per_image(program).items()}
    codes = {name: traced.codes for name, traced in trace(program, images).items()}
    codes[program.plan.graph.inputs[0].name] = quantize_input(np.asarray(images), program.plan)
    return {
        layer.name: _driven(program, layer, codes[layer.inputs[0]]) / len(codes[layer.inputs[0]])
        for layer in program.plan.graph.layers
        if layer.op.place == "array"
    }


def _driven(program: Program, layer: Layer, codes: np.ndarray) -> float:
    """Drives of a layer's wordlines by input codes (b, ...), averaged over its wordlines."""
    op, weights = layer.op, program.image[layer.name]["weights"]
    x, shape = jnp.asarray(codes).astype(jnp.int32), weights.shape
    if isinstance(op, Dense):
        x, shape, op = x.reshape(x.shape[0], -1, 1, x.shape[-1]), (1, 1, *shape), op.as_conv
    assert isinstance(op, Conv)
    x, geometry = op.array_codes(x, shape)
    (top, bottom), (left, right) = geometry.pad
    padded = jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    total = 0
    for digit in input_slices(program.plan.spec):
        driven = (take_digit(padded, digit) != 0).astype(jnp.int32)
        total += int(np.asarray(input_sums(driven, geometry)).astype(np.int64).sum())
    return total / (geometry.k * geometry.groups)


def reads_of(program: Program, names: tuple[str, ...]) -> tuple[float, ...]:
    """The reads per image in the order of the layers' names."""
    reads = reads_per_image(program)
    return tuple(float(reads[name]) for name in names)
