"""`pimjax faults`: the fault models, and the parameters of one."""

from __future__ import annotations

import difflib
import inspect
import sys
import textwrap

import click
from rich.console import Console
from rich.table import Table

from pimjax.memory.faults import FAULTS
from pimjax.memory.faults.parameters import described

_WIDTH = 100


def faults_command(name: str | None) -> None:
    """Prints the table of models, or one of them. Raises ValueError for one that is not there."""
    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    if name is None:
        _print_all(console)
        return
    models = {fault.__name__: fault for fault in FAULTS}
    known = {key.lower(): key for key in models}
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]!r}?" if near else f"there are {', '.join(models)}"
        raise ValueError(f"no fault is called {name!r}; {hint}")
    _print_one(console, models[known[name.lower()]])


def _print_all(console: Console) -> None:
    table = Table("fault", "stage", "what it does", "source", box=None, pad_edge=False)
    for fault in FAULTS:
        meaning = _paragraphs(fault)[0].splitlines()[0]
        table.add_row(fault.__name__, fault.stage.name.lower(), meaning, fault.source)
    console.print(table)
    console.print(
        "\npimjax faults NAME prints the parameters of one; docs/faults.md explains them."
    )


def _print_one(console: Console, fault: type) -> None:
    stage = fault.stage.name.lower()  # type: ignore[attr-defined]
    console.print(f"{fault.__name__} (stage: {stage})\n")
    for paragraph in _paragraphs(fault):
        text = " ".join(paragraph.replace("*", "").split())
        console.print("\n".join(textwrap.wrap(text, _WIDTH)) + "\n")
    table = Table("parameter", "default", "unit", "meaning", box=None, pad_edge=False)
    rows = described(fault)
    for parameter, default, unit, meaning in rows:
        table.add_row(parameter, _shown(default), unit, meaning)
    if not rows:
        console.print("It has no parameters.")
        return
    _print_table(console, table)


def _print_table(console: Console, table: Table) -> None:
    """Without the spaces that fill up lines."""
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _shown(default: str) -> str:
    return {"": "required", "None": "-"}.get(default, default)


def _paragraphs(fault: type) -> list[str]:
    return inspect.cleandoc(fault.__doc__ or "").split("\n\n")
