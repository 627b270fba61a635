"""A float network with fewer layers and the same function: batch norms and pads folded away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pimjax.frontend.model import Model
from pimjax.network.graph import Graph, Image, Layer, Params
from pimjax.network.ops import Affine, Binary, FloatConv, FloatDense, Identity, Pad


def fold(model: Model) -> Model:
    """The model without identities, with scales, shifts and zero padding inside convolutions.

    A folded layer keeps the name of the last tensor it makes. The function stays the same but for
    the rounding of float32.
    """
    folded = _without_identities(model)
    folded = _constants_as_affine(folded)
    for join in (_pad_into_conv, _affine_into_linear):
        folded = _join_pairs(folded, join)
    return folded


def _without_identities(model: Model) -> Model:
    renamed: dict[str, str] = {}
    layers = []
    for layer in model.graph.layers:
        inputs = tuple(renamed.get(name, name) for name in layer.inputs)
        if isinstance(layer.op, Identity) and layer.name not in model.graph.outputs:
            renamed[layer.name] = inputs[0]
        else:
            layers.append(replace(layer, inputs=inputs))
    return replace(model, graph=replace(model.graph, layers=tuple(layers)))


def _constants_as_affine(model: Model) -> Model:
    """Additions of and products with constants per channel as `Affine`."""
    layers, params = [], dict(model.params)
    for layer in model.graph.layers:
        constant = params.get(layer.name, {}).get("constant")
        if isinstance(layer.op, Binary) and constant is not None:
            affine = _as_affine(layer.op, np.asarray(constant, np.float64))
            if affine is not None:
                params[layer.name] = affine
                layer = replace(layer, op=Affine())
        layers.append(layer)
    graph = replace(model.graph, layers=tuple(layers))
    return replace(model, graph=graph, params=params)


def _as_affine(op: Binary, constant: np.ndarray) -> Params | None:
    if (constant.size != constant.shape[-1] and constant.size != 1) or constant.ndim < 2:
        return None
    value = constant.reshape(-1)
    one, zero = np.ones_like(value), np.zeros_like(value)
    match op.function, op.constant_first:
        case "add", _:
            scale, shift = one, value
        case "mul", _:
            scale, shift = value, zero
        case "sub", False:
            scale, shift = one, -value
        case "sub", True:
            scale, shift = -one, value
        case "div", False if (value != 0).all():
            scale, shift = 1 / value, zero
        case _:
            return None
    return {"scale": scale.astype(np.float32), "shift": shift.astype(np.float32)}


Joined = tuple[Layer, Params]
Join = Callable[[Layer, Params, Layer, Params], Joined | None]


def _join_pairs(model: Model, join: Join) -> Model:
    """The model with every layer joined to the only one that reads it, wherever `join` can."""
    layers: dict[str, Layer] = {}
    params: Image = dict(model.params)
    readers = model.graph.consumers()
    for layer in model.graph.layers:
        before = layers.get(layer.inputs[0]) if len(layer.inputs) == 1 else None
        joined: Joined | None = None
        if (
            before is not None
            and len(readers[before.name]) == 1
            and before.name not in model.graph.outputs
        ):
            joined = join(before, params.get(before.name, {}), layer, params.get(layer.name, {}))
        if joined is None or before is None:
            layers[layer.name] = layer
            continue
        merged, merged_params = joined
        del layers[before.name]
        params.pop(before.name, None)
        origin = before.origin + layer.origin
        layers[layer.name] = replace(merged, name=layer.name, inputs=before.inputs, origin=origin)
        params[layer.name] = merged_params
    graph = Graph(model.graph.inputs, tuple(layers.values()), model.graph.outputs)
    return replace(model, graph=graph, params=params)


def _affine_into_linear(
    before: Layer, before_params: Params, layer: Layer, params: Params
) -> Joined | None:
    if not isinstance(layer.op, Affine):
        return None
    scale = np.asarray(params["scale"], np.float64)
    shift = np.asarray(params["shift"], np.float64)
    if isinstance(before.op, Affine):
        return before, {
            "scale": (before_params["scale"] * scale).astype(np.float32),
            "shift": (before_params["shift"] * scale + shift).astype(np.float32),
        }
    if isinstance(before.op, FloatConv | FloatDense):
        return before, {
            "kernel": (before_params["kernel"] * scale).astype(np.float32),
            "bias": (before_params["bias"] * scale + shift).astype(np.float32),
        }
    return None


def _pad_into_conv(
    before: Layer, before_params: Params, layer: Layer, params: Params
) -> Joined | None:
    pad, conv = before.op, layer.op
    if not isinstance(pad, Pad) or not isinstance(conv, FloatConv):
        return None
    if isinstance(conv.padding, str) and conv.padding != "VALID":
        return None
    if pad.mode != "constant" or pad.value != 0 or len(pad.widths) != 3:
        return None
    own = ((0, 0), (0, 0)) if isinstance(conv.padding, str) else conv.padding
    if pad.widths[2] != (0, 0) or min(min(pad.widths[0]), min(pad.widths[1])) < 0:
        return None
    sides = tuple(
        (before_ + a, after + b)
        for (before_, after), (a, b) in zip(pad.widths[:2], own, strict=True)
    )
    return replace(layer, op=replace(conv, padding=sides)), params
