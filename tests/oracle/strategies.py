"""Hypothesis strategies: chips of every encoding, and legal codes for them."""

import numpy as np
from hypothesis import strategies as st

from tests.oracle import OracleChip, act_range, weight_codes

ENCODINGS = ("twos_complement", "offset_binary", "differential", "binary", "ternary")


@st.composite
def chips(draw, **fixed):
    """Small chips of every encoding and readout; `fixed` fields override what is drawn."""
    encoding = draw(st.sampled_from(ENCODINGS))
    width = {"binary": st.just(1), "ternary": st.just(2)}.get(encoding, st.integers(1, 5))
    fields = {
        "act_bits": draw(st.integers(1, 5)),
        "act_signed": draw(st.booleans()),
        "weight_bits": draw(width),
        "weight_encoding": encoding,
        "differential_readout": draw(st.sampled_from(("separate", "paired"))),
        "input_slice_bits": draw(st.integers(1, 3)),
        "cell_bits": draw(st.integers(1, 3)),
        "active_wordlines": draw(st.integers(1, 5)),
        "row_order": draw(st.sampled_from(("kernel_channel", "channel_kernel"))),
        "adc_rounding": draw(st.sampled_from(("half_even", "half_up", "floor"))),
    }
    return OracleChip(**{**fields, **fixed})


def codes(draw, legal, shape):
    """An int64 array of `shape` with codes from `legal`."""
    size = int(np.prod(shape))
    flat = draw(st.lists(st.sampled_from(legal), min_size=size, max_size=size))
    return np.array(flat, dtype=np.int64).reshape(shape)


def act_codes(chip):
    """Every legal activation code, ascending."""
    lowest, highest = act_range(chip)
    return range(lowest, highest + 1)


def draw_operands(draw, chip):
    """x (b, k) and w (k, n), small, k from 0."""
    b, k, n = draw(st.integers(1, 2)), draw(st.integers(0, 7)), draw(st.integers(1, 2))
    return codes(draw, act_codes(chip), (b, k)), codes(draw, weight_codes(chip), (k, n))
