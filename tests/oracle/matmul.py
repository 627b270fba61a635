"""The matrix product as the array, its ADCs and the accumulator give it (SEMANTICS 3 to 5)."""

from dataclasses import dataclass
from fractions import Fraction
from operator import mul

import numpy as np

from .adc import AdcTable, round_rational, step_and_offset
from .codes import (
    act_digits,
    act_range,
    check_codes,
    conversion_weights,
    largest_cells,
    slice_weights,
    to_ints,
    weight_cells,
    weight_codes,
)
from .columns import driven_sum, effective_sum
from .config import OracleChip


@dataclass(frozen=True)
class Stats:
    """Exact counts over a whole operation; `conversions` is 0 without an ADC."""

    conversions: int = 0
    clipped_low: int = 0
    clipped_high: int = 0

    def __add__(self, other: "Stats") -> "Stats":
        return Stats(
            self.conversions + other.conversions,
            self.clipped_low + other.clipped_low,
            self.clipped_high + other.clipped_high,
        )


def row_groups(numbers: list, active_wordlines: int) -> list[list]:
    """`numbers` cut in order into pieces of `active_wordlines`; the last may be shorter."""
    return [
        numbers[start : start + active_wordlines]
        for start in range(0, len(numbers), active_wordlines)
    ]


def _by_group(codes: list[int], digits_of: dict[int, list[int]], chip: OracleChip) -> list:
    """groups[t][p][r]: digit p of the code on wordline r of row group t."""
    return [
        list(zip(*(digits_of[code] for code in group), strict=True))
        for group in row_groups(codes, chip.active_wordlines)
    ]


def driven(xs: list[list[int]], chip: OracleChip) -> list:
    """driven[b][t][s][r]: the digits on the wordlines, for rows `xs` of k codes."""
    digits_of = {code: act_digits(code, chip) for x in xs for code in set(x)}
    return [_by_group(x, digits_of, chip) for x in xs]


def programmed(ws: list[list[int]], chip: OracleChip, commons=None) -> list:
    """programmed[n][t][c][r]: the cells of the columns of each output, for `ws` n lists of k.

    `commons`, of the same shape: what both sides of differential pairs hold beside the weight.
    """
    commons = commons or [[0] * len(w) for w in ws]
    pairs = [list(zip(w, common, strict=True)) for w, common in zip(ws, commons, strict=True)]
    cells_of = {pair: weight_cells(pair[0], chip, pair[1]) for w in pairs for pair in set(w)}
    return [_by_group(w, cells_of, chip) for w in pairs]


def group_totals(
    slices, columns, chip: OracleChip, table: AdcTable, errors=None, place=(0, 0, 0)
) -> tuple[list[int], Stats]:
    """What each row group adds to one output, in order of t, and the conversions it took.

    errors: `OracleColumns` or None; place: (image, pixel, output).
    """
    weights_s, weights_j = slice_weights(chip), conversion_weights(chip)
    paired, half = chip.paired, len(weights_j)
    totals, conversions, low, high = [], 0, 0, 0
    for t, (group_slices, group_columns) in enumerate(zip(slices, columns, strict=True)):
        total = 0
        for s, (weight_s, inputs) in enumerate(zip(weights_s, group_slices, strict=True)):
            sums = [sum(map(mul, inputs, cells)) for cells in group_columns]
            flowing = sums
            if paired:
                flowing = [p + n for p, n in zip(sums[:half], sums[half:], strict=True)]
                sums = [p - n for p, n in zip(sums[:half], sums[half:], strict=True)]
            for c, (weight_j, partial_sum) in enumerate(zip(weights_j, sums, strict=True)):
                given = partial_sum
                if errors is not None:
                    largest = largest_cells(chip)
                    currents = (
                        partial_sum,
                        flowing[c],
                        driven_sum(inputs, chip, largest[c % len(largest)]),
                    )
                    where = (place[0], t, *place[1:], conversion_number(c, chip), s)
                    given = effective_sum(errors, chip, where, currents)
                code, clipped_low, clipped_high = table[given]
                total += weight_s * weight_j * code
                conversions += 1
                low += clipped_low
                high += clipped_high
        totals.append(total)
    return totals, Stats(0 if chip.adc_kind == "none" else conversions, low, high)


