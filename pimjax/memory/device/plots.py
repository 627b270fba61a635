"""Plots of the laws of a cell, one SVG each: `python -m pimjax.memory.device.plots docs/images`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pimjax.memory.device.disturb import disturb_by_class, disturb_rate
from pimjax.memory.device.field import stability_in_field
from pimjax.memory.device.limits import YEAR_S
from pimjax.memory.device.retention import array_rate, one_way
from pimjax.memory.device.sensing import level_error_rate, partial_sum_sigma, sense_error_rate
from pimjax.memory.device.spread import class_probabilities
from pimjax.memory.device.thermal import ROOM_K, stability_ratio
from pimjax.memory.device.write import write_error_rate

STABILITY = 113.4  # the shipped chips' `mram.thermal_stability` and its spread
SIGMA = 0.05


def draw_all(folder: Path) -> list[Path]:
    """The SVG files written into the folder, which is made if absent; the same bytes each time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    style: Any = {"svg.hashsalt": "pimjax", "svg.fonttype": "none", "font.size": 9}
    with pyplot.rc_context(style):
        for name, draw in PLOTS.items():
            figure, axes = pyplot.subplots(figsize=(5.4, 3.4), layout="constrained")
            draw(axes)
            axes.grid(True, alpha=0.3)
            axes.legend(fontsize=8)
            paths.append(folder / f"device-{name}.svg")
            figure.savefig(paths[-1], metadata={"Date": None})
            pyplot.close(figure)
    return paths


def _colours(count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0, 0.85, count))


def _thermal(axes: Any) -> None:
    kelvin = np.linspace(233.15, 573.15, 120)
    for curie, colour in zip((900.0, 1000.0, 1200.0), _colours(3), strict=True):
        ratio = stability_ratio(kelvin, ROOM_K, curie)
        axes.plot(kelvin - 273.15, ratio, color=colour, label=f"Curie temperature {curie:.0f} K")
    axes.set(xlabel="temperature (C)", ylabel="stability / stability at 25 C", ylim=(0, None))


def _retention(axes: Any) -> None:
    times = np.logspace(0, np.log10(20 * YEAR_S), 50)
    celsius = (85, 105, 125, 150, 200, 260)
    for degrees, colour in zip(celsius, _colours(len(celsius)), strict=True):
        mean = STABILITY * float(stability_ratio(degrees + 273.15))
        rates = [array_rate(mean, SIGMA, time) for time in times]
        axes.loglog(times, rates, color=colour, label=f"{degrees} C")
    axes.loglog(
        times,
        one_way(STABILITY * stability_ratio(423.15), times),
        "k:",
        label="150 C, cells all alike",
    )
    axes.axvline(10 * YEAR_S, color="grey", linewidth=0.8)
    axes.set(
        xlabel="time (s); line at 10 years", ylabel="part of bits lost, one way", ylim=(1e-14, 1)
    )


def _write(axes: Any) -> None:
    pulses = np.linspace(0, 25, 200)
    overdrives = (1.5, 2.0, 2.5, 3.0)
    for i, colour in zip(overdrives, _colours(len(overdrives)), strict=True):
        axes.semilogy(
            pulses, write_error_rate(STABILITY, i, pulses), color=colour, label=f"I/Ic0 = {i}"
        )
        axes.semilogy(
            pulses,
            write_error_rate(STABILITY, i, pulses, "butler"),
            color=colour,
            linestyle=":",
            label="closed form" if i == overdrives[-1] else None,
        )
    axes.set(xlabel="pulse (units of t_D; 1.89 ns here)", ylabel="write error rate")
    axes.set_ylim(1e-14, 2)


def _disturb(axes: Any) -> None:
    reads = np.logspace(0, 15, 80)
    for exponent, dashes in ((1, "--"), (2, "-")):
        for celsius, colour in zip((25, 85, 125), _colours(3), strict=True):
            mean = STABILITY * float(stability_ratio(celsius + 273.15))
            one_cell = disturb_rate(mean, 0.3, 10e-9, reads, exponent)
            by_class = [
                disturb_by_class(mean, SIGMA, 0.3, 10e-9, count, exponent)[:, 1]
                for count in reads[::4]
            ]
            label = f"{celsius} C, n = {exponent}"
            axes.loglog(
                reads[::4], by_class @ class_probabilities(), dashes, color=colour, label=label
            )
            if exponent == 2 and celsius == 125:
                axes.loglog(reads, one_cell, "k:", label="125 C, n = 2, cells all alike")
    axes.set(xlabel="reads of 10 ns at I/Ic0 = 0.3", ylabel="part of 1s lost", ylim=(1e-14, 1))


def _sensing(axes: Any) -> None:
    sigma = np.linspace(0.03, 0.2, 100)
    for tmr, colour in zip((0.8, 1.0, 1.5, 2.0), _colours(4), strict=True):
        axes.semilogy(
            100 * sigma, sense_error_rate(tmr, sigma), color=colour, label=f"TMR {100 * tmr:.0f} %"
        )
    axes.set(xlabel="spread of resistance (%)", ylabel="sensing error rate", ylim=(1e-15, 1))


def _partial_sum(axes: Any) -> None:
    cells = np.arange(1, 257)
    for sigma, colour in zip((0.01, 0.02, 0.04, 0.08), _colours(4), strict=True):
        spread = partial_sum_sigma(cells / 2, cells / 2, 1.5, sigma)
        axes.semilogy(
            cells,
            np.maximum(level_error_rate(spread), 1e-30),
            color=colour,
            label=f"conductance spread {100 * sigma:.0f} %",
        )
    axes.set(
        xlabel="driven cells, half of them P; TMR 150 %",
        ylabel="codes missed, step of one cell",
        ylim=(1e-9, 1),
    )


def _field(axes: Any) -> None:
    ratio = np.linspace(-0.9, 0.9, 100)
    parallel, antiparallel = stability_in_field(1.0, 0.3 * ratio, 0.3)
    axes.plot(ratio, parallel, label="P (stored 1)")
    axes.plot(ratio, antiparallel, label="AP (stored 0)")
    axes.set(xlabel="field / anisotropy field", ylabel="stability / stability without field")


PLOTS: dict[str, Callable[[Any], None]] = {
    "thermal": _thermal,
    "retention": _retention,
    "write": _write,
    "disturb": _disturb,
    "sensing": _sensing,
    "partial-sum": _partial_sum,
    "field": _field,
}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pimjax.memory.device.plots FOLDER")
    for written in draw_all(Path(sys.argv[1])):
        print(written)
