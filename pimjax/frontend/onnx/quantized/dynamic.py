"""Codes whose scale and zero point each image gets from its own range: dynamic quantisation.

ONNX Runtime takes the range of the whole batch; here every image is taken by itself, as if it were
a batch of one.
"""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.quantized.specs import INT32
from pimjax.frontend.onnx.quantized.state import HERE, Rewriting
from pimjax.frontend.onnx.state import Importer, Value, plain
from pimjax.network.ops import QuantizeImages, RangeScale, RangeZero, ScaleImages, ZeroTerm
from pimjax.network.ops.host.dynamic import HIGHEST
from pimjax.network.tensor import TensorSpec

CODES = TensorSpec(1.0, 0, 0, HIGHEST)
"""Codes whose scale and zero point are tensors of their own."""


def dynamic_quantize(importer: Importer, node: Node) -> tuple[Value, Value, Value]:
    """Codes, scales and zero points of the images."""
    x = importer.value(node, 0)
    batch = (x.shape[0],)
    places = {}
    for index, step in ((1, "scale"), (2, "zero")):
        named = index < len(node.outputs) and node.outputs[index]
        places[step] = ("", index) if named else (step, 0)
    step, output = places["scale"]
    scale = importer.emit(node, RangeScale(), (x,), batch, (), step=step, output=output)
    step, output = places["zero"]
    zero = importer.emit(
        node, RangeZero(), (x, scale), batch, (), None, CODES, step=step, output=output
    )
    codes = importer.emit(node, QuantizeImages(), (x, scale, zero), x.shape, x.axes, tensor=CODES)
    return codes, scale, zero


def without_zero(importer: Importer, node: Node, v: Value, zero: Value, sums: np.ndarray) -> Value:
    """Accumulators of codes, less each image's zero point times the sums of weights."""
    params = {"sums": sums.astype(np.int32)}
    return importer.emit(node, ZeroTerm(), (v, zero), v.shape, v.axes, params, INT32)


def scaled(state: Rewriting, node: Node) -> bool:
    """Whether a product with an image's scale (times a constant) was written as one operator."""
    if node.op != "Mul" or node.domain != "" or len(node.inputs) != 2:
        return False
    for x, factor in (node.inputs, node.inputs[::-1]):
        found = _image_scale(state, factor)
        if found is None or x in state.constants or _image_scale(state, x) is not None:
            continue
        name, constant = found
        node = Node("ScaleImages", HERE, node.name, (x, name), node.outputs, {"by": constant}, 1)
        state.keep(node)
        return True
    return False


def _image_scale(state: Rewriting, name: str) -> tuple[str, np.ndarray] | None:
    """The scale of DynamicQuantizeLinear in `name`, and the constant it is multiplied by."""
    node = state.made.get(name)
    if node is None or node.op not in ("DynamicQuantizeLinear", "Mul"):
        return None
    if node.op == "DynamicQuantizeLinear":
        return (name, np.ones(1, np.float32)) if name == node.outputs[1] else None
    for inner, factor in (node.inputs, node.inputs[::-1]):
        constant, source = state.constants.get(factor), state.made.get(inner)
        if constant is None or source is None or source.op != "DynamicQuantizeLinear":
            continue
        if inner == source.outputs[1]:
            return inner, constant.astype(np.float32)
    return None


def scale_images(importer: Importer, node: Node) -> Value:
    """x times the scales of the images and a constant, one number or one for each channel."""
    x, scale, by = importer.value(node, 0), importer.value(node, 1), node.get("by")
    rank = len(x.shape)
    axis = rank - by.ndim + int(np.argmax(by.shape)) if by.size > 1 else -1
    if by.size > 1 and (max(by.shape) != by.size or axis < 1):
        raise UnsupportedError(f"scales {list(by.shape)} for {list(x.shape)}; one for each channel")
    if axis > 0 and x.axes[-1] != axis:
        x = importer.arrange(node, x, (*(a for a in plain(rank) if a != axis), axis))
    params = {"scale": by.reshape(-1)}
    return importer.emit(node, ScaleImages(), (x, scale), x.shape, x.axes, params)
