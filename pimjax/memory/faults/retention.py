"""Bits that are lost while nothing happens: thermal jumps over the barrier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pimjax.memory.device.field import stability_in_field
from pimjax.memory.device.limits import kelvin, within
from pimjax.memory.device.retention import retention_by_class
from pimjax.memory.device.thermal import TemperatureProfile
from pimjax.memory.effects import (
    CellEffect,
    Stage,
    Surroundings,
    WeakCellEffect,
    spread_over_cells,
)
from pimjax.memory.faults.parameters import chips_own, parameter, plain_numbers, require_number


@dataclass(frozen=True)
class Retention:
    """Retention loss after a time at a temperature, or through a profile of temperatures.

    p01(t) = a/(a + b) (1 - exp(-(a + b) t)) and p10 alike, where a and b, the rates out of AP and
    P, are exp(-Delta)/t0. Delta follows the temperature through the magnetisation, differs from
    cell to cell (the same cells are weak in every interval and after every rewrite), and an
    external field makes one state more stable. Values not given are the chip's.

    *Source:* two-state thermal activation; Thomas et al. 2015 for the effective stability. Spread:
    9.6 to 14.3 % were measured on a 16 kb array (2014). *Assumption:* the device values and
    Delta(T).
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "two-state thermal activation (Neel-Arrhenius); device values assumed"

    time_s: float | None = parameter("how long", "s", None)
    temperature_k: float | None = parameter("at which temperature (85 C is 358.15 K)", "K", None)
    profile: tuple[tuple[float, float], ...] | None = parameter(
        "instead: a list of (temperature, time)", "(K, s)", None
    )
    thermal_stability: float | None = parameter("mean barrier by kT; the chip's", "1", None)
    sigma: float | None = parameter("relative spread of it over cells; the chip's", "1", None)
    field_t: float = parameter("external field along the axis; positive favours P", "T", 0.0)

    def __post_init__(self) -> None:
        plain_numbers(self)
        single = self.time_s is not None and self.temperature_k is not None
        if single == (self.profile is not None):
            raise ValueError("Retention: give time_s and temperature_k, or a profile of both")
        if single:
            within("Retention.time_s", self.time_s, 0.0)  # type: ignore[arg-type]
            kelvin("Retention.temperature_k", self.temperature_k)  # type: ignore[arg-type]
        else:
            object.__setattr__(self, "profile", _pairs(self.profile))
            TemperatureProfile(self.profile)  # type: ignore[arg-type]
        if self.thermal_stability is not None:
            require_number("Retention.thermal_stability", self.thermal_stability, 1, 1000)
        if self.sigma is not None:
            require_number("Retention.sigma", self.sigma, 0, 0.3)

    @property
    def intervals(self) -> TemperatureProfile:
        """The temperatures and how long each lasts."""
        return TemperatureProfile(self.profile or ((self.temperature_k, self.time_s),))  # type: ignore[arg-type]

    def effects(self, around: Surroundings) -> list[CellEffect | WeakCellEffect]:
        """Flips by class of cell."""
        device = around.device
        mean = chips_own(self.thermal_stability, device.thermal_stability)
        sigma = chips_own(self.sigma, device.thermal_stability_sigma)
        parallel, anti = stability_in_field(mean, self.field_t, device.anisotropy_field_t)
        by_class = retention_by_class(
            float(parallel),
            float(anti),
            sigma,
            self.intervals,
            1e-9 * device.attempt_time_ns,
            device.thermal_stability_temperature_k,
            device.curie_temperature_k,
        )
        weakness = "thermal stability"
        return [spread_over_cells(self.stage, "retention", weakness, by_class, sigma, around)]


def _pairs(profile: Sequence[Sequence[float]] | None) -> tuple[tuple[float, float], ...]:
    try:
        pairs = tuple((float(k), float(s)) for k, s in profile or ())
    except (TypeError, ValueError):
        pairs = ()
    if not pairs:
        raise ValueError(
            f"Retention.profile = {profile!r}: a list of (temperature in K, time in s) expected"
        )
    return pairs
