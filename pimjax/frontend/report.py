"""A program beside the float network it came from, layer by layer: where accuracy is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import inf, log10
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.columns import without_columns
from pimjax.array.spec import Adc
from pimjax.chip.stats import Stats
from pimjax.frontend.model import Model
from pimjax.network.graph import Image
from pimjax.network.ops import Context, Conv, Dense
from pimjax.network.program import Plan, Program
from pimjax.network.run import execute, only_input, quantize_input, require_images
from pimjax.network.table import adc_words
from pimjax.network.text import aligned, shortened


@dataclass(frozen=True)
class LayerReport:
    """One layer that leaves codes.

    sqnr_db: the float network's tensor against the chip's, everything before it included; None
    without a float network. own_sqnr_db: the accumulators, in units of the ADC's step, against the
    exact dot products of the same input codes: what this layer's converters alone do (infinite:
    nothing at all); None off the array.
    clipped_share: of its conversions. used_range: the share of the tensor's codes between the
    smallest and the largest that occurred.
    """

    name: str
    place: str
    sqnr_db: float | None
    own_sqnr_db: float | None
    clipped_share: float | None
    used_range: float
    adc: Adc | None


class _Sums(NamedTuple):
    signal: Any
    noise: Any


@dataclass(frozen=True)
class Report:
    """Reports of all layers that leave codes, in order of execution. As text it is a table."""

    layers: tuple[LayerReport, ...]

    @property
    def worst(self) -> LayerReport | None:
        """The array layer whose own converters add the most noise."""
        own = [layer for layer in self.layers if layer.own_sqnr_db is not None]
        return min(own, key=lambda layer: layer.own_sqnr_db or 0.0, default=None)

    def table(self, name_length: int = 40) -> str:
        """The report as plain text; longer names are shortened in the middle."""
        columns: dict[str, Callable[[LayerReport], str]] = {
            "layer": lambda layer: shortened(layer.name, name_length),
            "where": lambda layer: layer.place,
            "SQNR dB": lambda layer: _decibels(layer.sqnr_db),
            "own dB": lambda layer: _decibels(layer.own_sqnr_db),
            "clipped %": lambda layer: _percent(layer.clipped_share),
            "range %": lambda layer: f"{100 * layer.used_range:.0f}",
            "ADC": lambda layer: "" if layer.adc is None else adc_words(layer.adc),
        }
        shown = {
            title: [title, *(cell(layer) for layer in self.layers)]
            for title, cell in columns.items()
        }
        return "\n".join(aligned(shown, ("layer", "where", "ADC")))

    def __str__(self) -> str:
        return self.table()


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3g}"


def _decibels(value: float | None) -> str:
    return "" if value is None else "exact" if value == inf else f"{value:.1f}"


def compare(
    program: Program, images: Any, model: Model | None = None, batch_size: int = 16
) -> Report:
    """The layers of `program` on real images, beside those of the float `model` it came from.

    Without `model` (a network that came quantised) only what the converters do is compared. For a
    program that was compiled with `equalize` give the equalised model: its tensors are others.

    Raises TypeError or ValueError for images that `run` refuses.
    """
    values = require_images(images, only_input(program.plan.graph))
    is_float = model is not None and not model.is_quantized
    totals: dict[str, tuple[float, float]] = {}
    own: dict[str, tuple[float, float]] = {}
    ends: dict[str, tuple[int, int]] = {}
    stats: dict[str, Stats] = {}
    for start in range(0, len(values), batch_size):
        part = values[start : start + batch_size]
        outputs, noise, counted = _compared(
            program.plan,
            program.image,
            jnp.asarray(quantize_input(part, program.plan)),
            jnp.asarray(np.arange(start, start + len(part), dtype=np.int32)),
        )
        floats = model.tensors(part.astype(np.float32)) if model and is_float else {}
        for name, sums in noise.items():
            own[name] = _plus(own.get(name), sums)
        for name, stat in counted.items():
            stats[name] = stats[name] + stat if name in stats else stat
        for layer in program.plan.graph.layers:
            if layer.tensor is None:
                continue
            codes = np.asarray(outputs[layer.name])
            found = int(codes.min()), int(codes.max())
            low, high = ends.get(layer.name, found)
            ends[layer.name] = min(low, found[0]), max(high, found[1])
            if layer.name in floats:
                exact = np.asarray(floats[layer.name], np.float64)
                error = layer.tensor.values_of(codes).reshape(exact.shape) - exact
                totals[layer.name] = _plus(
                    totals.get(layer.name), _Sums(np.sum(exact**2), np.sum(error**2))
                )
    default = program.plan.spec.adc
    rows = []
    for layer in program.plan.graph.layers:
        if layer.tensor is None:
            continue
        name = layer.name
        span = layer.tensor.high - layer.tensor.low
        low, high = ends[name]
        rows.append(
            LayerReport(
                name=name,
                place=layer.op.place,
                sqnr_db=_ratio(totals.get(name)),
                own_sqnr_db=_ratio(own.get(name)),
                clipped_share=stats[name].clipped_share if name in stats else None,
                used_range=(high - low) / span,
                adc=getattr(layer.op, "adc", None) or (default if name in stats else None),
            )
        )
    return Report(tuple(rows))


def _plus(before: tuple[float, float] | None, sums: _Sums) -> tuple[float, float]:
    signal, noise = before or (0.0, 0.0)
    return signal + float(sums.signal), noise + float(sums.noise)


def _ratio(sums: tuple[float, float] | None) -> float | None:
    if sums is None:
        return None
    signal, noise = sums
    if noise == 0:
        return inf
    return 10 * log10(signal / noise) if signal else -inf


def _error(accumulator: jax.Array, exact: jax.Array, step: Fraction) -> jax.Array:
    """accumulator step - exact in float32, and 0 only where they are equal.

    Counted in parts of the step's denominator, an error that fits 31 bits is what is left of it in
    int32, wrapped around or not; a larger one is far above the rounding of float32.
    """
    p, q = step.numerator, step.denominator
    whole = accumulator * jnp.int32(p) - exact * jnp.int32(q)
    rough = accumulator.astype(jnp.float32) * float(step) - exact.astype(jnp.float32)
    fits = jnp.abs(rough) * q < 2.0**30
    return jnp.where(fits, whole.astype(jnp.float32) / q, rough)


@partial(jax.jit, static_argnames=("plan",))
def _compared(
    plan: Plan, image: Image, codes: jax.Array, numbers: jax.Array
) -> tuple[dict[str, jax.Array], dict[str, _Sums], dict[str, Stats]]:
    """Every layer's codes; of array layers the energy of sums and of their errors; statistics."""
    results = execute(plan.graph, image, (codes,), Context(plan.spec, plan.engine, numbers))
    # Exact sums are larger than codes: the chip's accumulator need not hold them.
    wide = replace(plan.spec, accumulator_bits=32, accumulator_overflow="saturate")
    ideal = Context(replace(wide, adc=replace(plan.spec.adc, kind="none")), "auto")
    tensors = {plan.graph.inputs[0].name: codes}
    tensors |= {name: result.output for name, result in results.items()}
    noise, stats = {}, {}
    for layer in plan.graph.layers:
        result = results[layer.name]
        if not isinstance(layer.op, Conv | Dense) or result.stats is None:
            continue
        assert result.accumulator is not None
        operands = tuple(tensors[name].astype(jnp.int32) for name in layer.inputs)
        op = replace(layer.op, adc=None)
        exact = op.apply(operands, without_columns(image[layer.name]), ideal).accumulator
        assert exact is not None
        step = (layer.op.adc or plan.spec.adc).effective_step
        error = _error(result.accumulator, exact, step)
        noise[layer.name] = _Sums(jnp.sum(exact.astype(jnp.float32) ** 2), jnp.sum(error**2))
        stats[layer.name] = result.stats
    outputs = {name: result.output for name, result in results.items()}
    return outputs, noise, stats
