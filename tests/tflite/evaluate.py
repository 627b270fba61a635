"""A model's tensors without a chip: array layers by their definition, in exact integers."""

import math

import jax.numpy as jnp
import numpy as np

from pimjax.array.geometry import resolve_padding
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.ops import Context
from tests import oracle


def evaluate(model, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors (b, ...) by layer for input codes or real numbers (b, ...)."""
    graph = model.graph
    tensors = {graph.inputs[0].name: np.asarray(inputs)}
    for layer in graph.layers:
        params = model.params.get(layer.name, {})
        if isinstance(layer.op, QuantizedConv | QuantizedDense):
            zero = graph.tensor(layer.inputs[0]).zero_point
            x = tensors[layer.inputs[0]].astype(np.int64) - zero
            w = params["weights"].astype(np.int64) - params.get("weight_zero", 0)
            is_conv = isinstance(layer.op, QuantizedConv)
            y = (_convolution(x, w, layer.op) if is_conv else x @ w) + params["bias"]
            made = _outputs(y, params["factor"], layer.op.output)
        else:
            operands = (jnp.asarray(tensors[name]) for name in layer.inputs)
            wide = tuple(
                x.astype(jnp.int32) if jnp.issubdtype(x.dtype, jnp.integer) else x for x in operands
            )
            arrays = {name: jnp.asarray(array) for name, array in params.items()}
            made = np.asarray(layer.op.apply(wide, arrays, Context()).output)
        if layer.tensor is not None:
            assert made.min() >= layer.tensor.low
            assert made.max() <= layer.tensor.high
            made = made.astype(layer.tensor.dtype)
        tensors[layer.name] = made
    return tensors


def _convolution(x: np.ndarray, w: np.ndarray, op: QuantizedConv) -> np.ndarray:
    kh, kw, depth, outputs = w.shape
    reach = (kh - 1) * op.dilation[0] + 1, (kw - 1) * op.dilation[1] + 1
    pad = resolve_padding(op.padding, x.shape[1:3], reach, op.stride)
    x = np.pad(x, ((0, 0), *pad, (0, 0)))
    rows, columns = ((x.shape[1 + i] - reach[i]) // op.stride[i] + 1 for i in range(2))
    y = np.zeros((len(x), rows, columns, outputs), np.int64)
    size = outputs // op.groups
    for out in range(outputs):
        first = out // size * depth
        for i in range(kh):
            for j in range(kw):
                top, left = i * op.dilation[0], j * op.dilation[1]
                part = x[:, top :: op.stride[0], left :: op.stride[1], first : first + depth]
                y[..., out] += part[:, :rows, :columns] @ w[i, j, :, out]
    return y


def _outputs(y: np.ndarray, factor: np.ndarray, output) -> np.ndarray:
    made = np.zeros_like(y)
    for out in range(y.shape[-1]):
        code = np.vectorize(_coder(output, float(factor[out])), otypes=[np.int64])
        made[..., out] = code(y[..., out])
    return made


def _coder(output, factor: float):
    def requant(value: int) -> int:
        if output.rule == "float64":
            product = abs(float(value) * factor)
            whole = math.floor(product)
            magnitude = whole + (product - whole >= 0.5)
            return magnitude if value >= 0 else -magnitude
        assert output.rule == "fixed_point"
        fraction, exponent = math.frexp(factor)
        return oracle.fixed_point(value, math.floor(fraction * 2**31 + 0.5), exponent)

    return lambda value: oracle.output_code(
        int(value), requant, output.low, output.high, zero_point=output.zero_point
    )
