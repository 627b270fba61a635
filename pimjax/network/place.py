"""Placement policies: which macros the shelves of a program take.

A policy cuts every layer into strips and stacks their shelves in *pools* of macros, first fit. A
pool counts its macros from 0; only then do these become physical ones, in the order of preference.
So the packing does not depend on which macros are free or good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from pimjax.array.mapping import StripMapping, columns_per_conversion, map_strips
from pimjax.array.stack import Stack
from pimjax.array.words import WordLayout, word_layout
from pimjax.chip.schema import Chip
from pimjax.network.capacity import NoRoomError, capacity_of, shortage
from pimjax.network.placement import Placement, Strip
from pimjax.network.program import Program

Cut = dict[str, tuple[StripMapping, ...]]


class Piece(NamedTuple):
    """A strip on its way: its shelves' macros within pool number `pool`, and their wordlines."""

    layer: str
    mapping: StripMapping
    pool: int
    macros: np.ndarray
    wordlines: np.ndarray


@dataclass
class Pools:
    """`groups` sets of macros, each with its stack."""

    wordlines: int
    groups: int = 1
    priority: Sequence[str] = ()
    stacks: dict[int, Stack] = field(default_factory=dict)

    def put(self, layer: str, mapping: StripMapping, pool: int = 0, fresh: bool = False) -> Piece:
        """The strip in that pool; `fresh` in macros that nothing else stands in yet."""
        stack = self.stacks.setdefault(pool, Stack(self.wordlines))
        first = stack.macros if fresh else 0
        return Piece(layer, mapping, pool, *stack.put(mapping.shelf_rows, first))


def _layer(cut: Cut, pools: Pools) -> list[Piece]:
    return [pools.put(name, strip, fresh=True) for name, strip in _in_order(cut)]


def _packed(cut: Cut, pools: Pools) -> list[Piece]:
    return [pools.put(name, strip) for name, strip in _in_order(cut)]


def _planes(cut: Cut, pools: Pools) -> list[Piece]:
    return [
        pools.put(name, strip, j % pools.groups)
        for name, strips in cut.items()
        for j, strip in enumerate(strips)
    ]


def _best(cut: Cut, pools: Pools) -> list[Piece]:
    pieces = sorted(_in_order(cut), key=lambda piece: -piece[1].first_column)
    return [pools.put(name, strip) for name, strip in pieces]


def _layers_first(cut: Cut, pools: Pools) -> list[Piece]:
    order = dict.fromkeys([*pools.priority, *cut])
    return [pools.put(name, strip) for name, strip in _in_order({n: cut[n] for n in order})]


def _in_order(cut: Cut) -> list[tuple[str, StripMapping]]:
    return [(name, strip) for name, strips in cut.items() for strip in strips]


class Policy(NamedTuple):
    """How a program is cut and stacked.

    `spread` gives every plane its own group of banks; `needs` names the arguments it cannot do
    without.
    """

    stack: Callable[[Cut, Pools], list[Piece]]
    by_plane: bool = False
    spread: bool = False
    needs: tuple[str, ...] = ()


POLICIES = {
    "layer": Policy(_layer),
    "packed": Policy(_packed),
    "planes": Policy(_planes, by_plane=True, spread=True),
    "best": Policy(_best, by_plane=True, needs=("macro_order",)),
    "layers-first": Policy(_layers_first, needs=("macro_order", "priority")),
}
"""`layer`: every layer in macros of its own. `packed`: layers one after the other, in shared
macros. `planes`: every plane in its own group of banks. `best`: the most significant planes of all
layers in the first macros of `macro_order`. `layers-first`: the layers of `priority` there."""


