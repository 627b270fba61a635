"""The engines: ways to compute the same integers, in one table, fastest first."""

from __future__ import annotations

import difflib

from pimjax.array.engines import auto, dot, popcount, reference
from pimjax.array.engines.base import Counted, Engine
from pimjax.array.spec import Bitline

ENGINES: dict[str, Engine] = {
    engine.name: engine for engine in (popcount.ENGINE, dot.ENGINE, reference.ENGINE)
}

__all__ = ["ENGINES", "Counted", "Engine", "names", "select"]


def names(spec: Bitline, columns: bool = False) -> tuple[str, ...]:
    """Names of the engines that can run this readout, fastest first.

    `columns`: with non-ideal columns.
    """
    able = [engine.name for engine in ENGINES.values() if _obstacle(engine, spec, columns) is None]
    if not columns and dot.collapses(spec, spec.active_wordlines) and "dot" in able:
        able.sort(key=lambda name: name != "dot")
    return tuple(able)


def _obstacle(engine: Engine, spec: Bitline, columns: bool) -> str | None:
    reason = engine.obstacle(spec)
    return engine.columns_obstacle(spec) if columns and reason is None else reason


def select(name: str, spec: Bitline, columns: bool = False) -> Engine:
    """The engine of that name, or the one "auto" stands for; `columns`: with non-ideal columns.

    Raises ValueError for an unknown name and for an engine that cannot run the readout.
    """
    if name == "auto" and columns:
        able = names(spec, columns)
        name = able[0] if able else reference.ENGINE.name
    if name == "auto":
        return auto.ENGINE if auto.ENGINE.obstacle(spec) is None else reference.ENGINE
    if name not in ENGINES:
        near = difflib.get_close_matches(str(name), [*ENGINES, "auto"], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"engine: {name!r} given; one of {['auto', *ENGINES]}{hint}")
    obstacle = _obstacle(ENGINES[name], spec, columns)
    if obstacle is not None:
        raise ValueError(f"engine {name!r} cannot run this chip: {obstacle}")
    return ENGINES[name]
