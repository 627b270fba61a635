"""The nodes that cannot be imported, gathered so that a user sees all of them at once."""

from __future__ import annotations

from collections import defaultdict

from pimjax.frontend.model import ModelError
from pimjax.frontend.onnx.constants import inferred
from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.operators import HANDLERS
from pimjax.frontend.onnx.state import Importer, Value, plain


class Problems:
    """What is wrong with which nodes, and the tensors that are unknown because of it."""

    def __init__(self) -> None:
        self.unknown: set[str] = set()
        self._found: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, node: Node, reason: str) -> None:
        """Notes a node; no reason stands for an operator that is not in the table."""
        operator = f"{node.domain}.{node.op}" if node.domain else node.op
        self._found[operator, reason].append(repr(node.name))

    def unsupported_operator(self, node: Node) -> None:
        """Notes a node whose operator is not in the table."""
        self.add(node, "")

    def guess(self, importer: Importer, node: Node, name: str) -> None:
        """Lets the walk go on after a failed node: its output by the shape that onnx infers."""
        known = not self.unknown.intersection(node.inputs)
        shapes = {item: value.shape for item, value in importer.values.items()}
        shape = inferred(node, shapes, importer.constants).get(name, ()) if known else ()
        if shape[:1] == (importer.batch,):
            importer.values[name] = Value(name, shape, plain(len(shape)))
        else:
            self.unknown.add(name)

    def check(self) -> None:
        """Raises ModelError with everything that was noted."""
        if not self._found:
            return
        lines = []
        for (operator, reason), names in self._found.items():
            why = f": {reason}" if reason else ": this operator is not supported"
            lines.append(f"{operator} {', '.join(names)}{why}")
        text = lines[0] if len(lines) == 1 else "\n".join(["cannot be imported:", *lines])
        if any(not reason for _, reason in self._found):
            known = ", ".join(sorted({name for _, name in HANDLERS}))
            text += f"\nsupported operators: {known}"
        raise ModelError(text)
