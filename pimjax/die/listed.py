"""Listed and counted cells of a die without a program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimjax.die.counted import places_of
from pimjax.die.die import Die
from pimjax.die.geometry import geometry_of
from pimjax.die.sparse import Listed as Hits
from pimjax.die.sparse import first_hits
from pimjax.die.steps import Listed
from pimjax.die.whole import DATA, line_kinds
from pimjax.memory.cells import stream_key
from pimjax.memory.effects import CountEffect, Effect, PlaceEffect
from pimjax.memory.hits import first_slab, list_hits
from pimjax.network.place import words_of


def listed_on(effects: Sequence[Effect], die: Die, macros: np.ndarray) -> list[Effect | Listed]:
    """The effects with addresses and counts turned into lists of cells of these macros.

    Listed cells that hold nothing are left out; a count is of cells of data, all over the macros.
    Raises ValueError for an address that the chip does not have, and for a count beyond 1.5 % of
    the cells.
    """
    found: list[Effect | Listed] = []
    for effect in effects:
        if isinstance(effect, PlaceEffect):
            places = places_of(effect.places, die.chip)
            held = _kinds(die, *places.T) >= 0
            places = places[held & np.isin(places[:, 0], macros)]
            found.append(Listed(effect.stage, "listed cells", places, effect.becomes))
        elif isinstance(effect, CountEffect):
            found.append(Listed(effect.stage, "counted flips", _first(effect, die, macros)))
        else:
            found.append(effect)
    return found


def _first(effect: CountEffect, die: Die, macros: np.ndarray) -> np.ndarray:
    """The `count` cells of data that a rising rate of flips reaches first, (count, 2)."""
    sites = geometry_of(die.chip).sites
    cells = len(macros) * sites
    key = stream_key(die.key, effect.stream)
    first = first_slab(min(1.0, (effect.count + 6 * effect.count**0.5 + 20) / cells))
    while True:
        hits = list_hits(key, macros.astype(np.uint32), sites, first)
        macro, site, time = macros[hits.slot], hits.site.astype(np.int64), hits.time
        data = _kinds(die, macro, site) == DATA
        nothing = np.zeros(int(data.sum()), np.int64)
        listed = Hits(nothing, nothing, nothing, macro[data], site[data], time[data])
        listed = listed.pick(first_hits(listed))
        if len(listed.time) >= effect.count:
            break
        if first == 0:
            raise ValueError(
                f"FlipCount.count = {effect.count}: at most about {cells // 65} of the {cells} "
                f"cells of these macros can be listed; use BitFlip(rate = ...) for more"
            )
        first -= 1
    order = np.lexsort((listed.site, listed.macro, listed.time))[: effect.count]
    return np.stack([listed.macro[order], listed.site[order]], axis=1)


def _kinds(die: Die, macro: np.ndarray, site: np.ndarray) -> np.ndarray:
    """DATA, PARITY or -1 for what holds nothing, of sites of macros, elementwise."""
    array = die.chip.array
    wordline, bitline, _ = geometry_of(die.chip).place(site)
    if die.repair is not None:
        wordline, bitline, regular = die.repair.regular(macro, wordline, bitline)
    else:
        regular = (wordline < array.wordlines) & (bitline < array.bitlines)
    kinds = line_kinds(words_of(die.chip), array.bitlines)
    return np.where(regular, kinds[np.minimum(bitline, array.bitlines - 1)], -1)
