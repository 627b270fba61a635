"""`If` nodes whose condition is known: the nodes of the branch that is taken.

PyTorch writes them around operations that depend on a shape, and folding decides them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pimjax.frontend.onnx.node import Node, decode
from pimjax.frontend.onnx.state import Importer


def is_decided(importer: Importer, node: Node) -> bool:
    """Whether the node is an `If` with a constant condition."""
    return (node.domain, node.op) == ("", "If") and node.given(0) in importer.constants


def taken(
    importer: Importer,
    node: Node,
    opsets: dict[str, int],
    wanted: set[str],
    store: Callable[[Any], np.ndarray],
) -> list[Node]:
    """The branch's nodes, and one for each output that gives it the node's own name.

    The branch's constants and the names that it reads are added to `importer` and `wanted`.
    """
    from onnx import helper

    condition = bool(importer.constants[node.inputs[0]].reshape(()))
    branch = node.get("then_branch" if condition else "else_branch")
    for tensor in branch.initializer:
        importer.constants[tensor.name] = store(tensor)
    protos = list(branch.node)
    for item, name in zip(branch.output, node.outputs, strict=True):
        protos.append(helper.make_node("Identity", [item.name], [name], name=node.name))
    wanted.update(name for proto in protos for name in proto.input)
    return [decode(proto, opsets) for proto in protos]


def outer_names(proto: Any) -> Iterator[str]:
    """Names that the graphs inside a node read, its own among them."""
    for attribute in proto.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from inner.input
                yield from outer_names(inner)
            yield from (item.name for item in graph.output)
