"""What is known while the nodes of a QDQ file are rewritten: which real tensors stand for codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.specs import spec_of
from pimjax.network.tensor import TensorSpec

HERE = "pimjax"
"""The domain of operators that only this rewriting writes."""

MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Coded:
    """A tensor of real numbers as codes: the names of the codes, of the scale and the zero point.

    `axis` is that of several scales, as the file counts it.
    """

    codes: str
    scale: str
    zero: str
    axis: int = 1

    @property
    def names(self) -> tuple[str, str, str]:
        """Codes, scale and zero point, as operators on codes take them."""
        return self.codes, self.scale, self.zero


def coded(node: Node) -> Coded:
    """What a DequantizeLinear turns into real numbers."""
    codes, scale, zero = (*node.inputs, "")[:3]
    return Coded(codes, scale, zero, node.attributes.get("axis", 1))


@dataclass
class Rewriting:
    """Constants and nodes so far.

    `stored` and `coded`: real tensors that are dequantised constants and dequantised codes.
    `made`: the node of the file that makes a tensor. `own`: the names of tensors that only the
    rewriting has made, and those that they get in the end.
    """

    constants: dict[str, np.ndarray]
    stored: dict[str, Coded] = field(default_factory=dict)
    coded: dict[str, Coded] = field(default_factory=dict)
    made: dict[str, Node] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def tensor(self, coded: Coded) -> TensorSpec | None:
        """What the codes stand for; None for several scales or for scales that are computed."""
        try:
            zero = self.constants[coded.zero] if coded.zero else None
            return spec_of(self.constants[coded.scale], zero)
        except (KeyError, UnsupportedError):
            return None

    def source(self, name: str) -> tuple[Coded, TensorSpec] | None:
        """The codes that a real tensor stands for, and what they mean; None where there are none.

        None also for several scales.
        """
        found = self.coded.get(name)
        tensor = None if found is None else self.tensor(found)
        return None if found is None or tensor is None else (found, tensor)

    def constant(self, name: str, array: np.ndarray) -> str:
        """The name of a new constant."""
        while name in self.constants:
            name += "_"
        self.constants[name] = array
        return name

    def fresh(self, name: str) -> str:
        """A name for the codes of the real tensor `name`."""
        own = f"{name}/codes"
        self.own[own] = own
        return own

    def keep(self, node: Node) -> None:
        """Adds a node of the file as it is."""
        self.nodes.append(node)
        self.made.update((name, node) for name in node.outputs if name)
