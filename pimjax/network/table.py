"""The mapping table as plain text, for terminals and logs of 80 characters and more."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

from pimjax.array.spec import Adc
from pimjax.network.text import GAP, aligned, shortened_apart, widest

if TYPE_CHECKING:
    from pimjax.network.describe import Description, Row

NAME_AT_LEAST = 24

_LEFT = ("layer", "kind", "where", "output", "ADC")
_DROPPED_FIRST = ("cells", "columns", "row groups", "output", "k", "where", "ADC", "used %")
_COLUMNS: dict[str, Callable[[Row], object]] = {
    "layer": lambda row: row.name,
    "kind": lambda row: row.kind,
    "where": lambda row: row.place,
    "output": lambda row: "x".join(map(str, row.output)),
    "k": lambda row: row.mapping and row.mapping.k,
    "row groups": lambda row: row.mapping and row.mapping.row_groups,
    "columns": lambda row: row.mapping and row.mapping.columns,
    "macros": lambda row: row.mapping and row.mapping.macros,
    "used %": lambda row: row.mapping and f"{100 * row.mapping.utilisation:.1f}",
    "cells": lambda row: row.mapping and row.mapping.cells,
    "conversions": lambda row: row.mapping and row.conversions,
    "ADC": lambda row: row.adc and adc_words(row.adc),
}


def mapping_table(description: Description, width: int) -> str:
    """Head, one line a layer, totals.

    Long layer names are shortened where it leaves them different; where even that does not do, the
    less important columns are left out, and a line says which.
    """
    shown = {
        title: [title, *("" if (c := cell(row)) is None else str(c) for row in description.rows)]
        for title, cell in _COLUMNS.items()
    }
    if not any(shown["ADC"][1:]):
        del shown["ADC"]
    left_out = []
    for title in _DROPPED_FIRST:
        if _room_for_names(shown, width) >= min(NAME_AT_LEAST, widest(shown["layer"])):
            break
        if shown.pop(title, None):
            left_out.append(title)
    room = max(NAME_AT_LEAST, _room_for_names(shown, width))
    shown["layer"] = shortened_apart(shown["layer"], room)
    totals = _totals(description)
    if left_out:
        totals.append(f"left out to fit {width} characters: {', '.join(left_out)}")
    head, foot = [_head(description), ""], ["", *totals]
    prose = [textwrap.fill(line, width, subsequent_indent="  ") for line in (*head, *foot)]
    return "\n".join([*prose[: len(head)], *aligned(shown, _LEFT), *prose[len(head) :]])


def adc_words(adc: Adc) -> str:
    """Bits, step and offset of a converter: "6 bits, step 3/2"."""
    if adc.kind == "none":
        return "none"
    offset = f", offset {adc.offset}" if adc.offset else ""
    return f"{adc.bits} bits, step {adc.step}{offset}"


def _room_for_names(shown: dict[str, list[str]], width: int) -> int:
    others = [widest(cells) + len(GAP) for title, cells in shown.items() if title != "layer"]
    return width - sum(others)


def _head(description: Description) -> str:
    chip, rows = description.chip, description.array_rows
    columns = f", {rows[0].mapping.columns_per_weight} columns a weight" if rows else ""  # type: ignore[union-attr]
    return (
        f"{chip.name}: macros of {chip.array.wordlines} x {chip.array.bitlines} cells, row groups "
        f"of {chip.array.active_wordlines}{columns}, ADC {adc_words(chip.bitline().adc)}"
    )


def _totals(description: Description) -> list[str]:
    capacity, macros, chips = description.capacity, description.macros, description.chips
    share = f"{100 * description.share:.1f} % of"
    if chips == 1:
        where = f"{share} the {capacity.macros} of the chip"
    else:
        where = f"{share} the {chips * capacity.macros} of {chips} chips"
    if description.policy != "layer":
        where += f", placement {description.policy}"
    taken = macros * capacity.cells_per_macro
    counts = {place: 0 for place in ("array", "digital", "host")}
    for row in description.rows:
        counts[row.place] += 1
    host = f"{counts['host']} on the host in float"
    if description.host_rows:
        host += f" ({', '.join(dict.fromkeys(row.kind for row in description.host_rows))})"
    return [
        f"macros: {macros} ({description.mib:.2f} MiB), {where}",
        f"cells: {description.cells:,} hold weights, {100 * description.utilisation:.1f} % of the "
        f"{taken:,} in these macros",
        f"conversions per image: {description.conversions:,}",
        f"layers: {counts['array']} on the array, {counts['digital']} digital, {host}",
    ]
