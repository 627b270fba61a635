"""Chips over the whole space of configs, with operands that sit on its edges."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from pimjax.chip.schema import Chip
from tests import oracle
from tests.support import edge_rows, make_chip

LENGTHS = (1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129)
CHANNELS = (
    # groups, channels and outputs of each: ungrouped, few to a group, depthwise, words of 32
    (1, 1, 3),
    (1, 3, 2),
    (1, 5, 4),
    (1, 33, 2),
    (1, 32, 3),
    (1, 64, 2),
    (2, 3, 2),
    (3, 2, 1),
    (3, 1, 1),
    (5, 1, 1),
    (4, 1, 2),
    (2, 32, 1),
)
_LARGEST_PARTIAL_SUM = 2**31 - 2
_LARGEST_FRACTION = 2**20


class Case(NamedTuple):
    """A call of the library and of the oracle alike."""

    chip: Chip
    x: np.ndarray
    w: np.ndarray
    window: dict


def _widened(fields: dict, most: int) -> dict:
    """Slices and cells cut coarser until one row group takes at most `most` conversions."""
    while True:
        chip = oracle.OracleChip(**fields)
        slices, columns = len(oracle.slice_weights(chip)), len(oracle.conversion_weights(chip))
        if slices * columns <= most:
            return fields
        name = "input_slice_bits" if slices >= columns else "cell_bits"
        fields = {**fields, name: fields[name] + 1}


def precisions(draw, most: int) -> dict:
    encoding = draw(
        st.sampled_from(("twos_complement", "offset_binary", "differential", "binary", "ternary"))
    )
    width = {
        "binary": st.just(1),
        "ternary": st.just(2),
        "differential": st.integers(2, 12),
    }.get(encoding, st.integers(1, 12))
    digit = st.sampled_from((1, 1, 1, 2, 3, 4, 5, 7, 8, 12))
    fields = {
        "act_bits": draw(st.integers(1, 12)),
        "act_signed": draw(st.booleans()),
        "weight_bits": draw(width),
        "weight_encoding": encoding,
        "input_slice_bits": draw(digit),
        "cell_bits": draw(digit),
    }
    if encoding in ("differential", "ternary"):
        fields["differential_readout"] = draw(st.sampled_from(("separate", "paired")))
    return _widened(fields, most)


def largest_partial_sum(chip: oracle.OracleChip, rows: int) -> int:
    """That of any activations and weights, on `rows` wordlines."""
    weights = oracle.weight_codes(chip)
    inputs = max(max(oracle.act_digits(x, chip)) for x in oracle.act_range(chip))
    cells = max(max(oracle.weight_cells(w, chip)) for w in (weights[0], weights[-1]))
    return rows * inputs * cells


def _held(value: Fraction) -> Fraction:
    value = max(min(value, Fraction(_LARGEST_FRACTION)), Fraction(-_LARGEST_FRACTION))
    return value if value.denominator <= 64 else value.limit_denominator(64)


def adcs(draw, largest: int) -> dict:
    """Converters whose range ends anywhere from far inside to far outside the partial sums."""
    if draw(st.integers(0, 5)) == 0:
        return {"adc_kind": "none"}
    bits = draw(st.integers(1, 16))
    full_scale = max(_held(Fraction(largest, 2**bits)), Fraction(1, 64))
    step = draw(
        st.one_of(
            st.sampled_from([Fraction(1)] * 3 + [Fraction(2), Fraction(1, 2), Fraction(255, 63)]),
            st.sampled_from([full_scale, full_scale * Fraction(3, 4), full_scale * 2]),
            st.fractions(Fraction(1, 30), 40, max_denominator=30),
        )
    )
    near = st.sampled_from([Fraction(largest, 3), Fraction(-largest, 2), Fraction(largest)])
    offset = draw(
        st.one_of(
            st.just(Fraction(0)),
            st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-3, 2)]),
            near,
            st.fractions(-20, 20, max_denominator=12),
        )
    )
    return {
        "adc_bits": bits,
        "adc_step": max(_held(step), Fraction(1, 64)),
        "adc_offset": _held(offset),
        "adc_rounding": draw(st.sampled_from(("half_even", "half_up", "floor"))),
        "adc_symmetric": draw(st.booleans()),
    }


def chips(draw, k: int, most: int = 24) -> Chip:
    """A chip that exists; `k` inputs fill less than one, one, or several of its row groups."""
    fields = precisions(draw, most)
    rows = draw(st.sampled_from(sorted({*LENGTHS, max(1, k - 1), k, k + 1, 256, 1000})))
    per_row = largest_partial_sum(oracle.OracleChip(**fields), 1)
    rows = min(rows, _LARGEST_PARTIAL_SUM // per_row)
    # One AND of packed words for each bit of input and weight: many take long to compile.
    while fields["act_bits"] * fields["weight_bits"] * -(-min(rows, k) // 32) > 8 * most:
        rows = min(rows, k) // 2
    overflow = draw(st.sampled_from(("wrap", "saturate", "error")))
    widths = st.integers(8, 32) if overflow != "error" else st.sampled_from((32, 32, 24, 16))
    fields |= {
        "active_wordlines": rows,
        "row_order": draw(st.sampled_from(("kernel_channel", "channel_kernel"))),
        "accumulator_bits": draw(widths),
        "accumulator_overflow": overflow,
        **adcs(draw, min(rows, k) * per_row),
    }
    # One row group may be too much for an accumulator that must not overflow: widen, else wrap.
    for change in ({}, {"accumulator_bits": 32}, {"accumulator_overflow": "wrap"}):
        try:
            return make_chip(**{**fields, **change})
        except ValueError as error:
            assert "precision.accumulator_bits" in str(error)
            assert fields["accumulator_overflow"] == "error"
    raise AssertionError(f"no chip of {fields}")


def seeds(draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def weights(draw, chip: oracle.OracleChip, k: int, n: int) -> np.ndarray:
    """(k, n): edge columns, or columns so sparse that nothing is lost with them."""
    rng, legal = seeds(draw), oracle.weight_codes(chip)
    if draw(st.integers(0, 3)) or 0 not in legal:
        return edge_rows(rng, legal, n, k).T.copy()
    w = np.zeros((k, n), np.int64)
    used = min(k, draw(st.integers(0, 3)))
    w[rng.permutation(k)[:used]] = rng.choice(np.array(legal), (used, n))
    return w


def inputs(draw, chip: oracle.OracleChip, batch: int, length: int) -> np.ndarray:
    """(batch, length): a random row, and edge rows beside it; a single row may be any."""
    low, high = oracle.act_range(chip)
    x = edge_rows(seeds(draw), range(low, high + 1), 6, length)
    if batch == 1:
        return x[[draw(st.sampled_from((0, 0, 1, 2, 3, 5)))]]
    return x[[0, *draw(st.permutations(range(1, 6)))[: batch - 1]]]


@st.composite
def products(draw, most: int = 24) -> Case:
    """matmul: six edge rows by six edge columns, or fewer."""
    k = draw(st.sampled_from(LENGTHS))
    chip = chips(draw, k, most)
    known = oracle.from_chip(chip)
    batch, n = draw(st.sampled_from(((6, 6), (6, 6), (6, 1), (1, 6), (1, 1), (5, 3))))
    return Case(chip, inputs(draw, known, batch, k), weights(draw, known, k, n), {})


def _paddings(draw):
    amount = st.integers(0, 3)
    explicit = st.tuples(st.tuples(amount, amount), st.tuples(amount, amount))
    return draw(st.one_of(st.sampled_from(("SAME", "VALID")), explicit))


@st.composite
def convolutions(draw, most: int = 24) -> Case:
    """conv2d with any stride, padding, dilation and grouping; depthwise included."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    groups, per_group, outputs = draw(st.sampled_from(CHANNELS))
    stride = draw(st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    dilation = draw(st.one_of(st.integers(1, 2), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    padding = _paddings(draw)
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    if padding != "SAME":
        spread = (dilation, dilation) if isinstance(dilation, int) else dilation
        given = ((0, 0), (0, 0)) if padding == "VALID" else padding
        size = tuple(
            max(length, (taps - 1) * step + 1 - sum(pad))
            for length, taps, step, pad in zip(size, kernel, spread, given, strict=True)
        )
    k = kernel[0] * kernel[1] * per_group
    chip = chips(draw, k, most)
    known = oracle.from_chip(chip)
    batch = draw(st.sampled_from((1, 2)))
    pixels = size[0] * size[1] * per_group * groups
    x = inputs(draw, known, batch, pixels).reshape(batch, *size, groups * per_group)
    w = weights(draw, known, k, groups * outputs).reshape(*kernel, per_group, groups * outputs)
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Case(chip, x, w, window)
