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


def names(spec: Bitline) -> tuple[str, ...]:
    """Names of the engines that can run this readout, fastest first."""
    able = [engine.name for engine in ENGINES.values() if engine.obstacle(spec) is None]
    if dot.collapses(spec, spec.active_wordlines) and "dot" in able:
        able.sort(key=lambda name: name != "dot")
    return tuple(able)


def select(name: str, spec: Bitline) -> Engine:
    """The engine of that name, or the one "auto" stands for.

    Raises ValueError for an unknown name and for an engine that cannot run the readout.
    """
    if name == "auto":
        return auto.ENGINE if auto.ENGINE.obstacle(spec) is None else reference.ENGINE
    if name not in ENGINES:
        near = difflib.get_close_matches(str(name), [*ENGINES, "auto"], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"engine: {name!r} given; one of {['auto', *ENGINES]}{hint}")
    obstacle = ENGINES[name].obstacle(spec)
    if obstacle is not None:
        raise ValueError(f"engine {name!r} cannot run this chip: {obstacle}")
    return ENGINES[name]
