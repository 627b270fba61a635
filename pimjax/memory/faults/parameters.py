"""The parameters of fault models: their units, and the checks they share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import field, fields
from typing import Any

import numpy as np

REQUIRED = object()


def parameter(text: str, unit: str = "", default: Any = REQUIRED) -> Any:
    """A field of a fault model that says what it is and in which unit."""
    metadata = {"text": text, "unit": unit}
    if default is REQUIRED:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def described(fault: type) -> list[tuple[str, str, str, str]]:
    """(name, default, unit, meaning) of every parameter of a fault model."""
    rows = []
    for item in fields(fault):
        default = "" if item.default is item.default_factory else repr(item.default)
        rows.append((item.name, default, item.metadata["unit"], item.metadata["text"]))
    return rows


def chips_own(given: Any, value: Any) -> Any:
    """`given`, or the chip's value where a fault was not given one."""
    return value if given is None else given


def plain_numbers(fault: Any) -> None:
    """Makes Python numbers of a fault's parameters that are scalars of NumPy or JAX."""
    for item in fields(fault):
        value = getattr(fault, item.name)
        if hasattr(value, "item") and getattr(value, "shape", None) == ():
            object.__setattr__(fault, item.name, value.item())


def require_probability(name: str, value: Any) -> None:
    """Refuses what is no probability. Raises TypeError, ValueError."""
    require_number(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} = {value}: a probability in 0..1 expected")


def require_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuses what is no finite number from `low` to `high`. Raises TypeError, ValueError."""
    # A zero-dimensional array is a number, such as those of np.logspace.
    is_array = getattr(value, "shape", ()) != ()
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__float__") or is_array:
        raise TypeError(f"{name} = {value!r}: a number expected")
    if not math.isfinite(value) or not low <= value <= high:
        ends = f"from {low:g}" if high == math.inf else f"in {low:g}..{high:g}"
        what = "a finite number" if low == -math.inf else f"a number {ends}"
        raise ValueError(f"{name} = {value!r}: {what} expected")


def require_bit(name: str, value: Any) -> None:
    """Refuses what is neither 0 nor 1. Raises ValueError."""
    if isinstance(value, bool) or value not in (0, 1):
        raise ValueError(f"{name} = {value!r}: a stored bit, 0 or 1, expected")


def names(what: str, value: Any) -> tuple[str, ...] | None:
    """One name or several as a tuple; None stays. Raises TypeError."""
    if value is None:
        return None
    items = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not all(isinstance(item, str) for item in items):
        raise TypeError(f"{what} = {value!r}: a layer's name, or a list of names, expected")
    return items


def numbers(what: str, value: Any) -> tuple[int, ...] | None:
    """One integer or several as a tuple; None stays. Raises TypeError."""
    if value is None:
        return None
    items = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if not all(hasattr(item, "__index__") and not isinstance(item, bool) for item in items):
        raise TypeError(f"{what} = {value!r}: an integer, or a list of integers, expected")
    return tuple(int(item) for item in items)
