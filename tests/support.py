"""What several test files need: chips by the oracle's field names, edge codes, comparison."""

import os
from dataclasses import fields
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from hypothesis import settings

import pimjax as pj
from pimjax.array.engines import ENGINES
from pimjax.array.spec import Adc as AdcSpec
from pimjax.array.spec import Bitline
from pimjax.chip.schema import Adc, Array, Chip, Precision
from tests import oracle

EXAMPLES = int(os.environ.get("PIMJAX_EXAMPLES", "1"))
"""Factor on the number of hypothesis examples of every test."""

EVERY_ENGINE = [*ENGINES, "auto"]

_ARRAY = ("active_wordlines", "row_order")


def examples(count: int) -> settings:
    return settings(max_examples=count * EXAMPLES)


def make_chip(**values) -> Chip:
    """A chip with the arithmetic of `OracleChip(**values)`; the same names, the same defaults."""
    adc = {name.removeprefix("adc_"): v for name, v in values.items() if name.startswith("adc_")}
    array = {name: v for name, v in values.items() if name in _ARRAY}
    precision = {
        name: v for name, v in values.items() if name not in _ARRAY and not name.startswith("adc_")
    }
    wordlines = max(256, array.get("active_wordlines", 0))
    return Chip(
        name="test",
        precision=Precision(**precision),
        array=Array(wordlines=wordlines, **array),
        adc=Adc(**adc),
    )


def bitline_of(chip: oracle.OracleChip) -> Bitline:
    """The library's arithmetic of an oracle chip, also where no whole chip is allowed to be so."""
    values = {field.name: getattr(chip, field.name) for field in fields(chip)}
    adc = {name.removeprefix("adc_"): values.pop(name) for name in [*values] if "adc_" in name}
    adc["step"], adc["offset"] = Fraction(adc["step"]), Fraction(adc["offset"])
    return Bitline(**values, adc=AdcSpec(**adc))


def edge_rows(rng: np.random.Generator, legal: range, count: int, length: int) -> np.ndarray:
    """(count, length) int64: a random row, highest codes, lowest, both, zeros, few; then random."""
    codes = np.array(legal, np.int64)
    quiet = 0 if 0 in legal else codes[0]
    sparse = np.where(rng.random(length) < 0.1, rng.choice(codes, length), quiet)
    ends = np.where(np.arange(length) % 2 == 0, codes[-1], codes[0])
    rows = [
        rng.choice(codes, length),
        np.full(length, codes[-1]),
        np.full(length, codes[0]),
        ends,
        np.full(length, quiet),
        sparse,
    ]
    rows += [rng.choice(codes, length) for _ in range(count - len(rows))]
    return np.array(rows[:count])


def operands(chip: Chip, batch: int, k: int, n: int, seed: int = 0):
    """x (batch, k) and w (k, n) for a chip, edges first."""
    rng = np.random.default_rng(seed)
    known = oracle.from_chip(chip)
    low, high = oracle.act_range(known)
    x = edge_rows(rng, range(low, high + 1), batch, k)
    return x, edge_rows(rng, oracle.weight_codes(known), n, k).T.copy()


def totals(stats) -> tuple[int, int, int]:
    return stats.conversions, stats.clipped_low, stats.clipped_high


def assert_same(got, want) -> None:
    """`got` (y, stats) of the library is `want` (y, stats) of the oracle, exactly."""
    (y, stats), (right, counted) = got, want
    assert y.dtype == jnp.int32
    assert y.shape == right.shape
    y = np.asarray(y)
    if not (y == right).all():
        at = tuple(int(i) for i in np.argwhere(y != right)[0])
        raise AssertionError(f"y{list(at)} is {y[at]}, the oracle says {right[at]}")
    assert totals(stats) == totals(counted)


def check_matmul(engine: str, chip: Chip, x, w) -> None:
    assert_same(pj.matmul(x, w, chip, engine=engine), oracle.matmul(x, w, oracle.from_chip(chip)))


def check_conv2d(engine: str, chip: Chip, x, w, **window) -> None:
    want = oracle.conv2d(x, w, oracle.from_chip(chip), **window)
    assert_same(pj.conv2d(x, w, chip, engine=engine, **window), want)
