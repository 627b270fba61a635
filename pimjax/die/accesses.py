"""How often a program's cells are read for one image."""

from __future__ import annotations

from math import prod

from pimjax.array.encoding import input_slices
from pimjax.network.program import Program
from pimjax.network.shapes import results_by_shape


def reads_per_image(program: Program) -> dict[str, int]:
    """Times that each cell of a layer is read for one image, by layer on the array; an upper bound.

    Bitline readout: a wordline is driven at most once per input slice of every output position (a
    digit 0 does not drive it, so that real images read less: `activity` of a fault scales it).
    Digital readout: once. *Assumption:* a word read serves all positions of an image.
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


def reads_of(program: Program, names: tuple[str, ...]) -> tuple[float, ...]:
    """The reads per image in the order of the layers' names."""
    reads = reads_per_image(program)
    return tuple(float(reads[name]) for name in names)
