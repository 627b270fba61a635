"""Effects on chosen cells, as lists of sites: given addresses, and exact numbers of cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimjax.chip.schema import Chip
from pimjax.die.cells import cells_of
from pimjax.die.die import Die
from pimjax.die.sparse import Finder, first_hits, listed_hits
from pimjax.die.steps import Listed
from pimjax.memory.cells import cell_draws, stream_key
from pimjax.memory.effects import CountEffect, Effect, PlaceEffect
from pimjax.memory.hits import first_slab
from pimjax.network.place import chips_of
from pimjax.network.program import Program

_EVERY_TIME = (1 << 64) - 1


def resolved(
    effects: Sequence[Effect], program: Program, finder: Finder, die: Die
) -> list[Effect | Listed]:
    """The effects with addresses and counts turned into lists of sites of this die.

    Raises ValueError for an address that the chip does not have, and for a count beyond the cells.
    """
    found: list[Effect | Listed] = []
    for effect in effects:
        if isinstance(effect, PlaceEffect):
            places = places_of(effect.places, program.chip, chips_of(program))
            found.append(Listed(effect.stage, "listed cells", places, effect.becomes))
        elif isinstance(effect, CountEffect):
            places = _first_to_fail(effect, program, finder, die)
            found.append(Listed(effect.stage, "counted flips", places))
        else:
            found.append(effect)
    return found


def places_of(addresses: np.ndarray, chip: Chip, chips: int = 1) -> np.ndarray:
    """(macro number, site) (i, 2) of addresses (bank, macro, wordline, bitline, level) (i, 5).

    Banks are counted on over so many chips. Raises ValueError for an address that is not there.
    """
    array = chip.array
    limits = (
        array.banks * chips,
        array.macros_per_bank,
        array.wordlines + array.spare_wordlines,
        array.bitlines + array.spare_bitlines,
        chip.precision.cell_bits,
    )
    names = ("bank", "macro", "wordline", "bitline", "level")
    for column, (name, limit) in enumerate(zip(names, limits, strict=True)):
        wrong = (addresses[:, column] < 0) | (addresses[:, column] >= limit)
        if wrong.any():
            address = tuple(addresses[wrong][0].tolist())
            raise ValueError(
                f"FlipCells.addresses: {address} has {name} {address[column]}; the chip "
                f"{chip.name!r} has 0..{limit - 1}"
            )
    bank, macro, wordline, bitline, level = addresses.T
    number = bank * array.macros_per_bank + macro
    site = (wordline * limits[3] + bitline) * limits[4] + level
    return np.stack([number, site], axis=1)


def _first_to_fail(effect: CountEffect, program: Program, finder: Finder, die: Die) -> np.ndarray:
    """The `count` chosen cells that a rising rate of flips reaches first, (count, 2)."""
    floor = finder.floor
    sizes = np.array([mapping.strips[0].mapping.weights for mapping in floor.mappings])
    cells = int((effect.chosen[:, :-1] * sizes[:, None]).sum())
    if effect.count > cells:
        raise ValueError(
            f"FlipCount.count = {effect.count}: more than the {cells} stored bits to choose from"
        )
    key = stream_key(die.key, effect.stream)
    wanted = effect.count + 6 * effect.count**0.5 + 20
    first = first_slab(min(1.0, wanted / max(1, cells)))
    while True:
        hits = listed_hits(finder, key, first, _EVERY_TIME)
        hits = hits.pick(effect.chosen[hits.layer, hits.plane])
        hits = hits.pick(first_hits(hits))
        if len(hits.time) >= effect.count or first == 0:
            break
        first -= 1
    order = np.lexsort((hits.site, hits.macro, hits.time))[: effect.count]
    early = np.stack([hits.macro[order], hits.site[order]], axis=1).astype(np.int64)
    missing = effect.count - len(early)
    if missing == 0:
        return early
    return np.concatenate([early, _later(effect, program, finder, die, early, missing)])


def _later(
    effect: CountEffect,
    program: Program,
    finder: Finder,
    die: Die,
    early: np.ndarray,
    missing: int,
) -> np.ndarray:
    """The next cells after those that hits reach: the order of their own draws."""
    floor = finder.floor
    cells = cells_of(program, floor, die)
    sites = floor.shape.geometry.sites
    planes = floor.shape.planes
    slot, site = np.nonzero(cells.weight >= 0)
    kind = cells.kind[slot, site]
    number = cells.macro[slot].astype(np.int64)
    taken = np.isin(number * sites + site, early[:, 0] * sites + early[:, 1])
    keep = effect.chosen[kind // (planes + 1), kind % (planes + 1)] & ~taken
    number, site = number[keep], site[keep]
    draws = cell_draws(
        stream_key(die.key, effect.stream), number.astype(np.uint32), site.astype(np.uint32)
    )
    order = np.lexsort((site, number, draws.b, draws.a))[:missing]
    return np.stack([number[order], site[order]], axis=1)
