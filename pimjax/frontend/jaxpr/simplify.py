"""Fewer layers that compute the same: biases, chains of scales, means, softmax."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from pimjax.frontend.jaxpr.builder import INPUT, Node
from pimjax.network.ops import (
    Affine,
    Binary,
    Context,
    Flatten,
    FloatAveragePool,
    FloatConv,
    FloatDense,
    Reduce,
    Reshape,
    Softmax,
    Unary,
)

Nodes = dict[int, Node]


def simplified(nodes: Nodes, outputs: list[int]) -> tuple[Nodes, list[int]]:
    """The nodes that the outputs need, with every rule applied until none applies."""
    nodes, outputs = dict(nodes), [*outputs]
    changed = True
    while changed:
        changed = False
        nodes = _needed(nodes, outputs)
        readers = Counter(source for node in nodes.values() for source in node.inputs)
        readers.update(outputs)
        for number in nodes:
            same = _passes_on(nodes, number)
            if same is not None:
                outputs = [same if output == number else output for output in outputs]
                nodes = {key: _rewired(node, number, same) for key, node in nodes.items()}
                changed = True
                break
            if any(rule(nodes, number, readers) for rule in RULES):
                changed = True
                break
    return nodes, outputs


def _needed(nodes: Nodes, outputs: list[int]) -> Nodes:
    wanted = {INPUT, *outputs}
    for number in sorted(nodes, reverse=True):
        if number in wanted:
            wanted |= set(nodes[number].inputs)
    return {number: nodes[number] for number in sorted(wanted)}


def _rewired(node: Node, old: int, new: int) -> Node:
    if old not in node.inputs:
        return node
    return replace(node, inputs=tuple(new if source == old else source for source in node.inputs))


def _passes_on(nodes: Nodes, number: int) -> int | None:
    """The node whose output this one repeats."""
    node = nodes[number]
    if not node.inputs:
        return None
    source = node.inputs[0]
    if isinstance(node.op, Affine) and _is_one(node.params["scale"]) and not _shift(node).any():
        return source
    if isinstance(node.op, Reshape) and nodes[source].shape == node.shape:
        return source
    return None


def _is_one(scale: np.ndarray) -> bool:
    return bool((scale.astype(np.float32) == 1).all())


def _shift(node: Node) -> np.ndarray:
    return node.params["shift"].astype(np.float32)


def _bias(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """An addition of a product's own bias becomes part of it."""
    node = nodes[number]
    source = nodes[node.inputs[0]] if node.inputs else node
    if (
        not isinstance(node.op, Affine)
        or not isinstance(source.op, FloatConv | FloatDense)
        or readers[node.inputs[0]] != 1
        or not _is_one(node.params["scale"])
        or not node.owners <= source.owners
    ):
        return False
    bias = source.params["bias"] + node.params["shift"]
    nodes[number] = replace(source, params={**source.params, "bias": bias})
    return True


