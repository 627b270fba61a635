"""Whether every sum of a program fits the registers that hold it."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from pimjax.array.bounds import bound_by_codes, bound_by_shape
from pimjax.array.columns import as_columns
from pimjax.chip.arithmetic import require_fitting
from pimjax.network.ops import Conv, Dense
from pimjax.network.program import Program
from pimjax.network.shapes import results_by_shape


def weights_decide(program: Program) -> bool:
    """Whether it takes the weights to show that every accumulator is wide enough."""
    spec = program.plan.spec
    if spec.accumulator_overflow != "error":
        return False
    for layer in program.plan.graph.layers:
        if isinstance(layer.op, Conv | Dense):
            k = prod(program.image[layer.name]["weights"].shape[:-1])
            own = replace(spec, adc=layer.op.adc or spec.adc)
            ideal = as_columns(program.image[layer.name]) is None
            bound = bound_by_shape(own, k) if ideal else bound_by_codes(own, k)
            if bound.bits > spec.accumulator_bits:
                return True
    return False


def require_program_fits(program: Program) -> None:
    """Refuses a program whose accumulators or counts could pass their registers.

    Raises ValueError with the layer's name.
    """
    results = results_by_shape(program.plan, program.image)
    shapes = {item.name: (1, *item.shape) for item in program.plan.graph.inputs}
    shapes |= {name: result.output.shape for name, result in results.items()}
    for layer in program.plan.graph.layers:
        if not isinstance(layer.op, Conv | Dense):
            continue
        params = program.image[layer.name]
        weights = np.asarray(params["weights"])
        x_shape = shapes[layer.inputs[0]]
        conv = layer.op
        if isinstance(conv, Dense):
            x_shape, weights = (1, 1, 1, x_shape[-1]), weights[None, None]
            conv = conv.as_conv
        adc = conv.adc or program.plan.spec.adc
        spec = replace(program.plan.spec, adc=adc)
        geometry, ideal = conv.geometry(x_shape, weights.shape), as_columns(params) is None
        # Cells on both sides of a pair: the weight alone does not bound a column.
        known = None if "weights_common" in params else weights
        require_fitting(spec, geometry, known, layer.name, ideal)
