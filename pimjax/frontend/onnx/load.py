"""An ONNX file lowered node by node to a model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.onnx import branches, read
from pimjax.frontend.onnx.borders import bind_inputs, bind_outputs, pruned
from pimjax.frontend.onnx.constants import evaluate
from pimjax.frontend.onnx.node import Node, UnsupportedError, decode
from pimjax.frontend.onnx.operators import HANDLERS, KEPT
from pimjax.frontend.onnx.problems import Problems
from pimjax.frontend.onnx.quantized.operators import require_real
from pimjax.frontend.onnx.quantized.qdq import rewritten
from pimjax.frontend.onnx.state import Importer, Result, as_tuple
from pimjax.network.graph import Graph


def load_onnx(path: Path) -> Model:
    """The model of an ONNX file.

    Raises ModelError: one that lists every node that cannot be imported, or one sentence on what is
    wrong with the file.
    """
    proto = read.read(path)
    opsets = read.opsets(proto, path)
    try:
        return _lowered(proto, opsets, path)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except Exception:
        read.check(proto, path)
        raise


def _lowered(proto: Any, opsets: dict[str, int], path: Path) -> Model:
    nodes, wanted = _needed(proto.graph, [decode(node, opsets) for node in proto.graph.node])
    importer = Importer()
    store = partial(read.stored, folder=path.parent)
    for tensor in proto.graph.initializer:
        if tensor.name in wanted:
            importer.constants[tensor.name] = store(tensor)
    nodes = rewritten(nodes, importer.constants, [item.name for item in proto.graph.output])
    wanted.update(name for node in nodes for name in node.inputs)
    bind_inputs(importer, proto.graph, wanted)
    problems = Problems()
    left = nodes[::-1]
    while left:
        node = left.pop()
        if branches.is_decided(importer, node):
            left += branches.taken(importer, node, opsets, wanted, store)[::-1]
        else:
            _lower(importer, node, wanted, problems)
    problems.check()
    outputs = bind_outputs(importer, proto.graph)
    layers = pruned(tuple(importer.layers), outputs)
    kept = {layer.name for layer in layers}
    params = {name: arrays for name, arrays in importer.params.items() if name in kept}
    return Model(Graph(tuple(importer.inputs), layers, outputs), params, str(path))


def _needed(graph: Any, nodes: list[Node]) -> tuple[list[Node], set[str]]:
    """The nodes that the outputs depend on, in order, and the names of the tensors they read."""
    wanted = {item.name for item in graph.output}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(filter(None, node.outputs)):
            kept.append(node)
            wanted.update(filter(None, node.inputs), branches.outer_names(node.proto))
    return kept[::-1], wanted


def _lower(importer: Importer, node: Node, wanted: set[str], problems: Problems) -> None:
    """Binds the node's outputs, or notes why it cannot be imported."""
    present = [name for name in node.inputs if name]
    unknown = [name for name in present if name in problems.unknown]
    missing = [
        name
        for name in present
        if name not in importer.values and name not in importer.constants and name not in unknown
    ]
    if missing:
        raise ModelError(f"node {node.name!r} reads {missing[0]!r}, which nothing before it makes")
    try:
        results = None if unknown else _results(importer, node, present)
        if unknown and (node.domain, node.op) not in HANDLERS:
            problems.unsupported_operator(node)
    except UnsupportedError as error:
        problems.add(node, str(error))
        results = None
    for index, name in enumerate(node.outputs):
        if results is not None and index < len(results):
            _bind(importer, name, results[index])
        elif name in wanted:
            if results is not None:
                problems.add(node, f"its output {index} {name!r} is used; only output 0 can be")
            problems.guess(importer, node, name)


def _results(importer: Importer, node: Node, present: list[str]) -> tuple[Result, ...] | None:
    """What the outputs are; raises UnsupportedError."""
    key = (node.domain, node.op)
    if key not in KEPT and all(name in importer.constants for name in present):
        arrays = [importer.constants[name] if name else None for name in node.inputs]
        return evaluate(node, arrays)
    if key not in HANDLERS:
        raise UnsupportedError("")
    require_real(importer, node)
    results = as_tuple(HANDLERS[key](importer, node))
    if node.unread():
        name = node.unread()[0]
        raise UnsupportedError(f"attribute {name} = {node.attributes[name]!r}")
    return results


def _bind(importer: Importer, name: str, result: Result) -> None:
    if isinstance(result, np.ndarray):
        importer.constants[name] = result
    else:
        importer.values[name] = result
