"""Batch normalisation, local response normalisation and softmax."""

from __future__ import annotations

import math

import numpy as np

from pimjax.frontend.onnx.layout import axis_of, channels_at_end
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Handler, Importer, Value, plain
from pimjax.network.ops import Affine, LocalResponse, Reshape, Softmax


def batch_norm(importer: Importer, node: Node) -> Value:
    """A scale and a shift per channel, from the stored mean and variance."""
    node.ignore("momentum", "consumed_inputs", "is_test")
    if node.get("training_mode", 0):
        raise UnsupportedError("training_mode = 1; export the model for inference")
    if not node.get("spatial", 1):
        raise UnsupportedError("spatial = 0; statistics per channel can be")
    x = channels_at_end(importer, node, importer.value(node, 0))
    gamma, beta, mean, variance = (
        importer.weights(node, index).astype(np.float64) for index in range(1, 5)
    )
    wrong = [a.shape for a in (gamma, beta, mean, variance) if a.shape != (x.shape[1],)]
    if wrong:
        raise UnsupportedError(f"parameters {list(wrong[0])} for {x.shape[1]} channels")
    if (variance < 0).any():
        raise UnsupportedError(f"a variance {variance.min()}; 0 and more can be")
    scale = gamma / np.sqrt(variance + node.get("epsilon", 1e-5))
    params = {"scale": scale, "shift": beta - mean * scale}
    narrow = {name: array.astype(np.float32) for name, array in params.items()}
    return importer.emit(node, Affine(), (x,), x.shape, x.axes, narrow)


def local_response(importer: Importer, node: Node) -> Value:
    """LRN over neighbouring channels."""
    x = channels_at_end(importer, node, importer.value(node, 0))
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    op = LocalResponse(node.get("size"), alpha, beta, bias)
    return importer.emit(node, op, (x,), x.shape, x.axes)


def softmax(log: bool = False) -> Handler:
    """A handler for Softmax or LogSoftmax: along one axis, or before opset 13 over all from it."""

    def handler(importer: Importer, node: Node) -> Value:
        x = importer.value(node, 0)
        rank = len(x.shape)
        axis = axis_of(node.get("axis", -1 if node.version >= 13 else 1), rank)
        if node.version < 13:
            longer = [i for i in range(axis, rank) if x.shape[i] > 1]
            if len(longer) > 1:
                return _flattened(importer, node, x, axis, log)
            axis = longer[0] if longer else axis
        return importer.emit(node, Softmax(x.place(axis), log), (x,), x.shape, x.axes)

    return handler


def _flattened(importer: Importer, node: Node, x: Value, axis: int, log: bool) -> Value:
    """Softmax over the axes from `axis` on as one."""
    if axis > 1:
        x = importer.arrange(node, x, plain(len(x.shape)))
    lengths = x.lengths
    rows = (*lengths[: axis - 1], math.prod(lengths[axis - 1 :]))
    shape, axes = (importer.batch, *rows), plain(axis + 1)
    flat = importer.emit(node, Reshape(rows), (x,), shape, axes, step="rows")
    shares = importer.emit(node, Softmax(axis - 1, log), (flat,), shape, axes, step="shares")
    return importer.emit(node, Reshape(lengths), (shares,), x.shape, x.axes)