def place(
    program: Program,
    policy: str = "layer",
    *,
    macro_order: Sequence[int] | None = None,
    free: Iterable[int] | None = None,
    priority: Sequence[str] = (),
    chips: int | None = None,
) -> Program:
    """The program with its weights at other places; plan and image are those of `program`.

    `policy` is a name of `POLICIES`. `macro_order` ranks macros by their global numbers, best
    first; those not named come after, in order of their numbers. `free` are the macros that may be
    taken, all by default. `priority` names the layers that come first with "layers-first" (the
    segment test of US10733039 ranks segments by their aggregate bit error rate and gives the good
    ones to such layers). The macros are those of `chips` chips, by default of as many as the
    present placement takes.

    Raises ValueError for a policy, macro or layer that is not there, an argument that a policy
    lacks; NoRoomError, a ValueError with the numbers, for a program that does not fit.
    """
    chosen = require_policy(policy, macro_order, priority)
    if chips is None:
        chips = chips_of(program)
    elif isinstance(chips, bool) or not isinstance(chips, int) or chips < 1:
        raise ValueError(f"chips = {chips!r}: an integer from 1 expected")
    macros = _candidates(program.chip, chips, macro_order, free)
    cut = cut_program(program, chosen.by_plane)
    for name in priority:
        if name not in cut:
            raise ValueError(
                f"priority: no layer {name!r} on the array; there are {', '.join(cut)}"
            )
    planes = max(map(len, cut.values()), default=1)
    groups = _bank_groups(program.chip, macros, planes if chosen.spread else 1)
    pools = Pools(program.chip.array.wordlines, len(groups), priority)
    pieces = chosen.stack(cut, pools)
    for group, stack in pools.stacks.items():
        if stack.macros <= len(groups[group]):
            continue
        by_layer = {name: _macros_of(name, pieces) for name in cut}
        if free is None and not chosen.spread:
            raise NoRoomError(shortage(program.chip, chips, stack.macros, by_layer))
        raise NoRoomError(_no_room(program.chip, policy, group, stack.macros, groups, free is None))
    return replace(program, placement=_placement(policy, cut, pieces, groups))


def require_policy(
    name: str, macro_order: Sequence[int] | None = None, priority: Sequence[str] = ()
) -> Policy:
    """The policy of that name; ValueError where there is none or it needs more than is given."""
    if name not in POLICIES:
        near = get_close_matches(str(name), POLICIES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"placement policy {name!r}: {', '.join(POLICIES)} expected{hint}")
    given = {"macro_order": macro_order is not None, "priority": len(priority) > 0}
    for argument in POLICIES[name].needs:
        if not given[argument]:
            what = "macro numbers, best first" if argument == "macro_order" else "layers' names"
            raise ValueError(
                f"placement policy {name!r} needs {argument} = {what}; give it to "
                f"pimjax.network.place.place"
            )
    return POLICIES[name]


def placement_of(program: Program) -> Placement:
    """The placement of a program; one without has policy "layer" from macro 0 on.

    Never refused for want of room: there are as many chips as it takes.
    """
    if program.placement is not None:
        return program.placement
    cut = cut_program(program, POLICIES["layer"].by_plane)
    pools = Pools(program.chip.array.wordlines)
    pieces, capacity = _layer(cut, pools), capacity_of(program.chip)
    taken = sum(stack.macros for stack in pools.stacks.values())
    return _placement("layer", cut, pieces, [capacity.numbers(capacity.chips_for(taken))])


def chips_of(program: Program) -> int:
    """Chips that the placement of a program reaches over, at least 1."""
    macros = placement_of(program).macros
    return macros[-1] // capacity_of(program.chip).in_banks + 1 if macros else 1


def words_of(chip: Chip) -> WordLayout:
    """How the words of the chip's error correcting code lie on its wordlines."""
    return word_layout(chip.mram.ecc, chip.array.bitlines)


