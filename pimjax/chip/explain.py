"""Mistakes in a chip, each as one sentence: path, value, what is allowed, nearest spelling."""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import ValidationError


class ChipError(ValueError):
    """A chip config that cannot be; the message says where, what, and the remedy."""


def explain(error: ValidationError, schema: type) -> list[str]:
    """One sentence per mistake that pydantic found in data for the dataclass `schema`."""
    return [_sentence(item, schema) for item in error.errors(include_url=False)]


def _sentence(item: Any, schema: type) -> str:
    path = ".".join(str(part) for part in item["loc"])
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown_key(path, schema)
    if kind == "missing":
        return f"{path}: missing; it has no default"
    if kind == "value_error" and path == "":
        return "; ".join(str(context["error"]).splitlines())
    allowed = {
        "value_error": str(context.get("error")),
        "literal_error": f"{context.get('expected')} allowed",
        "bool_type": "true or false expected",
        "tuple_type": "a list expected",
        "string_type": "text expected",
        "float_type": "a number expected",
        "dataclass_type": "a table expected",
        "string_too_short": "a name of at least one letter expected",
    }.get(kind)
    if allowed is None and kind.startswith("int"):
        allowed = f"an integer expected{_range_words(path, schema)}"
    if allowed is None and kind.startswith(("greater", "less")):
        allowed = f"out of range{_range_words(path, schema)}"
    if allowed is None:
        allowed = item["msg"][0].lower() + item["msg"][1:]
    hint = ""
    if kind == "literal_error" and isinstance(value, str):
        choices = [
            word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")
        ]
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{path} = {value!r}: {allowed}{hint}"


def _unknown_key(path: str, schema: type) -> str:
    *tables, key = path.split(".")
    table = _table(tables, schema)
    known = [field.name for field in fields(table)] if table else []
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"{path}: unknown key; did you mean {'.'.join([*tables, near[0]])!r}?"
    everywhere = [(group, name) for group, names in _all_keys(schema) for name in names]
    elsewhere = [
        f"{g}.{n}" if g else n for g, n in everywhere if n == key and g != ".".join(tables)
    ]
    if elsewhere:
        return f"{path}: unknown key; did you mean {elsewhere[0]!r}?"
    return f"{path}: unknown key; known here are {', '.join(known)}"


def _all_keys(schema: type) -> list[tuple[str, list[str]]]:
    groups = [("", [field.name for field in fields(schema)])]
    for field in fields(schema):
        table = _table([field.name], schema)
        if table is not None:
            groups.append((field.name, [inner.name for inner in fields(table)]))
    return groups


def _table(path: list[str], schema: type) -> Any:
    table: Any = schema
    for part in path:
        hint = get_type_hints(table).get(part)
        if not is_dataclass(hint):
            return None
        table = hint
    return table


def _range_words(path: str, schema: type) -> str:
    *tables, key = path.split(".")
    table = _table(tables, schema)
    hint = get_type_hints(table, include_extras=True).get(key) if table else None
    for info in getattr(hint, "__metadata__", ()):
        ends = {type(bound).__name__: bound for bound in getattr(info, "metadata", ())}
        if "Ge" in ends and "Le" in ends:
            return f"; allowed {ends['Ge'].ge}..{ends['Le'].le}"
        if "Ge" in ends:
            return f"; allowed from {ends['Ge'].ge}"
        if "Gt" in ends:
            return f"; allowed above {ends['Gt'].gt}"
    return ""
