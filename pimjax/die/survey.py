"""A whole die after what its cells went through: errors expected, and errors drawn.

Axis letters: m macro, c site in it, b block of 64 sites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.die.cells import Cells, Shape
from pimjax.die.cellwise import local_places
from pimjax.die.coded import read_words, with_parity
from pimjax.die.die import Die
from pimjax.die.expected import expected_counts
from pimjax.die.listed import listed_on
from pimjax.die.outcomes import Words as WordOutcomes
from pimjax.die.outcomes import expected_words
from pimjax.die.steps import Step, step_of
from pimjax.die.whole import (
    DATA,
    PARITY,
    die_cells,
    die_effects,
    die_shape,
    line_kinds,
    macros_to_test,
    one_step,
    portions,
)
from pimjax.memory.cells import cell_draws, stream_key
from pimjax.memory.ecc import Code, Outcome, encode, find_code
from pimjax.memory.effects import Stage
from pimjax.memory.faults import Fault
from pimjax.numerics.threefry import Words

Pattern = Literal["random", "zeros", "ones"]
PATTERNS: tuple[Pattern, ...] = ("random", "zeros", "ones")
"""What the cells of data hold before: random bits by address, the same in every survey of a die."""


@dataclass(frozen=True, eq=False)
class Mechanism:
    """What one kind of fault did: cells changed on every macro (m,), and how many are expected."""

    name: str
    stage: str
    expected: float
    changed: np.ndarray

    @property
    def drawn(self) -> int:
        """Cells changed on all macros."""
        return int(self.changed.sum())


@dataclass(frozen=True, eq=False)
class Survey:
    """What became of the stored bits of a die's macros.

    `macros` (m,): their global numbers. `cells`: storage elements that hold data or parity on all
    of them. `errors` (m,): those that read otherwise than programmed at last, before a word code.
    `words`: outcomes of the words of a code, else None.
    """

    macros: np.ndarray
    cells: int
    pattern: str
    mechanisms: tuple[Mechanism, ...]
    errors: np.ndarray
    expected_errors: float
    words: WordOutcomes | None

    @property
    def rate(self) -> float:
        """The raw bit error rate, of the cells drawn."""
        return int(self.errors.sum()) / self.cells


def survey(
    die: Die,
    faults: Iterable[Fault],
    macros: Iterable[int] | None = None,
    *,
    pattern: Pattern = "random",
    reads_per_image: float = 1.0,
    watch: Callable[[int], None] | None = None,
) -> Survey:
    """What `faults` do to every cell of the macros (global numbers; one chip's by default).

    There is no program: the cells hold a `pattern` ("random", "zeros" or "ones"; parity cells what
    belongs to it), and every cell is read `reads_per_image` times an image (*Assumption:* once).
    The same cells fail as in a program that stands there. `watch` is told the number of macros
    done, every few of them. Raises ValueError.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern = {pattern!r}: {', '.join(PATTERNS)} expected")
    tested = macros_to_test(die, macros)
    effects = listed_on(die_effects(die, faults, tested, reads_per_image), die, tested)
    steps = [step_of(effect) for effect in effects]
    shape = die_shape(die)
    name = die.chip.mram.ecc
    code = None if name == "none" else find_code(name)
    found = []
    done = 0
    for own in portions(tested, shape.geometry.sites):
        cells = die_cells(die, own)
        found.append(jax.device_get(_block(die, steps, cells, shape, code, pattern)))
        done += len(own)
        if watch is not None:
            watch(done)
    counts = _cells(die, tested, code, pattern)
    expected = expected_counts(effects, counts, shape.geometry, code)
    mechanisms = tuple(
        Mechanism(
            form.stream or "listed cells",
            form.stage.name.lower(),
            expected.changed[i],
            np.concatenate([part.changed[i] for part in found]),
        )
        for i, (form, _) in enumerate(steps)
    )
    cells_in_all = int(counts.sum())
    words = None
    if code is not None:
        total = np.sum([part.words for part in found], axis=0)
        wrong = int(sum(part.wrong_data for part in found))
        words = WordOutcomes(
            dict(zip((kind.name.lower() for kind in Outcome), total.tolist(), strict=True)),
            wrong,
            *expected_words(code, int(total.sum()), expected.errors / cells_in_all),
            int(total.sum()) * code.k,
        )
    return Survey(
        tested,
        cells_in_all,
        pattern,
        mechanisms,
        np.concatenate([part.errors for part in found]),
        expected.errors,
        words,
    )


class _Block(NamedTuple):
    """Of some macros: cells changed by each step (m,), cells in error (m,), words, wrong data."""

    changed: list[Any]
    errors: Any
    words: Any = 0
    wrong_data: Any = 0


def _block(
    die: Die, steps: Sequence[Step], cells: Cells, shape: Shape, code: Code | None, pattern: Pattern
) -> _Block:
    bits = sent = _programmed(die.key, cells, shape, code, pattern)
    local = [
        (local_places(arrays[0], cells, shape), arrays[1]) if form.kind == "place" else arrays
        for form, arrays in steps
    ]
    forms = [form for form, _ in steps]
    stuck = [i for i, form in enumerate(forms) if form.stage == Stage.STUCK]
    defects = tuple(forms[i] for i in stuck), [local[i] for i in stuck]
    changed = []
    for form, data in zip(forms, local, strict=True):
        scrub = (*defects, code) if form.kind == "scrub" else ()
        bits, count = one_step(bits, sent, die.key, form, data, cells, shape, *scrub)
        changed.append(count)
    if code is None:
        return _Block(changed, _differences(bits, sent, cells.weight))
    return _Block(changed, *_decoded(bits, sent, cells, shape, code))


@partial(jax.jit, static_argnames=("shape", "code", "pattern"))
def _programmed(
    key: Words, cells: Cells, shape: Shape, code: Code | None, pattern: Pattern
) -> jax.Array:
    bits = jnp.where(cells.weight >= 0, _pattern(key, cells, shape, pattern), jnp.uint8(0))
    return bits if code is None else with_parity(bits, code, cells, shape)


@jax.jit
def _differences(bits: jax.Array, sent: jax.Array, weight: jax.Array) -> jax.Array:
    return jnp.sum((bits != sent) & (weight >= 0), axis=1, dtype=jnp.int32)


@partial(jax.jit, static_argnames=("shape", "code"))
def _decoded(
    bits: jax.Array, sent: jax.Array, cells: Cells, shape: Shape, code: Code
) -> tuple[jax.Array, jax.Array, jax.Array]:
    read, counts = read_words(bits, sent, code, "raw", cells, shape)
    data = jnp.where(jnp.asarray(cells.kind) == DATA, cells.weight, -1)
    wrong = jnp.sum(_differences(read, sent, data))
    return _differences(bits, sent, jnp.asarray(cells.weight)), counts[0], wrong


def _pattern(key: Words, cells: Cells, shape: Shape, pattern: Pattern) -> jax.Array:
    """The bits (m, c) uint8 that a pattern has at every site: a draw serves 64 sites."""
    count, sites = len(cells.macro), shape.geometry.sites
    if pattern != "random":
        return jnp.full((count, sites), pattern == "ones", jnp.uint8)
    block = jnp.arange(-(-sites // 64), dtype=jnp.uint32)[None]
    drawn = cell_draws(stream_key(key, "test pattern"), jnp.asarray(cells.macro)[:, None], block)
    words = jnp.stack([drawn.a, drawn.b], axis=-1)[..., None]
    bits = (words >> jnp.arange(32, dtype=jnp.uint32)[None, None, None]) & 1
    return bits.reshape(count, -1)[:, :sites].astype(jnp.uint8)


def _cells(die: Die, macros: np.ndarray, code: Code | None, pattern: Pattern) -> np.ndarray:
    """How many cells hold data and parity in each bank, by bit: (1, 2, k, 2) float64."""
    array = die.chip.array
    kinds = line_kinds(die_shape(die).words, array.bitlines)
    lines = array.wordlines * die.chip.precision.cell_bits
    banks = np.bincount(macros // array.macros_per_bank).astype(np.float64)
    banks = np.pad(banks, (0, -len(banks) % array.banks))
    ones = {DATA: {"random": 0.5, "zeros": 0.0, "ones": 1.0}[pattern], PARITY: 0.0}
    if code is not None:
        data = jnp.full((1, code.k), pattern == "ones", jnp.uint8)
        written = float(np.mean(np.asarray(encode(code, data))))
        ones[PARITY] = 0.5 if pattern == "random" else written
    cells = np.zeros((1, 2, len(banks), 2))
    for kind, share in ones.items():
        held = banks * lines * int((kinds == kind).sum())
        cells[0, kind] = held[:, None] * np.array([1 - share, share])
    return cells
