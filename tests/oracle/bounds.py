"""The running sums that any activations can produce, by trying all of them: tiny cases only."""

from itertools import accumulate, product

from .adc import AdcTable, round_rational
from .codes import act_range, to_ints, weight_codes
from .config import OracleChip
from .matmul import digital_term, driven, group_totals, programmed


def running_sum_range(w, chip: OracleChip) -> tuple[int, int]:
    """Lowest and highest running sum over all activations, w (k, n) known.

    Counted after every row group and after D, before any reduction: what the accumulator
    would need to hold. Takes (number of activation codes) ** k trials.
    """
    matrix, (k, n) = to_ints("w", w, 2)
    columns = programmed([[row[o] for row in matrix] for o in range(n)], chip)
    table = AdcTable(chip)
    first, last = act_range(chip)
    lowest = highest = 0
    for x in product(range(first, last + 1), repeat=k):
        (slices,) = driven([list(x)], chip)
        digital = round_rational(digital_term(sum(x), len(slices), chip), "half_even")
        for column in columns:
            totals, _ = group_totals(slices, column, chip, table)
            for running in accumulate([*totals, digital]):
                lowest, highest = min(lowest, running), max(highest, running)
    return lowest, highest


def running_sum_range_any_weights(k: int, chip: OracleChip) -> tuple[int, int]:
    """`running_sum_range` over every legal weight vector of k codes too."""
    every = list(product(weight_codes(chip), repeat=k))
    return running_sum_range([[w[i] for w in every] for i in range(k)], chip)


def largest_running_sum(w, chip: OracleChip) -> int:
    """Largest |running sum| over all activations, w (k, n) known."""
    lowest, highest = running_sum_range(w, chip)
    return max(-lowest, highest)


def bits_needed(lowest: int, highest: int) -> int:
    """The narrowest two's complement width that holds both."""
    bits = 1
    while not -(2 ** (bits - 1)) <= lowest <= highest < 2 ** (bits - 1):
        bits += 1
    return bits
