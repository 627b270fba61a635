"""Whether a program from outside fits together: its graph, its readout, its arrays."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np

from pimjax.array.columns import as_columns, require_columns_in_range
from pimjax.array.engines import select
from pimjax.network.container import ProgramError
from pimjax.network.graph import Graph
from pimjax.network.placed import require_placement
from pimjax.network.program import Program
from pimjax.network.shapes import results_by_shape
from pimjax.numerics.codes import require_codes, require_integers


def require_graph(graph: Graph) -> None:
    """Refuses a graph whose tensors have no maker, or two. Raises ProgramError."""
    made: set[str] = set()
    reads: list[tuple[str, tuple[str, ...]]] = [(item.name, ()) for item in graph.inputs]
    for name, inputs in reads + [(layer.name, layer.inputs) for layer in graph.layers]:
        if name in made:
            raise ProgramError(f"two layers or inputs are called {name!r}")
        for tensor in inputs:
            if tensor not in made:
                raise ProgramError(f"layer {name!r} reads {tensor!r}, which none before it makes")
        made.add(name)
    for name in graph.outputs:
        if name not in made:
            raise ProgramError(f"the output {name!r} is made by no layer")
    if not graph.inputs or not graph.outputs:
        raise ProgramError("a network has at least one input and one output")


def require_whole(program: Program) -> None:
    """Refuses a program whose parts do not fit together. Raises ProgramError.

    The readout must be the chip's, the engine must be able to run it, weight codes must be in its
    range, every layer's operation must accept the shapes and types of its inputs and arrays, and
    the shelves of its placement must be its own, inside macros and apart.
    """
    plan = program.plan
    if plan.spec != program.chip.bitline():
        raise ProgramError(f"plan.spec is not the readout of its chip {program.chip.name!r}")
    try:
        columns = any(map(as_columns, program.image.values()))
        select(plan.engine, plan.spec, columns)
        for layer in plan.graph.layers:
            if layer.op.place == "array":
                _require_weights(layer.name, program)
    except (ValueError, TypeError) as error:
        raise ProgramError(str(error)) from None
    count = len(plan.graph.layers)
    if _mistake(program, count):
        # Prefixes of the network work up to the first layer that does not.
        last = bisect_left(range(count), True, key=lambda i: bool(_mistake(program, i + 1)))
        name, mistake = plan.graph.layers[last].name, _mistake(program, last + 1)
        raise ProgramError(f"layer {name!r} does not suit its inputs and arrays: {mistake}")
    try:
        require_placement(program)
    except ValueError as error:
        raise ProgramError(str(error)) from None


def _require_weights(name: str, program: Program) -> None:
    spec = program.plan.spec
    if "weights" not in program.image.get(name, {}):
        raise ProgramError(f"layer {name!r} has no array 'weights'")
    where = f"weights of layer {name!r}"
    codes = require_integers(where, program.image[name]["weights"])
    require_codes(where, codes, *spec.weight_range, spec.weight_step)
    params = program.image[name]
    if "weights_common" in params:
        common = require_integers(f"weights_common of layer {name!r}", params["weights_common"])
        largest = np.abs(np.asarray(codes).astype(np.int64)) + np.asarray(common).astype(np.int64)
        if common.shape != codes.shape or largest.max(initial=0) > spec.weight_range[1]:
            raise ProgramError(
                f"weights_common of layer {name!r}: with the weights it must have their shape and "
                f"fit {spec.weight_range[1]}"
            )
    columns = as_columns(params)
    if columns is not None:
        require_columns_in_range(columns)


def _mistake(program: Program, end: int) -> str:
    """What goes wrong in the first `end` layers; empty where nothing does."""
    plan = program.plan
    graph = replace(plan.graph, layers=plan.graph.layers[:end])
    try:
        results_by_shape(replace(plan, graph=graph), program.image)
    except Exception as error:  # operations raise whatever suits them
        lines = str(error).splitlines() or [""]
        return f"{type(error).__name__}: {lines[0][:200]}"
    return ""
