"""From a model to a program for a chip: fold, calibrate, quantise, map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from pimjax.array.spec import Adc
from pimjax.chip.schema import Chip
from pimjax.frontend.adc import calibrate_adc, clip_limit
from pimjax.frontend.bind import bind
from pimjax.frontend.equalize import equalize as equalized
from pimjax.frontend.fold import fold
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantize import quantize
from pimjax.frontend.ranges import METHODS, choose_range, observe
from pimjax.network.ops import Context
from pimjax.network.place import place, require_policy
from pimjax.network.program import Program
from pimjax.network.run import execute


def compile(
    model: Model,
    chip: Chip,
    calibration: Any = None,
    *,
    ranges: Literal["minmax", "percentile", "mse"] = "mse",
    percentile: float = 99.99,
    equalize: bool = False,
    adc: str | Mapping[str, Adc] = "chip",
    engine: str = "auto",
    chips: int = 1,
    placement: str = "layer",
) -> Program:
    """The program that runs `model` on `chip`.

    A float model is folded and quantised: weights with one scale per output channel, activations
    with ranges from `calibration` images (float32 (b, h, w, c), as the model takes them) by
    `ranges`: "minmax", "percentile" (that share on either side) or "mse"; `equalize` balances the
    channels between pairs of layers first. A model that came quantised keeps its own numbers and
    needs no calibration.

    `adc`: "chip" keeps the chip's converter settings in every layer; "mse" or "clip:SHARE" choose
    step and offset per layer from the calibration images (`calibrate_adc`); a mapping gives the
    settings of single layers. `chips` of the kind share the layers; with one, a network that does
    not fit is refused. `placement` names the policy by which weights get their places on the chip
    (pimjax.network.place.POLICIES); it changes no result.

    Raises ModelError or ValueError with one sentence for what does not fit the chip.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: {type(model).__name__} given; pass what pimjax.load_model returns")
    require_policy(placement)
    if not model.is_quantized:
        if calibration is None:
            raise ModelError(
                f"{model.source or 'model'}: a float network needs calibration images; pass "
                f"calibration=, float32 (b, h, w, c)"
            )
        if ranges not in METHODS:
            raise ValueError(f"ranges: {ranges!r} given; {', '.join(METHODS)} expected")
        folded = fold(model)
        folded = equalized(folded) if equalize else folded
        model = _quantized(folded, chip, calibration, ranges, percentile)
    program = bind(model, chip, _adc_settings(model, chip, calibration, adc), engine)
    return place(program, placement, chips=chips)


def _adc_settings(
    model: Model, chip: Chip, calibration: Any, adc: str | Mapping[str, Adc]
) -> dict[str, Adc]:
    if not isinstance(adc, str):
        return dict(adc)
    if adc == "chip":
        return {}
    clip_limit(adc)
    if calibration is None:
        raise ModelError(f"adc = {adc!r} chooses from calibration images; pass calibration=")
    return {
        name: choice.adc for name, choice in calibrate_adc(model, chip, calibration, adc).items()
    }


def _quantized(
    folded: Model, chip: Chip, calibration: Any, ranges: str, percentile: float
) -> Model:
    spec = chip.bitline()
    seen = observe(folded, calibration)
    chosen = {
        name: choose_range(one, ranges, spec.act_bits, percentile) for name, one in seen.items()
    }
    extremes = {name: (min(one.low, 0.0), max(one.high, 0.0)) for name, one in seen.items()}
    return quantize(folded, spec, chosen, extremes, float_shapes(folded))


def float_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a float model for one image."""
    entering = {item.name: (1, *item.shape) for item in model.graph.inputs}
    images = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in entering.values())
    results = jax.eval_shape(
        lambda params, x: execute(model.graph, params, x, Context()), model.params, images
    )
    return entering | {name: result.output.shape for name, result in results.items()}
