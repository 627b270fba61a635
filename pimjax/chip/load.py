"""Chips from TOML files: shipped ones by name, others by path, with dotted overrides."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import TypeAdapter, ValidationError

from pimjax.chip.explain import ChipError, explain
from pimjax.chip.schema import Chip


class ChipNotFoundError(FileNotFoundError, ValueError):
    """There is no shipped chip of that name, or no file at that path."""

    def __str__(self) -> str:
        return str(self.args[0])


def configs_folder() -> Path:
    """The folder of shipped configs: inside an installed wheel, or the repository's own."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"configs/ is missing beside {package}; reinstall pimjax")


def chip_names() -> tuple[str, ...]:
    """Names of the shipped chips, in alphabetical order."""
    return tuple(sorted(path.stem for path in (configs_folder() / "chips").glob("*.toml")))


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
    path = _find(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChipError(f"{path}: not a TOML file ({error})") from None
    except OSError as error:
        raise ChipError(f"{path}: cannot be read ({error.strerror})") from None
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


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"chip: {type(name_or_path).__name__} given; the name of a shipped chip or the path "
            f"of a TOML file expected"
        )
    text = os.fspath(name_or_path)
    shipped = configs_folder() / "chips" / f"{text}.toml"
    looks_like_path = text.endswith(".toml") or os.sep in text
    if not looks_like_path and isinstance(name_or_path, str) and text and shipped.is_file():
        return shipped
    path = Path(text)
    if text and path.is_file():
        return path
    if looks_like_path or isinstance(name_or_path, os.PathLike):
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ChipNotFoundError(f"chip file {text!r} {problem}; shipped: {', '.join(chip_names())}")
    near = difflib.get_close_matches(text, chip_names(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ChipNotFoundError(
        f"no shipped chip and no file is called {text!r}{hint} (shipped: {', '.join(chip_names())})"
    )


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
