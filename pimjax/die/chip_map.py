"""The map of a chip: which program stands in which macro, as text and as a picture.

Axis letters: h bank, m macro of the chip.
"""

from __future__ import annotations

import io
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, Literal

import numpy as np

from pimjax.die.floorplan import ABSENT, FREE, Floorplan
from pimjax.network.place import placement_of
from pimjax.network.text import aligned, shortened

_LETTERS = ascii_uppercase + ascii_lowercase + digits
_SIGNS = {FREE: ".", ABSENT: " "}
_OTHERS, _MIXED = "#", "+"
_LARGEST_GRID = 64
_NAME = 30


def chip_map(floorplan: Floorplan) -> str:
    """The map as text of at most 80 characters a line.

    A line a bank with a character a macro: a letter for each program, "." where it is free; then
    the share of its macros that is taken. Where there are more than 64 banks or macros in a bank, a
    character stands for several; "+" then is more than one program. The legend follows.
    """
    banks = floorplan.chip.array.banks
    grid = floorplan.owner.reshape(banks, -1)
    down, across = (-(-size // _LARGEST_GRID) for size in grid.shape)
    lines = [_head(floorplan), ""]
    if down > 1 or across > 1:
        lines[1:1] = [f"a character is {down} x {across} macros (banks x macros)"]
    for first in range(0, banks, down):
        block = grid[first : first + down]
        signs = [_sign(block[:, m : m + across]) for m in range(0, grid.shape[1], across)]
        taken = (block >= 0).sum() / max(1, (block != ABSENT).sum())
        lines.append(f"{first:>7} {''.join(signs)} {100 * taken:5.1f}%")
    lines += ["", *_legend(floorplan)]
    free = len(floorplan.free_macros)
    share = 100 * free / floorplan.capacity.macros
    lines.append(f".  free: {free} macros, {floorplan.free_mib:.2f} MiB, {share:.1f} %")
    return "\n".join(line.rstrip() for line in lines)


def chip_picture(
    floorplan: Floorplan,
    form: Literal["png", "svg"] = "png",
    defects: Any = None,
    title: str | None = None,
) -> bytes:
    """The map as the bytes of a PNG or SVG file.

    A square a macro, a row a bank, a colour for each program: the fuller of weights the macro, the
    deeper; free macros are white, absent ones grey. Beside it the share of each bank's macros that
    is taken. `defects` (m,), numbers from 0 for every macro, become dots whose area grows with
    their logarithm.
    Equal floorplans give equal bytes. Raises ValueError.
    """
    if form not in ("png", "svg"):
        raise ValueError(f"form = {form!r}: 'png' or 'svg' expected")
    counts = None if defects is None else _counts(floorplan, defects)
    # Here, because drawing is the slowest to import, and few need it.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "pimjax", "svg.fonttype": "path"}):
        figure = Figure(figsize=(11, 7.5), dpi=120, layout="constrained")
        _draw(figure, floorplan, counts, title)
        data = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(data, format=form, metadata=metadata)
    return data.getvalue()


def _head(floorplan: Floorplan) -> str:
    array, capacity = floorplan.chip.array, floorplan.capacity
    name = shortened(floorplan.chip.name, _NAME)
    return (
        f"{name}: {capacity.macros} macros, {capacity.mib(capacity.macros):.4g} MiB, "
        f"{array.banks} x {array.macros_per_bank} (banks x macros)"
    )


def _letter(number: int) -> str:
    return _LETTERS[number] if number < len(_LETTERS) else _OTHERS


def _sign(block: np.ndarray) -> str:
    """One character for the macros of a block; free ones beside a program's do not show."""
    owners = np.unique(block)
    if owners[-1] < 0:
        return _SIGNS[int(owners[-1])]
    programs = owners[owners >= 0]
    return _letter(int(programs[0])) if len(programs) == 1 else _MIXED


def _legend(floorplan: Floorplan) -> list[str]:
    if not floorplan.placed:
        return []
    rows = []
    for number, (name, program) in enumerate(floorplan.placed):
        macros = list(placement_of(program).macros)
        filled = floorplan.macro_fill[macros].mean() if macros else 0.0
        rows.append(
            (
                f"{_letter(number)}  {shortened(name, _NAME)}",
                placement_of(program).policy,
                f"{len(macros)} macros",
                f"{floorplan.capacity.mib(len(macros)):.2f} MiB",
                f"{100 * filled:.1f} % full",
            )
        )
    columns = dict(zip("abcde", map(list, zip(*rows, strict=True)), strict=True))
    return aligned(columns, ("a", "b"))


def _counts(floorplan: Floorplan, defects: Any) -> np.ndarray:
    counts = np.asarray(defects, np.float64)
    macros = floorplan.capacity.in_banks
    if counts.shape != (macros,) or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(
            f"defects: {macros} finite numbers from 0 expected, one a macro; shape {counts.shape} "
            f"given"
        )
    return counts


def _draw(figure: Any, floorplan: Floorplan, counts: np.ndarray | None, title: str | None) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb
    from matplotlib.ticker import MaxNLocator

    shape = floorplan.chip.array.banks, floorplan.chip.array.macros_per_bank
    palette = [np.array(to_rgb(color)) for color in colormaps["tab10"].colors]  # type: ignore[attr-defined]
    pixels = np.ones((floorplan.capacity.in_banks, 3))
    pixels[floorplan.owner == ABSENT] = 0.8
    # Half the depth says that a macro is taken, the other half how full it is.
    depth = (0.35 + 0.65 * floorplan.macro_fill)[:, None]
    for number in range(len(floorplan.placed)):
        own = floorplan.owner == number
        pixels[own] = 1 - depth[own] * (1 - palette[number % len(palette)])
    grid, bars = figure.subplots(1, 2, width_ratios=(6, 1), sharey=True)
    grid.imshow(pixels.reshape(*shape, 3), aspect="auto", interpolation="nearest")
    _lines(grid, shape)
    grid.set(xlabel="macro of the bank (deeper: fuller of weights)", ylabel="bank")
    grid.set_title(title or _head(floorplan), loc="left")
    bars.barh(np.arange(shape[0]), 100 * floorplan.bank_fill, color="0.5", height=0.8)
    bars.set(xlim=(0, 100), xlabel="macros taken / %")
    bars.tick_params(which="both", left=False, labelleft=False)
    for axis in (grid.xaxis, grid.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    for side in ("top", "right"):
        bars.spines[side].set_visible(False)
    handles = _handles(floorplan, palette)
    if counts is not None and counts.any():
        handles.append(_overlay(grid, counts, shape))
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False)


def _lines(axes: Any, shape: tuple[int, int]) -> None:
    """White lines between macros where these are large enough to be told apart."""
    if max(shape) <= 2 * _LARGEST_GRID:
        axes.set_xticks(np.arange(0.5, shape[1] - 1), minor=True)
        axes.set_yticks(np.arange(0.5, shape[0] - 1), minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.5)
        axes.tick_params(which="minor", length=0)


def _handles(floorplan: Floorplan, palette: list[np.ndarray]) -> list[Any]:
    from matplotlib.patches import Patch

    handles = []
    for number, (name, program) in enumerate(floorplan.placed):
        macros = len(placement_of(program).macros)
        label = (
            f"{shortened(name, _NAME)}: {macros} macros, {floorplan.capacity.mib(macros):.2f} MiB"
        )
        handles.append(Patch(color=tuple(palette[number % len(palette)].tolist()), label=label))
    free = f"free: {len(floorplan.free_macros)} macros, {floorplan.free_mib:.2f} MiB"
    return [*handles, Patch(facecolor="white", edgecolor="0.7", label=free)]


def _overlay(axes: Any, counts: np.ndarray, shape: tuple[int, int]) -> Any:
    bank, macro = np.divmod(np.flatnonzero(counts), shape[1])
    shown = counts[counts > 0]
    area = 60 * min(1.0, (40 / max(shape)) ** 2)
    # One cell and a whole dead macro are five powers of ten apart, and both are to be seen.
    size = np.log1p(shown) / np.log1p(shown.max())
    label = f"defects: {counts.sum():g}, at most {shown.max():g} in a macro"
    return axes.scatter(macro, bank, s=2 + area * size, color="black", linewidths=0, label=label)
