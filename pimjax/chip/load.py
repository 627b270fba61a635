"""Chips from TOML files: shipped ones by name, others by path, with dotted overrides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import tomli_w
from pydantic import TypeAdapter, ValidationError

from pimjax.chip.configs import ConfigNotFoundError, config_names, find_config, read_table
from pimjax.chip.explain import ChipError, explain
from pimjax.chip.schema import Chip


class ChipNotFoundError(ConfigNotFoundError):
    """There is no shipped chip of that name, or no file at that path."""


def chip_names() -> tuple[str, ...]:
    """Names of the shipped chips, in alphabetical order."""
    return config_names("chip")


def load_chip(
    name_or_path: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None
) -> Chip:
    """The chip of that name or TOML file, with dotted `overrides` such as {"adc.bits": 5}.

    Overrides pass the same checks as the file. Raises ChipError (a ValueError) with one sentence
    per mistake, and ChipNotFoundError (also a FileNotFoundError).
    """
    if overrides is not None and not isinstance(overrides, Mapping):
        raise TypeError(
            f"overrides: {type(overrides).__name__} given; a mapping such as "
            f"{{'adc.bits': 5}} expected"
        )
    table = read_table(find_config("chip", name_or_path, ChipNotFoundError), ChipError)
    for dotted, value in (overrides or {}).items():
        _set(table, dotted, value)
    return build_chip(table, str(name_or_path))


def build_chip(table: Mapping[str, Any], origin: str) -> Chip:
    """The chip of a nested table; `origin` is named in errors. Raises ChipError."""
    try:
        return TypeAdapter(Chip).validate_python(_with_tuples(table))
    except ValidationError as error:
        raise ChipError(f"{origin}: " + "; ".join(explain(error, Chip))) from None


def chip_to_toml(chip: Chip) -> str:
    """The complete chip as TOML text."""
    return tomli_w.dumps(_plain(chip), multiline_strings=False)


def _set(table: dict[str, Any], dotted: str, value: Any) -> None:
    if not isinstance(dotted, str) or not dotted:
        raise ChipError(f"override {dotted!r}: a dotted path such as 'adc.bits' expected")
    *tables, key = dotted.split(".")
    here: Any = table
    for name in tables:
        here = here.setdefault(name, {})
        if not isinstance(here, dict):
            raise ChipError(f"override {dotted!r}: {name!r} is a value, not a table")
    here[key] = value


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return value
