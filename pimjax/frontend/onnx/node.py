"""One node of an ONNX graph, decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class UnsupportedError(Exception):
    """Why a node cannot be imported, and what can be instead: a phrase without a full stop."""


@dataclass(frozen=True, eq=False)
class Node:
    """A node: its operator, tensors by name and attributes as Python values.

    `name` is the node's own name, or that of its first output where it has none. A left-out input
    is "". `version` is the opset of its domain. `proto` is the node as the file holds it.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    version: int
    proto: Any = None
    read: set[str] = field(default_factory=set)

    def get(self, attribute: str, default: Any = None) -> Any:
        """The attribute's value, or `default` where the node has none; it then counts as known."""
        self.read.add(attribute)
        return self.attributes.get(attribute, default)

    def ignore(self, *attributes: str) -> None:
        """Counts attributes as known that do not change what inference computes."""
        self.read.update(attributes)

    def given(self, index: int) -> str:
        """The name of the input, "" where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def unread(self) -> list[str]:
        """Attributes that nothing has asked for: what they mean is not known here."""
        return [name for name in self.attributes if name not in self.read]


def decode(proto: Any, opsets: dict[str, int]) -> Node:
    """The node of a NodeProto, with the opsets by domain."""
    from onnx import helper

    domain = "" if proto.domain == "ai.onnx" else proto.domain
    attributes = {item.name: helper.get_attribute_value(item) for item in proto.attribute}
    text = {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    return Node(
        op=proto.op_type,
        domain=domain,
        name=proto.name or next(filter(None, proto.output), proto.op_type),
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes=text,
        version=opsets.get(domain, 1),
        proto=proto,
    )