def conversion_number(c: int, chip: OracleChip) -> int:
    """The number of a conversion in `OracleColumns`: P and N of a separate pair come in turn."""
    planes = len(largest_cells(chip))
    if len(conversion_weights(chip)) == planes:
        return c
    return 2 * (c % planes) + c // planes


def digital_term(sum_x: int, groups: int, chip: OracleChip) -> Fraction:
    """D of one output, exact, in units of the step: sum_k x terms and the ADC offset's constant."""
    step, offset = step_and_offset(chip)
    digital = 0
    if chip.weight_encoding == "offset_binary":
        digital = -(2 ** (chip.weight_bits - 1)) * sum_x
    elif chip.weight_encoding == "binary":
        digital = -sum_x
    weights = groups * sum(slice_weights(chip)) * sum(conversion_weights(chip))
    return digital / step + offset / step * weights


def reduce_sum(value: int, chip: OracleChip) -> int:
    """A running sum as the accumulator keeps it; `OverflowError` under "error" if it does not fit.

    "wrap" is two's complement of `accumulator_bits`; "saturate" holds at the ends.
    """
    half = 2 ** (chip.accumulator_bits - 1)
    if -half <= value < half:
        return value
    if chip.accumulator_overflow == "wrap":
        return (value + half) % (2 * half) - half
    if chip.accumulator_overflow == "saturate":
        return half - 1 if value > 0 else -half
    raise OverflowError(f"running sum {value} does not fit {chip.accumulator_bits} bits")


def accumulate(totals: list[int], digital: Fraction, chip: OracleChip) -> int:
    """The accumulator after all row groups and D, reduced after each of them."""
    running = 0
    for total in totals:
        running = reduce_sum(running + total, chip)
    return reduce_sum(running + round_rational(digital, "half_even"), chip)


def dot_products(
    xs: list[list[int]],
    ws: list[list[int]],
    chip: OracleChip,
    commons=None,
    errors=None,
    places=None,
    first_output=0,
) -> tuple[list[list[int]], Stats]:
    """(y[b][n], stats) for legal codes: `xs` b lists of k, `ws` n lists of k.

    errors: `OracleColumns`; places: (image, pixel) of each of `xs`, by default image b, pixel 0;
    first_output: the number of the first output.
    """
    table, stats, y = AdcTable(chip), Stats(), []
    all_columns = programmed(ws, chip, commons)
    places = places or [(b, 0) for b in range(len(xs))]
    for x, place, slices in zip(xs, places, driven(xs, chip), strict=True):
        digital = digital_term(sum(x), len(slices), chip)
        outputs = []
        for n, columns in enumerate(all_columns, first_output):
            totals, counted = group_totals(slices, columns, chip, table, errors, (*place, n))
            outputs.append(accumulate(totals, digital, chip))
            stats += counted
        y.append(outputs)
    return y, stats


def matmul(x, w, chip: OracleChip, common=None, errors=None) -> tuple[np.ndarray, Stats]:
    """(y, stats): x (b, k) and w (k, n) integer codes, y (b, n) int64 in ADC-code units.

    `common` (k, n): what both sides of differential pairs hold beside the weight. `errors`:
    `OracleColumns`; row b of x is image b.
    """
    rows, (b, k) = to_ints("x", x, 2)
    matrix, (k_w, n) = to_ints("w", w, 2)
    if k != k_w:
        raise ValueError(f"x has {k} inputs per row and w has {k_w} rows")
    lowest, highest = act_range(chip)
    check_codes("x", rows, range(lowest, highest + 1))
    check_codes("w", matrix, weight_codes(chip))
    columns = [[matrix[i][o] for i in range(k)] for o in range(n)]
    commons = None
    if common is not None:
        both, _ = to_ints("common", common, 2)
        commons = [[both[i][o] for i in range(k)] for o in range(n)]
    y, stats = dot_products(rows, columns, chip, commons, errors)
    return np.array(y, dtype=np.int64).reshape(b, n), stats