def cut_program(program: Program, by_plane: bool = False) -> Cut:
    """The strips of every array layer, by name in order of execution.

    One strip a layer, or one a plane: then the two columns of a pair that is subtracted before its
    conversion stay together. Raises ValueError where a macro cannot hold one weight.
    """
    spec, chip = program.plan.spec, program.chip
    columns = columns_per_conversion(spec) if by_plane else None
    return {
        layer.name: map_strips(
            program.image[layer.name]["weights"].shape,
            getattr(layer.op, "groups", 1),
            spec,
            chip.array.wordlines,
            words_of(chip),
            columns,
        )
        for layer in program.plan.graph.layers
        if layer.op.place == "array"
    }


def _candidates(
    chip: Chip, chips: int, macro_order: Sequence[int] | None, free: Iterable[int] | None
) -> np.ndarray:
    """Global numbers of the macros that may be taken, in the order of preference."""
    every = capacity_of(chip).numbers(chips)
    allowed = every if free is None else np.sort(_macro_numbers("free", free, every, chip))
    if macro_order is None:
        return allowed
    ranked = _macro_numbers("macro_order", macro_order, every, chip)
    return np.concatenate([ranked[np.isin(ranked, allowed)], np.setdiff1d(allowed, ranked)])


def _macro_numbers(name: str, given: Iterable[int], every: np.ndarray, chip: Chip) -> np.ndarray:
    items = given if isinstance(given, np.ndarray) else list(given)
    numbers = np.asarray(items, None if len(items) else np.int64)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(f"{name}: macro numbers expected, integers in a row")
    numbers = numbers.astype(np.int64)
    unknown = numbers[~np.isin(numbers, every)]
    if unknown.size:
        raise ValueError(
            f"{name}: there is no macro {unknown[0]}; {chip.name} has {len(every)}, numbered "
            f"{every[0]}..{every[-1]}"
        )
    once, counts = np.unique(numbers, return_counts=True)
    if len(once) < len(numbers):
        raise ValueError(f"{name}: macro {once[counts > 1][0]} is named twice")
    return numbers


def _bank_groups(chip: Chip, macros: np.ndarray, planes: int) -> list[np.ndarray]:
    """`macros` by group of neighbouring banks: one a plane, or fewer where there are fewer banks.

    All chips count alike: bank 3 of each is in the same group.
    """
    bank = macros % capacity_of(chip).in_banks // chip.array.macros_per_bank
    banks = np.unique(bank)
    groups = max(1, min(planes, len(banks)))
    group = np.searchsorted(banks, bank) * groups // max(1, len(banks))
    return [macros[group == number] for number in range(groups)]


def _macros_of(layer: str, pieces: Iterable[Piece]) -> int:
    """Macros that hold at least one shelf of the layer."""
    slots = [(piece.pool, m) for piece in pieces if piece.layer == layer for m in piece.macros]
    return len(set(slots))


def _no_room(
    chip: Chip, policy: str, group: int, needed: int, groups: list[np.ndarray], whole: bool
) -> str:
    capacity, room = capacity_of(chip), len(groups[group])
    what = "free macros" if not whole else "macros"
    where, remedy = f"{what} of {chip.name}", "remove a network"
    if len(groups) > 1:
        where += f" in bank group {group} of {len(groups)}"
        remedy = "use policy 'packed'"
    return (
        f"policy {policy!r}: {needed} {where} are needed ({capacity.mib(needed):.2f} MiB), but "
        f"there are {room} ({capacity.mib(room):.2f} MiB); {remedy} or fewer weight bits"
    )


def _placement(
    policy: str, cut: Cut, pieces: Iterable[Piece], groups: Sequence[np.ndarray]
) -> Placement:
    def strip(piece: Piece) -> Strip:
        return Strip(
            piece.layer,
            piece.mapping.first_column,
            piece.mapping.columns,
            tuple(groups[piece.pool][piece.macros].tolist()),
            tuple(piece.wordlines.tolist()),
        )

    order = {name: number for number, name in enumerate(cut)}
    strips = map(strip, pieces)
    return Placement(
        policy, tuple(sorted(strips, key=lambda item: (order[item.layer], item.first_column)))
    )