def _chain(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """Two scales in a row are one."""
    node = nodes[number]
    source = nodes[node.inputs[0]] if node.inputs else node
    if (
        not isinstance(node.op, Affine)
        or not isinstance(source.op, Affine)
        or readers[node.inputs[0]] != 1
    ):
        return False
    scale = source.params["scale"] * node.params["scale"]
    shift = source.params["shift"] * node.params["scale"] + node.params["shift"]
    params, owners = {"scale": scale, "shift": shift}, node.owners or source.owners
    nodes[number] = replace(node, inputs=source.inputs, params=params, owners=owners)
    return True


def _scale_before_reshape(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """A scale moves in front of a reshape that keeps the channels, towards what it belongs to."""
    node = nodes[number]
    source = nodes[node.inputs[0]] if node.inputs else node
    if (
        not isinstance(node.op, Affine)
        or not isinstance(source.op, Reshape)
        or readers[node.inputs[0]] != 1
    ):
        return False
    before = nodes[source.inputs[0]]
    if before.shape[-1:] != node.shape[-1:]:
        return False
    nodes[node.inputs[0]] = replace(node, inputs=source.inputs, shape=before.shape)
    nodes[number] = replace(source, inputs=node.inputs)
    return True


def _reshape_twice(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """Of two reshapes in a row the last one counts."""
    node = nodes[number]
    if not isinstance(node.op, Reshape | Flatten):
        return False
    source = nodes[node.inputs[0]]
    if not isinstance(source.op, Reshape | Flatten):
        return False
    nodes[number] = replace(node, inputs=source.inputs)
    return True


def _kept_axes(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """A reduction whose axes come back with length 1 keeps them."""
    node = nodes[number]
    source = nodes[node.inputs[0]] if node.inputs else node
    if not isinstance(node.op, Reshape | Flatten) or not isinstance(source.op, Reduce):
        return False
    before = nodes[source.inputs[0]].shape
    kept = tuple(1 if axis in source.op.axes else n for axis, n in enumerate(before))
    if source.op.keep or kept != node.shape:
        return False
    nodes[number] = replace(source, op=replace(source.op, keep=True), shape=kept)
    return True


def _mean(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """A sum divided by the number of its terms is a mean."""
    node = nodes[number]
    source = nodes[node.inputs[0]] if node.inputs else node
    if (
        not isinstance(node.op, Affine)
        or not isinstance(source.op, Reduce)
        or source.op.function != "sum"
        or _shift(node).any()
    ):
        return False
    before = nodes[source.inputs[0]].shape
    count = math.prod(before[axis] for axis in source.op.axes)
    if not np.allclose(node.params["scale"] * count, 1, rtol=0, atol=1e-6):
        return False
    nodes[number] = replace(source, op=replace(source.op, function="mean"))
    return True


def _counted_average(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """A windowed sum divided by how many pixels each window meets is an average of those."""
    node = nodes[number]
    if not (isinstance(node.op, Binary) and node.op == Binary("div") and "constant" in node.params):
        return False
    scale = nodes[node.inputs[0]]
    if not isinstance(scale.op, Affine) or _shift(scale).any():
        return False
    pool = nodes[scale.inputs[0]]
    if not isinstance(pool.op, FloatAveragePool):
        return False
    if (scale.params["scale"] != math.prod(pool.op.window)).any():
        return False
    before = nodes[pool.inputs[0]].shape
    counts = _window_counts(pool.op, before[:2])
    given = node.params["constant"][0, ..., 0]
    if given.shape != counts.shape or not (given == counts).all():
        return False
    op = replace(pool.op, count_padding=False)
    nodes[number] = replace(node, op=op, inputs=pool.inputs, params={})
    return True


def _window_counts(op: FloatAveragePool, size: tuple[int, ...]) -> np.ndarray:
    """How many pixels of an image of that size each window meets."""
    ones = jnp.ones((1, *size, 1), jnp.float32)
    shares = np.asarray(op.apply((ones,), {}, Context()).output)[0, ..., 0]
    return np.rint(shares * math.prod(op.window))


def _softmax(nodes: Nodes, number: int, readers: Counter[int]) -> bool:
    """exp(x - max) / sum exp(x - max), or its logarithm written as a difference, is a softmax."""
    node = nodes[number]
    if not isinstance(node.op, Binary) or len(node.inputs) != 2:
        return False
    total = nodes[node.inputs[1]]
    log = node.op == Binary("sub") and total.op == Unary("log")
    if not log and node.op != Binary("div"):
        return False
    total = nodes[total.inputs[0]] if log else total
    if not isinstance(total.op, Reduce) or total.op.function != "sum" or not total.op.keep:
        return False
    power = nodes[total.inputs[0]]
    if power.op != Unary("exp") or len(total.op.axes) != 1:
        return False
    expected = power.inputs[0] if log else total.inputs[0]
    difference = nodes[power.inputs[0]]
    if node.inputs[0] != expected or difference.op != Binary("sub") or len(difference.inputs) != 2:
        return False
    x, largest = difference.inputs
    if nodes[largest].op != Reduce("max", total.op.axes) or nodes[largest].inputs != (x,):
        return False
    op = Softmax(total.op.axes[0], log)
    nodes[number] = replace(node, op=op, inputs=(x,))
    return True


Rule = Callable[[Nodes, int, "Counter[int]"], bool]
RULES: tuple[Rule, ...] = (
    *(_bias, _chain, _scale_before_reshape, _reshape_twice, _kept_axes, _mean),
    *(_counted_average, _softmax),
)
