"""Config files of several kinds (chips, scenarios): shipped ones by name, others by path."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any


class ConfigNotFoundError(FileNotFoundError, ValueError):
    """There is no shipped config of that name, or no file at that path."""

    def __str__(self) -> str:
        return str(self.args[0])


def configs_folder() -> Path:
    """The folder of shipped configs: inside an installed wheel, or the repository's own."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"configs/ is missing beside {package}; reinstall pimjax")


def config_names(kind: str) -> tuple[str, ...]:
    """Names of the shipped configs of a kind ("chip", "scenario"), in alphabetical order."""
    return tuple(sorted(path.stem for path in (configs_folder() / f"{kind}s").glob("*.toml")))


def find_config(
    kind: str,
    name_or_path: str | os.PathLike[str],
    error: type[ConfigNotFoundError] = ConfigNotFoundError,
) -> Path:
    """The path of a config of a kind. Raises TypeError, and `error` where there is none."""
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"{kind}: {type(name_or_path).__name__} given; the name of a shipped {kind} or the "
            f"path of a TOML file expected"
        )
    text, names = os.fspath(name_or_path), config_names(kind)
    looks_like_path = text.endswith(".toml") or os.sep in text
    if not looks_like_path and isinstance(name_or_path, str) and text in names:
        return configs_folder() / f"{kind}s" / f"{text}.toml"
    path = Path(text)
    if text and path.is_file():
        return path
    if looks_like_path or isinstance(name_or_path, os.PathLike):
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise error(f"{kind} file {text!r} {problem}; shipped: {', '.join(names)}")
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise error(
        f"no shipped {kind} and no file is called {text!r}{hint} (shipped: {', '.join(names)})"
    )


def read_table(path: Path, error: type[ValueError]) -> dict[str, Any]:
    """What a TOML file says. Raises `error` for one that cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise error(f"{path}: not a TOML file ({problem})") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
