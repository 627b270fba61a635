"""Codes, the digits driven on wordlines, and the cells that hold a weight (SEMANTICS 1, 2)."""

import numpy as np

from .config import OracleChip


def act_range(chip: OracleChip) -> tuple[int, int]:
    """Lowest and highest legal activation code."""
    if chip.act_signed:
        return -(2 ** (chip.act_bits - 1)), 2 ** (chip.act_bits - 1) - 1
    return 0, 2**chip.act_bits - 1


def weight_codes(chip: OracleChip) -> range:
    """Every legal weight code, ascending. Binary has no 0; differential has no lowest code."""
    half = 2 ** (chip.weight_bits - 1)
    if chip.weight_encoding == "binary":
        return range(-1, 2, 2)
    if chip.weight_encoding in ("differential", "ternary"):
        return range(-(half - 1), half)
    return range(-half, half)


def to_ints(name: str, values, ndim: int) -> tuple[list, tuple[int, ...]]:
    """Nested lists of Python ints and the shape. Refuses another rank and non-integers."""
    array = np.asarray(values)
    if array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}; {ndim} axes are needed")
    if array.size and array.dtype.kind not in "iuO":
        raise TypeError(f"{name} has dtype {array.dtype}; integer codes are needed")
    return array.tolist(), array.shape


def check_codes(name: str, nested: list, legal: range, index: tuple[int, ...] = ()) -> None:
    """Returns None when every code in the nested lists is in `legal`, else `ValueError`."""
    for position, item in enumerate(nested):
        here = (*index, position)
        if isinstance(item, list):
            check_codes(name, item, legal, here)
        elif not isinstance(item, int) or item not in legal:
            allowed = ", ".join(map(str, legal)) if len(legal) < 4 else f"{legal[0]}..{legal[-1]}"
            raise ValueError(f"{name}{list(here)} is {item!r}; allowed codes: {allowed}")


def digit_spans(bits: int, radix_bits: int, signed: bool) -> list[tuple[int, int, int]]:
    """(lowest bit, width, weight) of each digit, least significant first.

    The sign bit of a signed value is a digit of its own with negative weight; the other
    bits are cut from the least significant up, so the last of them may be narrower.
    """
    unsigned_bits = bits - 1 if signed else bits
    spans = []
    for low in range(0, unsigned_bits, radix_bits):
        spans.append((low, min(radix_bits, unsigned_bits - low), 2**low))
    if signed:
        spans.append((bits - 1, 1, -(2 ** (bits - 1))))
    return spans


def digits(value: int, bits: int, radix_bits: int, signed: bool) -> list[int]:
    """The digits (all >= 0) of a value on the spans of `digit_spans`."""
    pattern = value % 2**bits
    return [
        (pattern // 2**low) % 2**width for low, width, _ in digit_spans(bits, radix_bits, signed)
    ]


def _act_layout(chip: OracleChip) -> tuple[int, int, bool]:
    return chip.act_bits, chip.input_slice_bits, chip.act_signed


def _cell_layout(chip: OracleChip) -> tuple[int, int, bool]:
    """Bits, radix bits and signedness of the number that one column set stores."""
    if chip.weight_encoding in ("differential", "ternary"):
        return chip.weight_bits - 1, chip.cell_bits, False
    return chip.weight_bits, chip.cell_bits, chip.weight_encoding == "twos_complement"


def act_digits(x: int, chip: OracleChip) -> list[int]:
    """What one wordline is driven with, slice after slice: sum_s weight(s) digit(s) = x."""
    return digits(x, *_act_layout(chip))


def slice_weights(chip: OracleChip) -> list[int]:
    """weight(s) of each input slice."""
    return [weight for _, _, weight in digit_spans(*_act_layout(chip))]


def weight_cells(w: int, chip: OracleChip, common: int = 0) -> list[int]:
    """What the cells of one weight hold, column after column (all >= 0).

    Differential and ternary: the P planes, then the N planes; `common` is held by both beside
    the weight. Without effect on other encodings.
    """
    layout = _cell_layout(chip)
    if chip.weight_encoding in ("differential", "ternary"):
        return digits(max(w, 0) + common, *layout) + digits(max(-w, 0) + common, *layout)
    if chip.weight_encoding == "offset_binary":
        return digits(w + 2 ** (chip.weight_bits - 1), *layout)
    if chip.weight_encoding == "binary":
        return [1 if w == 1 else 0]
    return digits(w, *layout)


def largest_cells(chip: OracleChip) -> list[int]:
    """The largest digit a cell can hold, column after column of one side."""
    return [2**width - 1 for _, width, _ in digit_spans(*_cell_layout(chip))]


def conversion_weights(chip: OracleChip) -> list[int]:
    """weight(j) of each conversion of one output, row group and slice.

    One per column, N columns negative; a paired readout has one per P and N pair.
    Binary counts its single plane twice (2 S - sum_k x).
    """
    planes = [weight for _, _, weight in digit_spans(*_cell_layout(chip))]
    if chip.weight_encoding == "binary":
        return [2]
    if chip.weight_encoding in ("differential", "ternary") and not chip.paired:
        return planes + [-weight for weight in planes]
    return planes
