"""A float model from a flax.nnx module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.frontend.jaxpr.builder import INPUT, Builder, Node, Unsupported
from pimjax.frontend.jaxpr.lower import SUPPORTED, usable, walk
from pimjax.frontend.jaxpr.pointwise import tensor_of
from pimjax.frontend.jaxpr.simplify import simplified
from pimjax.frontend.jaxpr.values import Constant, Path
from pimjax.frontend.model import Model, ModelError
from pimjax.network.graph import Graph, Image, Input, Layer
from pimjax.network.ops import Binary, Identity, Softmax, Unary
from pimjax.network.tensor import require_finite

if TYPE_CHECKING:
    from flax import nnx


def from_flax(module: nnx.Module, sample_input: Any) -> Model:
    """The float model that computes what the module does in inference, at any batch size.

    sample_input: (b, h, w, c), of which only the shape without the batch is used. The module is
    traced in evaluation mode on a copy; it stays as it is. Arrays become float32. A layer is named
    after the submodule whose arrays it uses ("blocks.0.conv"), any other after what it does
    ("relu1", "add2"). Raises ModelError: one that names everything the model cannot express, or
    what is wrong with the arrays or the sample.
    """
    from flax import nnx  # takes as long to import as all of pimjax

    if not isinstance(module, nnx.Module):
        raise ModelError(f"module: a flax.nnx.Module expected, {type(module).__name__} given")
    shape = np.shape(sample_input)
    if len(shape) < 2 or 0 in shape:
        raise ModelError(
            f"sample_input: shape {shape} given; (batch, ...) expected, as in (1, 32, 32, 3)"
        )
    graph_def, state = _inference_copy(module)
    keyed, tree = jax.tree_util.tree_flatten_with_path(state)
    arrays = [value for _, value in keyed]
    paths = [_path(keys) for keys, _ in keyed]
    for path, value in zip(paths, arrays, strict=True):
        if jnp.issubdtype(value.dtype, jnp.floating):
            _check_finite(".".join(path), value)

    def function(arrays: Any, x: jax.Array) -> Any:
        return nnx.merge(graph_def, jax.tree.unflatten(tree, arrays))(x)

    batch = _batch_size([shape[1:], *(np.shape(value) for value in arrays)])
    images = jax.ShapeDtypeStruct((batch, *shape[1:]), jnp.float32)
    closed = _traced(function, arrays, images, shape)
    builder = Builder(tuple(int(n) for n in shape[1:]), batch)
    constants = [
        Constant(_plain(value), np.shape(value), frozenset([path[:-1]]))
        for path, value in zip(paths, arrays, strict=True)
    ]
    results = walk(builder, closed, [*constants, builder.input])
    outputs = []
    for index, value in enumerate(results):
        try:
            outputs.append(builder.canonical(tensor_of(builder, usable(builder, value))))
        except Unsupported as reason:
            builder.problem(f"output {index} ({reason})", (batch,))
    if builder.problems:
        raise ModelError(
            f"the module cannot be imported: {'; '.join(builder.problems)}. "
            f"Supported in inference: {SUPPORTED}"
        )
    return _model(*simplified(builder.nodes, outputs), type(module).__name__)


def _inference_copy(module: nnx.Module) -> tuple[Any, Any]:
    from flax import nnx

    copy = nnx.merge(*nnx.split(module), copy=True)
    copy.eval()
    return nnx.split(copy)


def _path(keys: Any) -> Path:
    names = [getattr(key, "key", getattr(key, "idx", None)) for key in keys]
    return tuple(str(name) for name in names if name is not None)


def _check_finite(name: str, value: jax.Array) -> None:
    try:
        require_finite(value, name)
    except ValueError as error:
        raise ModelError(f"the module's array {error}") from None


def _batch_size(shapes: list[tuple[int, ...]]) -> int:
    """A length that nothing else has, so that an axis as long as this is the batch."""
    taken = {length for shape in shapes for length in shape}
    return next(
        prime for prime in (5, 7, 11, 13, 17, 19, 23, *range(101, 10**6)) if prime not in taken
    )


def _traced(function: Any, arrays: Any, images: Any, shape: tuple[int, ...]) -> Any:
    try:
        return jax.make_jaxpr(function)(arrays, images)
    except jax.errors.ConcretizationTypeError:
        raise ModelError(
            "the module decides by the values of its input or arrays while it is traced "
            "(an `if` or a loop in Python); only decisions by shape can be imported"
        ) from None
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().split("\n")[0]
        sizes = ", ".join(map(str, ("batch", *shape[1:])))
        raise ModelError(
            f"sample_input: the module does not take images of shape ({sizes}): {reason}"
        ) from error


def _plain(value: jax.Array) -> Any:
    return value if jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended) else np.asarray(value)


def _model(nodes: dict[int, Node], outputs: list[int], source: str) -> Model:
    names = _names(nodes)
    layers, params = [], {}
    for number, node in nodes.items():
        if number == INPUT:
            continue
        name = names[number]
        origin = tuple(sorted(".".join(owner) for owner in node.owners if owner))
        inputs = tuple(names[source] for source in node.inputs)
        layers.append(Layer(name, node.op, inputs, None, origin))
        if node.params:
            params[name] = {key: array.astype(np.float32) for key, array in node.params.items()}
    ends = [names[number] for number in outputs]
    if INPUT in outputs:
        layers.append(Layer("identity", Identity(), (names[INPUT],)))
        ends = ["identity" if end == names[INPUT] else end for end in ends]
    graph = Graph((Input(names[INPUT], nodes[INPUT].shape),), tuple(layers), tuple(ends))
    image: Image = params
    return Model(graph, image, source)


def _names(nodes: dict[int, Node]) -> dict[int, str]:
    """A name for every node: the submodule it belongs to, or what it does with a number."""
    names, used, counts = {INPUT: "input"}, {"input", "identity"}, dict[str, int]()
    for number, node in nodes.items():
        if number == INPUT:
            continue
        owner = _common(node.owners)
        base = ".".join(owner)
        if base and base not in used:
            names[number] = base
        else:
            base = f"{base}_" if base else _kind(node)
            counts[base] = counts.get(base, 1 if owner else 0) + 1
            while f"{base}{counts[base]}" in used:
                counts[base] += 1
            names[number] = f"{base}{counts[base]}"
        used.add(names[number])
    return names


def _common(owners: frozenset[Path]) -> Path:
    """The innermost module that contains all owners."""
    if not owners:
        return ()
    first, last = min(owners), max(owners)
    same = [a == b for a, b in zip(first, last, strict=False)]
    return first[: [*same, False].index(False)]


def _kind(node: Node) -> str:
    op = node.op
    if isinstance(op, Unary | Binary) or hasattr(op, "function"):
        return op.function
    if isinstance(op, Softmax):
        return "log_softmax" if op.log else "softmax"
    name = type(op).__name__.removeprefix("Float")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
