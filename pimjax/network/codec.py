"""Frozen dataclasses as plain JSON data and back, by their type hints alone.

Nothing is looked up by name but the operations of `pimjax.network.ops`: an operation is an object
with its class name as only key. Tuples are lists, Fractions text such as "3/2", infinities the
texts "inf" and "-inf". A new operation needs nothing here.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, is_dataclass
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pimjax.array.spec import Adc
from pimjax.chip.explain import explain
from pimjax.chip.schema import Adc as AdcSchema
from pimjax.network.container import ProgramError
from pimjax.network.ops import OPS, Op

_OPS = {op.__name__: op for op in OPS}
_INFINITIES = {"inf": math.inf, "-inf": -math.inf}
_FRACTION = re.compile(r"-?\d{1,40}(/\d{1,40})?")


def encode(value: Any) -> Any:
    """JSON data of a number, text, tuple, Fraction or frozen dataclass. Raises TypeError."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if is_dataclass(value):
        table = {field.name: encode(getattr(value, field.name)) for field in fields(value)}
        kind: Any = type(value)
        return {kind.__name__: table} if kind in OPS else table
    raise TypeError(f"{value!r}: a {type(value).__name__} has no form in a saved program")


def decode(data: Any, hint: Any, where: str) -> Any:
    """The value of type `hint` that JSON data stands for; `where` is named in errors.

    Raises ProgramError for data of another type, unknown and missing fields, unknown operations.
    """
    if hint is Op:
        return _operation(data, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass(data, hint, where)
    if get_origin(hint) in (Union, UnionType):
        return _one_of(data, get_args(hint), where)
    if get_origin(hint) is Literal:
        if data in get_args(hint):
            return data
        raise _wrong(data, f"one of {', '.join(map(repr, get_args(hint)))}", where)
    if get_origin(hint) in (tuple, Sequence):
        return _tuple(data, hint, where)
    return _scalar(data, hint, where)


def _scalar(data: Any, hint: Any, where: str) -> Any:
    kind = type(data)
    if hint is float and kind is str and data in _INFINITIES:
        return _INFINITIES[data]
    if hint is float and (kind is int or (kind is float and math.isfinite(data))):
        return data
    if hint is Fraction and kind is str and _FRACTION.fullmatch(data):
        try:
            return Fraction(data)
        except ZeroDivisionError:
            pass
    if hint in (int, bool, str, NoneType) and kind is hint:
        return data
    if hint not in _WORDS:
        raise TypeError(f"{where}: fields of type {hint} have no form in a saved program")
    raise _wrong(data, _WORDS[hint], where)


_WORDS = {
    int: "an integer",
    float: "a finite number, 'inf' or '-inf'",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    Fraction: "text such as '3/2'",
}


def _operation(data: Any, where: str) -> Any:
    if not isinstance(data, dict) or len(data) != 1:
        raise _wrong(data, "an object with an operation's name as only key", where)
    [(name, table)] = data.items()
    if name not in _OPS:
        near = difflib.get_close_matches(name, _OPS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ProgramError(f"{where}: unknown operation {_short(name)}{hint}")
    return _dataclass(table, _OPS[name], f"{where}.{name}")


def _dataclass(data: Any, schema: type, where: str) -> Any:
    if not isinstance(data, dict):
        raise _wrong(data, "an object", where)
    hints = _hints(schema)
    for name in data:
        if name not in hints:
            raise ProgramError(
                f"{where}: unknown field {_short(name)}; known are {', '.join(hints) or 'none'}"
            )
    for name in hints:
        if name not in data:
            raise ProgramError(f"{where}: field {name!r} is missing")
    values = {name: decode(data[name], hint, f"{where}.{name}") for name, hint in hints.items()}
    value = schema(**values)
    if schema in _CHECKS:
        _CHECKS[schema](value, where)
    return value


@cache
def _hints(schema: Any) -> dict[str, Any]:
    hints = get_type_hints(schema)
    return {field.name: hints[field.name] for field in fields(schema)}


def _tuple(data: Any, hint: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _wrong(data, "a list", where)
    items = get_args(hint)
    if get_origin(hint) is Sequence:
        items = (items[0], ...)
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(data)
    if len(items) != len(data):
        raise _wrong(data, f"a list of {len(items)}", where)
    return tuple(
        decode(d, h, f"{where}[{i}]") for i, (d, h) in enumerate(zip(data, items, strict=True))
    )


def _one_of(data: Any, hints: tuple[Any, ...], where: str) -> Any:
    mistakes = []
    for hint in hints:
        try:
            return decode(data, hint, where)
        except ProgramError as error:
            mistakes.append(str(error))
    if data is not None and NoneType in hints and len(hints) == 2:
        raise ProgramError(
            next(m for m, h in zip(mistakes, hints, strict=True) if h is not NoneType)
        )
    raise ProgramError(" or ".join(mistakes))


def _check_adc(adc: Adc, where: str) -> None:
    """The limits of a chip's converter hold for a layer's own too."""
    try:
        TypeAdapter(AdcSchema).validate_python(asdict(adc))
    except ValidationError as error:
        raise ProgramError(f"{where}: {'; '.join(explain(error, AdcSchema))}") from None


_CHECKS: dict[type, Callable[[Any, str], None]] = {Adc: _check_adc}


def _wrong(data: Any, expected: str, where: str) -> ProgramError:
    return ProgramError(f"{where} = {_short(data)}: {expected} expected")


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."
