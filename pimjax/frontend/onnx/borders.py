"""Where tensors enter and leave a network: shapes, axes and names."""

from __future__ import annotations

from typing import Any

from pimjax.frontend.model import ModelError
from pimjax.frontend.onnx.node import Node
from pimjax.frontend.onnx.quantized.inputs import input_tensor
from pimjax.frontend.onnx.state import Axes, Importer, Value, channels_last, plain
from pimjax.network.graph import Input, Layer
from pimjax.network.ops import Identity
from pimjax.network.tensor import TensorSpec

FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")


def bind_inputs(importer: Importer, graph: Any, wanted: set[str]) -> None:
    """Adds the graph's inputs that are used and not stored. Raises ModelError."""
    from onnx import TensorProto

    entering = [
        item for item in graph.input if item.name in wanted and item.name not in importer.constants
    ]
    if not entering:
        raise ModelError("the graph has no input that its outputs depend on")
    shapes = {item.name: _shape(item) for item in entering}
    batches = {shape[0] for shape in shapes.values() if shape[0] > 0}
    if len(batches) > 1:
        raise ModelError(
            f"the inputs {', '.join(shapes)} have different lengths {sorted(batches)} along axis 0,"
            " which is taken for the batch; store those that are constants as initializers"
        )
    importer.batch = batches.pop() if batches else 1
    for item in entering:
        kind = TensorProto.DataType.Name(item.type.tensor_type.elem_type)
        tensor = None if kind in FLOATS else _codes(importer, graph, item)
        shape = (importer.batch, *shapes[item.name][1:])
        axes = input_axes(graph, item.name, len(shape))
        value = Value(importer.unused(item.name), shape, axes, tensor)
        importer.values[item.name] = value
        importer.inputs.append(Input(value.name, value.lengths, tensor))


def _codes(importer: Importer, graph: Any, item: Any) -> TensorSpec:
    """What the codes of an input of integers stand for. Raises ModelError."""
    from onnx import TensorProto, helper

    kind = item.type.tensor_type.elem_type
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    tensor = input_tensor(graph, item.name, dtype, importer.constants)
    if tensor is None:
        raise ModelError(
            f"input {item.name!r} holds {TensorProto.DataType.Name(kind)}; one of"
            f" {', '.join(FLOATS)} can be, or codes that a quantised operator reads with one scale"
        )
    return tensor


def _shape(item: Any) -> tuple[int, ...]:
    """The shape of a graph input, 0 for a batch of any size."""
    from onnx import TensorProto

    kind = item.type.tensor_type
    if not item.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise ModelError(f"input {item.name!r} is no tensor with a shape; export it with one")
    if kind.elem_type not in TensorProto.DataType.values() or not kind.elem_type:
        raise ModelError(f"input {item.name!r} holds an unknown type, number {kind.elem_type}")
    dims = kind.shape.dim
    if not dims:
        raise ModelError(f"input {item.name!r} is a single number; axis 0 must be the batch")
    for axis, dim in enumerate(dims):
        if axis and dim.HasField("dim_value") and dim.dim_value == 0:
            raise ModelError(f"input {item.name!r} is empty: its axis {axis} has length 0")
        if axis and dim.dim_value < 1:
            called = f" ({dim.dim_param!r})" if dim.dim_param else ""
            raise ModelError(
                f"input {item.name!r} has no fixed length along axis {axis}{called}: only the batch"
                " (axis 0) may be free; export the model with a fixed size, or set it with"
                " onnx.tools.update_model_dims"
            )
    return tuple(max(dim.dim_value, 0) for dim in dims)


def input_axes(graph: Any, name: str, rank: int) -> Axes:
    """How an input of that rank lies: channels last if it has four axes, else as in the file.

    An image that the file has as (b, h, w, c), and transposes itself, lies as in the file.
    """
    readers = [node for node in graph.node if name in node.input]
    turned = bool(readers) and all(_perm(node) == [0, 3, 1, 2] for node in readers)
    return channels_last(rank) if rank == 4 and not turned else plain(rank)


def bind_outputs(importer: Importer, graph: Any) -> tuple[str, ...]:
    """The names of the tensors that leave: images channels last, others as in the file.

    An image that the file itself transposes to (b, h, w, c) last leaves as in the file. Raises
    ModelError for an output that is a constant.
    """
    outputs = []
    for name in (item.name for item in graph.output):
        if name not in importer.values:
            raise ModelError(f"output {name!r} does not depend on any input")
        value = importer.values[name]
        rank = len(value.shape)
        turned = any(name in node.output and _perm(node) == [0, 2, 3, 1] for node in graph.node)
        axes = channels_last(rank) if rank == 4 and not turned else plain(rank)
        outputs.append(_leave(importer, name, value, axes))
    return tuple(outputs)


def _perm(node: Any) -> list[int]:
    """How a node transposes; nothing for other nodes."""
    perms = [list(a.ints) for a in node.attribute if a.name == "perm"]
    return perms[0] if node.op_type == "Transpose" and perms else []


def _leave(importer: Importer, name: str, value: Value, axes: Axes) -> str:
    """The name of the tensor in the order asked for: the output's own if it is still free."""
    node = Node("Identity", "", name, (), (name,), {}, 0)
    value = importer.arrange(node, value, axes, step="output")
    if name not in importer.names:
        value = importer.emit(
            node, Identity(), (value,), value.shape, value.axes, tensor=value.tensor
        )
    return value.name


def pruned(layers: tuple[Layer, ...], outputs: tuple[str, ...]) -> tuple[Layer, ...]:
    """The layers that the outputs depend on."""
    wanted = set(outputs)
    kept = []
    for layer in reversed(layers):
        if layer.name in wanted:
            kept.append(layer)
            wanted.update(layer.inputs)
    return tuple(kept[::-1])
