"""Tables as plain text: aligned columns, names shortened in the middle."""

from __future__ import annotations

from collections.abc import Container

GAP = "  "
"""Between two columns."""


def shortened(name: str, length: int) -> str:
    """`name`, its middle replaced by an ellipsis where it is longer than `length`."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[len(name) - tail :]}"


def widest(cells: list[str]) -> int:
    """The length of the longest cell."""
    return max(map(len, cells))


def aligned(columns: dict[str, list[str]], left: Container[str]) -> list[str]:
    """The lines of a table; columns named in `left` are flush left, the others flush right."""
    padded = []
    for title, cells in columns.items():
        size = widest(cells)
        padded.append([cell.ljust(size) if title in left else cell.rjust(size) for cell in cells])
    return [GAP.join(line).rstrip() for line in zip(*padded, strict=True)]
