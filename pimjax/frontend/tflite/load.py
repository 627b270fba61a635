"""From a .tflite file to a model: every operator lowered, every size checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.geometry import resolve
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.frontend.tflite.node import Lowered, Node, UnsupportedError, is_float, spec_or_none
from pimjax.frontend.tflite.operators import OPERATORS
from pimjax.frontend.tflite.reader import File, Operator, Tensor, read_file, shown
from pimjax.network.graph import Graph, Image, Input, Layer, Params
from pimjax.network.ops.base import Context

Made = dict[str, jax.ShapeDtypeStruct]
"""Size and type of every tensor so far, for a batch of 1."""


def load_tflite(path: Path) -> Model:
    """The network in a .tflite file, quantised or float; layers bear the names of its tensors.

    Raises ModelError, in one sentence, for a file that is damaged or no model, and for all
    operators that cannot be imported at once.
    """
    file = read_file(path)
    names = _names(file)
    tensors = list(file.tensors)
    inputs = tuple(_input(path, file.tensors[i], names[i]) for i in file.inputs)
    layers: list[Layer] = []
    params: Image = {}
    problems: list[str] = []
    made = {item.name: _struct(item.shape, item.tensor is None) for item in inputs}
    for number, operator in enumerate(file.operators):
        try:
            with np.errstate(all="ignore"):  # scales beyond all reason are refused as factors
                lowered = _lower(number, operator, tuple(tensors), names, made)
        except UnsupportedError as error:
            name = names[operator.outputs[0]] if operator.outputs else "nothing"
            problems.append(f"operator {number} {operator.kind} (makes {shown(name)}): {error}")
            for i in operator.outputs:
                made[names[i]] = _struct(tensors[i].shape[1:], is_float(tensors[i]))
            continue
        layers += lowered.layers
        params |= lowered.params
        for i, data in lowered.constants.items():
            tensors[i] = replace(tensors[i], data=data, type="FLOAT32")
    if problems:
        raise ModelError(
            f"{path}: {len(problems)} of its {len(file.operators)} operators cannot be imported: "
            f"{'; '.join(problems)}. Supported: {', '.join(OPERATORS)}"
        )
    outputs = tuple(names[i] for i in file.outputs)
    if any(tensors[i].data is not None for i in file.outputs) or not layers:
        raise ModelError(f"{path}: its outputs do not depend on its inputs")
    return Model(Graph(inputs, tuple(layers), outputs), params, str(path))


def _names(file: File) -> dict[int, str]:
    """A name of its own for every tensor: the file's, numbered where two are equal."""
    taken: dict[str, int] = {}
    for index, tensor in enumerate(file.tensors):
        name = tensor.name
        while name in taken:
            name = f"{name}:{index}"
        taken[name] = index
    return {index: name for name, index in taken.items()}


def _input(path: Path, tensor: Tensor, name: str) -> Input:
    if len(tensor.shape) < 2 or 0 in tensor.shape:
        raise ModelError(
            f"{path}: input {shown(name)} has size {tensor.shape}; (batch, ...) expected"
        )
    try:
        return Input(name, tensor.shape[1:], spec_or_none(tensor))
    except UnsupportedError as error:
        raise ModelError(f"{path}: {error}") from None


def _struct(shape: tuple[int, ...], real: bool) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *shape), jnp.float32 if real else jnp.int32)


def _lower(
    number: int,
    operator: Operator,
    tensors: tuple[Tensor, ...],
    names: dict[int, str],
    made: Made,
) -> Lowered:
    """The layers of an operator, whose sizes agree with the file; adds them to `made`."""
    if operator.kind not in OPERATORS:
        raise UnsupportedError("this operator is not supported")
    if not operator.outputs:
        raise UnsupportedError("it has no outputs")
    node = Node(operator, tensors, names, f"{number} {operator.kind}")
    lowered = OPERATORS[operator.kind](node)
    for layer in lowered.layers:
        sources = tuple(made[name] for name in layer.inputs)
        try:
            made[layer.name] = _result(layer, sources, lowered.params.get(layer.name, {}))
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UnsupportedError(f"sizes that do not fit: {reason}") from None
    for i in operator.outputs:
        stored, follows = tensors[i].shape[1:], made.get(names[i])
        if follows is not None and follows.shape[1:] != stored:
            raise UnsupportedError(
                f"its output has size {stored} in the file, and {follows.shape[1:]} by its inputs"
            )
    return lowered


def _result(
    layer: Layer, sources: tuple[jax.ShapeDtypeStruct, ...], params: Params
) -> jax.ShapeDtypeStruct:
    """Size and type of what a layer makes. Raises TypeError or ValueError."""
    op = layer.op
    if isinstance(op, QuantizedConv):
        kernel = np.shape(params["weights"])
        shape = sources[0].shape
        geometry = resolve(shape, kernel, op.stride, op.padding, op.dilation, op.groups)
        return _struct((*geometry.out, kernel[-1]), real=False)
    if isinstance(op, QuantizedDense):
        inputs, outputs = params["weights"].shape
        if sources[0].shape[-1] != inputs:
            raise ValueError(f"{sources[0].shape[-1]} inputs for {inputs} rows of weights")
        return _struct((*sources[0].shape[1:-1], outputs), real=False)
    arrays = {name: jax.ShapeDtypeStruct(each.shape, each.dtype) for name, each in params.items()}
    result = jax.eval_shape(lambda x, a: op.apply(x, a, Context()).output, sources, arrays)
    return jax.ShapeDtypeStruct(result.shape, result.dtype)
