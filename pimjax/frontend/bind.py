"""Quantised layers as a chip's array holds them: codes, folded zero points, requantisers.

With x_zero and w_zero the zero points, and both codes shifted into the array's range,

    sum (x - x_zero) (w - w_zero) + bias = sum x' w' + shift sum x' + bias'

where w' = w - w_zero - shift is what the array stores and bias' = bias - x_zero' sum (w' + shift).
The array sees codes only; the middle term is a digital sum of inputs (0 for symmetric weights).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np

from pimjax.array.digital import input_term_bound
from pimjax.array.spec import Adc, Bitline
from pimjax.chip.schema import Chip
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.network.fitting import require_program_fits
from pimjax.network.graph import Image, Layer, Params
from pimjax.network.ops import Conv, Dense
from pimjax.network.program import Plan, Program
from pimjax.network.requantize import numbers_of
from pimjax.network.tensor import TensorSpec
from pimjax.numerics.codes import storage_dtype

INT32_MAX = (1 << 31) - 1


def bind(
    model: Model, chip: Chip, adcs: dict[str, Adc] | None = None, engine: str = "auto"
) -> Program:
    """The program of a quantised model on a chip; `adcs` are settings of single layers.

    Raises ModelError where codes need more bits than the chip has, or sums pass its registers.
    """
    spec = chip.bitline()
    _require_known(model, adcs or {})
    layers: list[Layer] = []
    image: Image = {}
    for layer in model.graph.layers:
        params = model.params.get(layer.name, {})
        if isinstance(layer.op, QuantizedConv | QuantizedDense):
            own = (adcs or {}).get(layer.name)
            tensor = model.graph.tensor(layer.inputs[0])
            if tensor is None:
                raise ModelError(f"{layer.name}: its input {layer.inputs[0]!r} has no codes")
            layer, params = _bind_layer(layer, params, tensor, spec, own)
        layers.append(layer)
        if params:
            image[layer.name] = {name: jnp.asarray(array) for name, array in params.items()}
    plan = Plan(spec, replace(model.graph, layers=tuple(layers)), engine)
    program = Program(plan, image, chip)
    require_program_fits(program)
    return program


def _bind_layer(
    layer: Layer, params: Params, tensor: TensorSpec, spec: Bitline, adc: Adc | None
) -> tuple[Layer, Params]:
    op = layer.op
    assert isinstance(op, QuantizedConv | QuantizedDense)
    own = spec if adc is None else replace(spec, adc=adc)
    in_shift = _input_shift(layer.name, tensor, spec)
    stored, shift = _stored_weights(layer.name, params, spec)
    pad_code = tensor.zero_point + in_shift
    real_weights = stored + shift
    rows = real_weights.reshape(-1, real_weights.shape[-1])
    bias = np.asarray(params["bias"]).astype(np.int64) - pad_code * rows.sum(axis=0)
    if shift.any():
        bound = input_term_bound(len(rows), own, int(np.abs(shift).max()))
        if bound > INT32_MAX:
            raise ModelError(
                f"{layer.name}: the digital sum of its {len(rows)} inputs for weights with zero "
                f"points reaches {bound}, beyond 32 bits; use symmetric weights"
            )
    output, factor, step = op.output, params.get("factor", 1.0), own.adc.effective_step
    if output.rule == "none" and step != 1:  # the model counts in its own units, not in steps
        output = replace(output, rule="fixed_point")
    try:
        numbers = numbers_of(output.rule, np.atleast_1d(factor) * float(step))
    except ValueError as error:
        raise ModelError(f"{layer.name}: {error}") from None
    bound_params: Params = {
        "weights": stored.astype(storage_dtype(*spec.weight_range)),
        "bias": _in_steps(layer.name, bias, step),
        **numbers,
    }
    if shift.any():
        bound_params["weight_shift"] = shift.astype(np.int32)
    settings = {
        "in_shift": in_shift,
        "weight_shift": bool(shift.any()),
        "adc": adc,
    }
    if isinstance(op, QuantizedDense):
        return replace(layer, op=Dense(output, **settings)), bound_params  # type: ignore[arg-type]
    conv = Conv(
        *(output, op.stride, op.padding, op.dilation, op.groups),
        pad_code=pad_code,
        **settings,  # type: ignore[arg-type]
    )
    return replace(layer, op=conv), bound_params


def _require_known(model: Model, adcs: dict[str, Adc]) -> None:
    names = [
        layer.name
        for layer in model.graph.layers
        if isinstance(layer.op, QuantizedConv | QuantizedDense)
    ]
    for name in adcs:
        if name not in names:
            raise ModelError(f"adc: no layer {name!r} on the array; there are {', '.join(names)}")


def _input_shift(name: str, tensor: TensorSpec, spec: Bitline) -> int:
    low, high = spec.act_range
    if low <= tensor.low and tensor.high <= high:
        return 0
    if tensor.high - tensor.low > high - low:
        bits = (tensor.high - tensor.low).bit_length()
        raise ModelError(
            f"{name}: its input codes {tensor.low}..{tensor.high} need {bits} bits, but "
            f"precision.act_bits = {spec.act_bits}; choose a chip with act_bits = {bits} or "
            f"import the float network and let it be quantised"
        )
    return low - tensor.low


def _stored_weights(name: str, params: Params, spec: Bitline) -> tuple[np.ndarray, np.ndarray]:
    """(codes as stored, int64, like the weights; what each channel's codes lack of the weight)."""
    weights = np.asarray(params["weights"]).astype(np.int64)
    channels = weights.shape[-1]
    zeros = np.broadcast_to(np.asarray(params.get("weight_zero", 0)).astype(np.int64), (channels,))
    low, high = spec.weight_range
    middle = np.full(channels, 1 << (spec.weight_bits - 1))
    for origin in (zeros, middle, np.zeros(channels, np.int64)):
        stored = weights - origin
        on_grid = spec.weight_step == 1 or not ((stored - low) % spec.weight_step).any()
        if stored.size == 0 or (stored.min() >= low and stored.max() <= high and on_grid):
            return stored, origin - zeros
    real = weights - zeros
    raise ModelError(
        f"{name}: weight codes {real.min()}..{real.max()} do not fit the chip's {low}..{high} "
        f"(precision.weight_bits = {spec.weight_bits}, weight_encoding = "
        f"{spec.weight_encoding!r}); choose a chip with more weight bits or import the float "
        f"network and let it be quantised"
    )


def _in_steps(name: str, bias: np.ndarray, step: Fraction) -> np.ndarray:
    """The bias in accumulator units, that is in steps of the ADC, rounded half to even."""
    if step != 1:
        bias = np.array([round(Fraction(int(b)) / step) for b in bias], np.int64)
    if bias.size and np.abs(bias).max() > INT32_MAX:
        raise ModelError(
            f"{name}: a bias of {np.abs(bias).max()} accumulator units passes 32 bits; the scales "
            f"of its input, weights and bias do not suit each other"
        )
    return bias.astype(np.int32)
