"""Frozen results: a change of any output bit or count fails here, and raises pimjax.SEMANTICS.

The digests come from the oracle, never from the library. Inputs come from integer formulas, so
that no random generator can change them.
"""

import hashlib
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import pimjax as pj
from tests import oracle
from tests.support import EVERY_ENGINE, make_chip, totals

SEMANTICS = "1.0"


def spread(shape: tuple, codes: range, factor: int) -> np.ndarray:
    """Codes number (i^2 factor + 7 i) mod 8191 mod (number of codes), i = 0, 1, ..."""
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return np.array(codes, np.int64)[(i * i * factor + 7 * i) % 8191 % len(codes)].reshape(shape)


CASES = {
    "clipped": ({"adc_bits": 5}, (3, 200), (200, 4), None),
    "lossless": ({"act_bits": 4, "weight_bits": 6, "adc_bits": 8}, (2, 150), (150, 3), None),
    "offset binary": (
        {
            "weight_encoding": "offset_binary",
            "act_bits": 7,
            "weight_bits": 5,
            "input_slice_bits": 3,
            "cell_bits": 2,
            "adc_bits": 7,
            "adc_step": Fraction(255, 63),
            "adc_offset": Fraction(-7, 3),
            "adc_rounding": "half_up",
        },
        (2, 140),
        (140, 3),
        None,
    ),
    "paired": (
        {
            "weight_encoding": "differential",
            "differential_readout": "paired",
            "act_bits": 5,
            "act_signed": True,
            "weight_bits": 5,
            "adc_bits": 3,
            "adc_step": Fraction(3, 2),
            "adc_symmetric": True,
            "accumulator_bits": 11,
            "accumulator_overflow": "saturate",
            "active_wordlines": 32,
        },
        (3, 130),
        (130, 3),
        None,
    ),
    "separate": (
        {
            "weight_encoding": "differential",
            "act_bits": 4,
            "weight_bits": 4,
            "adc_bits": 3,
            "adc_offset": Fraction(1, 2),
            "adc_rounding": "floor",
            "accumulator_bits": 9,
            "accumulator_overflow": "wrap",
            "active_wordlines": 33,
        },
        (3, 100),
        (100, 3),
        None,
    ),
    "binary": (
        {
            "weight_encoding": "binary",
            "weight_bits": 1,
            "act_bits": 1,
            "active_wordlines": 256,
            "adc_step": Fraction(255, 63),
        },
        (4, 300),
        (300, 5),
        None,
    ),
    "ternary, by channel": (
        {
            "weight_encoding": "ternary",
            "weight_bits": 2,
            "act_bits": 4,
            "row_order": "channel_kernel",
            "active_wordlines": 9,
            "adc_bits": 2,
        },
        (2, 5, 6, 4),
        (3, 3, 2, 6),
        {"stride": (2, 1), "groups": 2},
    ),
    "12 bits": (
        {
            "act_bits": 12,
            "weight_bits": 12,
            "input_slice_bits": 4,
            "cell_bits": 4,
            "adc_bits": 10,
            "adc_step": Fraction(3),
            "accumulator_overflow": "saturate",
            "accumulator_bits": 22,
            "active_wordlines": 32,
        },
        (1, 4, 4, 10),
        (3, 2, 10, 2),
        {"padding": ((1, 0), (2, 1)), "dilation": (1, 2)},
    ),
}

DIGESTS = {
    "clipped": "29c9d7dc506109bf46ed837d2090236cfd00498e7fffa85a3539220a9cee8f5f",
    "lossless": "3cc25c1e2ee2f49e1508d2d4a50fe50bb0722d4869e0978172a7e07cd80c0608",
    "offset binary": "69a0838d01ce1b606c0dad7d64e74521bd8eea36ac7d96aadfa559aeece00825",
    "paired": "f7085afedfc53ee98250f079791d3dcd751c55f53d0f9dfde284c06607e7917b",
    "separate": "12fa0ab26d8b910c3790a720b9ecb5cf7c49525ad6b1084652bfa64d41bc035f",
    "binary": "76110b03456cec8a4c72d83d55bbeb8d58765b2d1b454977eba70e3420890adf",
    "ternary, by channel": "900893fbe034a0bdde012c400ea02ceba2c95c9b4526ca21f7b3da038b481356",
    "12 bits": "57aca2da7de511fe7390b110c2f88332e66889baf47ad373bd5ec56885d731a3",
}


@cache
def operands(name: str):
    fields, x_shape, w_shape, window = CASES[name]
    chip = make_chip(**fields)
    known = oracle.from_chip(chip)
    low, high = oracle.act_range(known)
    x = spread(x_shape, range(low, high + 1), 31)
    return chip, x, spread(w_shape, oracle.weight_codes(known), 53), window


def digest(y, stats) -> str:
    """sha256 of y as little-endian int32, its shape and the three counts as text."""
    values = np.asarray(y).astype("<i4")
    assert (values == np.asarray(y)).all()
    text = f"{list(values.shape)} {list(totals(stats))}"
    return hashlib.sha256(values.tobytes() + text.encode()).hexdigest()


def test_the_digests_are_of_this_semantics():
    assert pj.SEMANTICS == SEMANTICS
    assert DIGESTS.keys() == CASES.keys()


def test_inputs_are_what_they_were():
    assert spread((3, 4), range(-8, 8), 53).tolist() == [
        [-8, 4, -6, -6],
        [4, -8, 6, -2],
        [0, -4, 2, 2],
    ]


@pytest.mark.parametrize("name", CASES)
def test_the_oracle_gives_the_frozen_results(name):
    chip, x, w, window = operands(name)
    known = oracle.from_chip(chip)
    if window is None:
        result = oracle.matmul(x, w, known)
    else:
        result = oracle.conv2d(x, w, known, **window)
    assert digest(*result) == DIGESTS[name]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_every_engine_gives_the_frozen_results(engine, name):
    chip, x, w, window = operands(name)
    if window is None:
        result = pj.matmul(x, w, chip, engine=engine)
    else:
        result = pj.conv2d(x, w, chip, engine=engine, **window)
    assert digest(*result) == DIGESTS[name]
