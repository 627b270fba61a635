"""Bits that the read current flips, a little at every read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pimjax.memory.device.disturb import disturb_by_class
from pimjax.memory.device.field import stability_in_field
from pimjax.memory.device.limits import kelvin
from pimjax.memory.device.thermal import stability_ratio
from pimjax.memory.effects import Stage, Surroundings, WeakCellEffect
from pimjax.memory.faults.parameters import (
    chips_own,
    parameter,
    plain_numbers,
    require_bit,
    require_number,
)


@dataclass(frozen=True)
class ReadDisturb:
    """Read disturb accumulated over inferences.

    P = 1 - exp(-(t/t0) exp(-Delta (1 - I/Ic)^n)) for a read of length t.

    Every image reads the cells of a layer as often as the program can
    (`pimjax.die.accesses.reads_per_image`) times `activity`, the share of those reads in which a
    cell's wordline is driven; or as often as `reads` says, by layer: what
    `pimjax.die.accesses.measured_reads` finds with real images. The current disturbs one state
    only. Weak cells are those of `Retention`. Values not given are the chip's.

    *Source:* thermal activation under current; n = 1 is the common fit, n = 2 the perpendicular
    macrospin. *Assumption:* the device values, and that a stored 1 is what is disturbed.
    """

    stage: ClassVar[Stage] = Stage.REST
    source: ClassVar[str] = "thermal activation under a current; device values assumed"

    inferences: float = parameter("images the network has seen", "images")
    activity: float = parameter("share of reads that drive a cell's wordline", "1", 1.0)
    reads: tuple[tuple[str, float], ...] | None = parameter(
        "instead: reads of a cell for an image, by layer", "reads", None
    )
    temperature_k: float = parameter("temperature while reading", "K", 298.15)
    current_ratio: float | None = parameter("read current by critical current", "1", None)
    read_ns: float | None = parameter("length of a read; the chip's", "ns", None)
    exponent: int | None = parameter("n, 1 or 2; the chip's", "", None)
    thermal_stability: float | None = parameter("mean barrier by kT; the chip's", "1", None)
    sigma: float | None = parameter("relative spread of it over cells; the chip's", "1", None)
    disturbed: int = parameter("the stored bit that reads disturb", "bit", 1)
    field_t: float = parameter("external field along the axis; positive favours P", "T", 0.0)

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_number("ReadDisturb.inferences", self.inferences, 0)
        require_number("ReadDisturb.activity", self.activity, 0, 1)
        object.__setattr__(self, "reads", _by_layer(self.reads))
        kelvin("ReadDisturb.temperature_k", self.temperature_k)
        require_bit("ReadDisturb.disturbed", self.disturbed)
        if self.current_ratio is not None:
            require_number("ReadDisturb.current_ratio", self.current_ratio, 0, 0.99)
        if self.exponent not in (None, 1, 2):
            raise ValueError(f"ReadDisturb.exponent = {self.exponent!r}: 1 or 2 expected")

    def effects(self, around: Surroundings) -> list[WeakCellEffect]:
        """Flips by layer and class of cell."""
        device = around.device
        accesses = around.count_reads() if self.reads is None else self._given(around.layers)
        given = chips_own(self.thermal_stability, device.thermal_stability)
        ratio = stability_ratio(
            self.temperature_k, device.thermal_stability_temperature_k, device.curie_temperature_k
        )
        pair = stability_in_field(given, self.field_t, device.anisotropy_field_t)
        stability = float(pair[0] if self.disturbed == 1 else pair[1])
        by_reads = {
            reads: disturb_by_class(
                stability * float(ratio),
                chips_own(self.sigma, device.thermal_stability_sigma),
                chips_own(self.current_ratio, device.read_current_ratio),
                1e-9 * chips_own(self.read_ns, around.timing.mram_read_ns),
                self.inferences * reads * (self.activity if self.reads is None else 1.0),
                chips_own(self.exponent, device.disturb_exponent),
                1e-9 * device.attempt_time_ns,
                self.disturbed,
            )
            for reads in set(accesses)
        }
        by_layer = np.stack([by_reads[reads] for reads in accesses])
        return [WeakCellEffect(self.stage, "read disturb", by_layer, "thermal stability")]

    def _given(self, layers: tuple[str, ...]) -> tuple[float, ...]:
        given = dict(self.reads or ())
        for name in layers:
            if name not in given:
                raise ValueError(
                    f"ReadDisturb.reads: none given for layer {name!r}; give all layers"
                )
        return tuple(given[name] for name in layers)


def _by_layer(reads: Any) -> tuple[tuple[str, float], ...] | None:
    if reads is None:
        return None
    pairs = dict(reads)
    for name, count in pairs.items():
        require_number(f"ReadDisturb.reads[{name!r}]", count, 0)
    return tuple((str(name), float(count)) for name, count in pairs.items())
