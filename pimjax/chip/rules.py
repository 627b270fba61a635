"""Combinations of fields that no chip can have, each with its reason and a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pimjax.array.bounds import bound_by_shape
from pimjax.array.columns import columns_obstacle
from pimjax.array.encoding import partial_sum_limits
from pimjax.memory.ecc.codes import CODES, find_code

if TYPE_CHECKING:
    from pimjax.chip.schema import Chip

LARGEST_PARTIAL_SUM = (1 << 31) - 2

_WEIGHT_BITS = {"binary": (1, 1), "ternary": (2, 2), "differential": (2, 12)}


def broken_rules(chip: Chip) -> list[str]:
    """One sentence per rule that the chip breaks; empty for a possible chip."""
    broken = [*_array_rules(chip), *_precision_rules(chip)]
    broken += _ecc_rules(chip)
    return broken or [*_column_rules(chip), *_sum_rules(chip)]


def _array_rules(chip: Chip) -> list[str]:
    array = chip.array
    if array.active_wordlines <= array.wordlines:
        return []
    return [
        f"array.active_wordlines = {array.active_wordlines}: more than the "
        f"array.wordlines = {array.wordlines} of a macro; allowed 1..{array.wordlines}"
    ]


def _precision_rules(chip: Chip) -> list[str]:
    precision = chip.precision
    low, high = _WEIGHT_BITS.get(precision.weight_encoding, (1, 12))
    if low <= precision.weight_bits <= high:
        return []
    allowed = f"{low}" if low == high else f"{low}..{high}"
    return [
        f"precision.weight_bits = {precision.weight_bits}: with precision.weight_encoding = "
        f"{precision.weight_encoding!r} allowed {allowed}"
    ]


def _ecc_rules(chip: Chip) -> list[str]:
    mram = chip.mram
    if mram.ecc == "none":
        return []
    if chip.array.readout == "bitline":
        return [
            f"mram.ecc = {mram.ecc!r}: a word code cannot correct a bitline that sums several "
            f"cells (array.readout = 'bitline'); use 'none', or array.readout = 'digital'"
        ]
    if chip.precision.cell_bits > 1:
        return [
            f"precision.cell_bits = {chip.precision.cell_bits}: words of mram.ecc = {mram.ecc!r} "
            f"consist of cells of one bit; use precision.cell_bits = 1, or mram.ecc = 'none'"
        ]
    k = find_code(mram.ecc).k
    if mram.word_bits % k == 0:
        return []
    fitting = [name for name, code in CODES.items() if mram.word_bits % code.k == 0]
    other = f", or mram.ecc to one of {', '.join(map(repr, fitting))}" if fitting else ""
    return [
        f"mram.word_bits = {mram.word_bits}: mram.ecc = {mram.ecc!r} protects {k} data bits at a "
        f"time; set mram.word_bits to a multiple of {k}{other}"
    ]


def _column_rules(chip: Chip) -> list[str]:
    """Errors of columns and converters need both, and a sum that is small enough."""
    spec = chip.bitline()
    obstacle = columns_obstacle(spec)
    for name, value in chip.column_errors:
        if value != 0 and obstacle is not None:
            return [f"{name} = {value}: {obstacle}; set it to 0"]
    return []


def _sum_rules(chip: Chip) -> list[str]:
    spec = chip.bitline()
    _, largest = partial_sum_limits(spec, spec.active_wordlines)
    if largest > LARGEST_PARTIAL_SUM:
        return [
            f"array.active_wordlines = {spec.active_wordlines}: with precision.input_slice_bits = "
            f"{spec.input_slice_bits} and precision.cell_bits = {spec.cell_bits} a partial sum "
            f"reaches {largest}, at most {LARGEST_PARTIAL_SUM} is allowed; lower one of the three"
        ]
    if spec.accumulator_overflow != "error":
        return []
    bound = bound_by_shape(spec, spec.active_wordlines)
    if bound.bits <= spec.accumulator_bits:
        return []
    return [
        f"precision.accumulator_bits = {spec.accumulator_bits}: one full row group can sum to "
        f"{bound.low}..{bound.high}, which needs {bound.bits} bits; widen it to at least that "
        f"(at most 32), lower array.active_wordlines, or set precision.accumulator_overflow to "
        f"'wrap' or 'saturate'"
    ]
