"""Real numbers on the host: activations after float operators."""

from __future__ import annotations

import math

from pimjax.frontend.tflite.node import Lowered, Node, real_range
from pimjax.network.graph import Params
from pimjax.network.ops import Op, Unary


def with_activation(node: Node, op: Op, sources: tuple[str, ...], params: Params) -> Lowered:
    """A float operation and its fused activation, which makes the tensor of the file's name."""
    limits = real_range(node.setting("FusedActivationFunction"))
    if limits is None:
        layer = node.layer(op, *sources)
        return Lowered((layer,), {layer.name: params} if params else {})
    inner = node.helper("linear", op, *sources, tensor=node.output)
    outer = node.layer(clip(limits), inner.name)
    return Lowered((inner, outer), {inner.name: params} if params else {})


def clip(limits: tuple[float, float]) -> Unary:
    """The activation that holds real numbers to `limits`."""
    return Unary("relu") if limits == (0.0, math.inf) else Unary("clip", limits)
