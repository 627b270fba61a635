"""Tables as plain text: aligned columns, names shortened in the middle."""

from __future__ import annotations

from collections.abc import Container

GAP = "  "
"""Between two columns."""


def shortened(name: str, length: int) -> str:
    """`name`, its middle replaced by an ellipsis where it is longer than `length`."""
    return _cut(name, length, (length - 1) // 2)


def shortened_apart(names: list[str], length: int) -> list[str]:
    """`names` held to `length`, all cut at the place that leaves the most of them different.

    Where several places do, the one next to the middle.
    """
    middle = (length - 1) // 2

    def cut(tail: int) -> list[str]:
        return [_cut(name, length, tail) for name in names]

    best = max(range(length), key=lambda tail: (len(set(cut(tail))), -abs(tail - middle)))
    return cut(best)


def _cut(name: str, length: int, tail: int) -> str:
    if len(name) <= length:
        return name
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
