"""A picture of what each code makes of a rate of wrong bits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from pimjax.memory.ecc.codes import CODES
from pimjax.memory.ecc.rates import data_error_rate
from pimjax.memory.ecc.residual import wrong_bits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHADES = {"secded": "#1f5fa8", "hamming": "#777777", "bch": "#b5442e"}
_DASHES = ("-", "--", ":", "-.")


def draw_rates(figure: Figure, most: int = 24, words: int = 4096) -> None:
    """Draws data BER after each code against RBER before it, both axes logarithmic.

    Detected words are delivered as read. `most` and `words` are those of `wrong_bits`: up to `most`
    errors a word are decoded, more are taken as detected.
    """
    axes = figure.subplots()
    rates = np.logspace(-6, -1, 101)
    axes.plot(rates, rates, color="black", linewidth=0.8, label="no code")
    drawn: dict[str, int] = {}
    for name, code in CODES.items():
        family = name.partition("-")[0]
        turn = drawn[family] = drawn.get(family, -1) + 1
        after = data_error_rate(code, rates, wrong_bits(code, most, words).tolist())
        axes.plot(rates, after, _DASHES[turn], color=_SHADES[family], linewidth=1.4, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-21, 1)
    axes.set_xlabel("RBER: rate of wrong bits before correction")
    axes.set_ylabel("BER: rate of wrong data bits after it")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def rates_picture(most: int = 24, words: int = 4096) -> bytes:
    """A PNG of `draw_rates`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    draw_rates(figure, most, words)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
