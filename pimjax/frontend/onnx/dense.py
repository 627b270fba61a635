"""Products with a constant matrix."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.elementwise import combine
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Axes, Importer, Value, plain
from pimjax.network.ops import FloatDense


def gemm(importer: Importer, node: Node) -> Value:
    """alpha A B + beta C for a tensor A (b, k) and a constant B."""
    x = importer.value(node, 0)
    if node.get("transA", 0):
        raise UnsupportedError("transA = 1 puts the batch last; transA = 0 can be")
    node.ignore("broadcast")
    weights = importer.weights(node, 1)
    kernel = weights.T if node.get("transB", 0) else weights
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    kernel = kernel if alpha == 1 else kernel * np.float32(alpha)
    has_bias = bool(node.given(2)) and beta != 0
    if has_bias and node.given(2) in importer.values:
        y = _dense(importer, node, x, kernel, step="product")
        c = importer.value(node, 2)
        if beta != 1:
            c = combine(importer, node, "mul", c, np.array(beta, np.float32), step="bias")
        return combine(importer, node, "add", y, c)
    bias = importer.weights(node, 2) * np.float32(beta) if has_bias else np.zeros(1, np.float32)
    if bias.size not in (1, kernel.shape[1]) or (bias.ndim > 1 and bias.shape[-1] != bias.size):
        raise UnsupportedError(
            f"C {list(bias.shape)} for {kernel.shape[1]} outputs; one number for each can be"
        )
    return _dense(importer, node, x, kernel, bias)


def matmul(importer: Importer, node: Node) -> Value:
    """A tensor by a constant matrix, or a constant matrix by a tensor."""
    if node.given(0) in importer.values:
        x, weights = importer.value(node, 0), importer.weights(node, 1)
        kernel = weights.reshape(weights.shape[-2:]) if _is_matrix(weights) else weights
        if kernel.ndim > 1:
            return _dense(importer, node, x, kernel)
        y = _dense(importer, node, x, kernel.reshape(-1, 1))
        axes = tuple(None if axis == len(x.shape) - 1 else axis for axis in y.axes)
        return Value(y.name, y.shape[:-1], axes)
    x, weights = importer.value(node, 1), importer.weights(node, 0)
    if not _is_matrix(weights) or len(x.shape) < 3:
        raise UnsupportedError(f"a constant {list(weights.shape)} by a tensor {list(x.shape)}")
    return _dense(importer, node, x, weights.reshape(weights.shape[-2:]).T, axis=len(x.shape) - 2)


def _is_matrix(weights: np.ndarray) -> bool:
    if weights.ndim > 2 and weights.size != weights.shape[-1] * weights.shape[-2]:
        raise UnsupportedError(f"constants {list(weights.shape)}: one matrix for all can be")
    return weights.ndim > 1


def _dense(
    importer: Importer,
    node: Node,
    x: Value,
    kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    axis: int | None = None,
    step: str = "",
) -> Value:
    """x times kernel (k, n) along the file's `axis` (the last one if left out)."""
    rank = len(x.shape)
    axis = rank - 1 if axis is None else axis
    if rank < 2 or x.shape[axis] != kernel.shape[0]:
        raise UnsupportedError(f"a matrix {list(kernel.shape)} over {list(x.shape)}")
    if x.axes[-1] != axis:
        axes: Axes = (*(i for i in plain(rank) if i != axis), axis)
        x = importer.arrange(node, x, axes)
    outputs = kernel.shape[1]
    full = np.zeros(1, np.float32) if bias is None else bias
    params = {"kernel": kernel, "bias": np.broadcast_to(full.reshape(-1), (outputs,))}
    shape = (*x.shape[:axis], outputs, *x.shape[axis + 1 :])
    return importer.emit(node, FloatDense(), (x,), shape, x.axes, params, step=step)
