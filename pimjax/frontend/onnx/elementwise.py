"""Element by element: activations, and arithmetic of tensors and constants."""

from __future__ import annotations

from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.state import Importer, Value
from pimjax.network.ops import Unary


def relu(importer: Importer, node: Node) -> Value:
    """max(x, 0)."""
    x = importer.value(node, 0)
    return importer.emit(node, Unary("relu"), (x,), x.shape, x.axes)
