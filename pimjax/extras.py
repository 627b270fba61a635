"""Optional packages, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtraError(ImportError):
    """A package of an extra is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """The imported module, or an error that names the extra which brings it.

    Raises MissingExtraError.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is not installed; install it with: pip install 'pimjax[{extra}]'"
        ) from None
