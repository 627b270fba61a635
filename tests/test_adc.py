"""The converter: tables and arithmetic shortcuts against the exact rule, sum by sum."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.adc import affine, code_of, codes_by_table, transfer, unclamped_code
from pimjax.array.adc_arithmetic import codes_by_arithmetic
from pimjax.array.spec import Adc
from tests import oracle
from tests.support import examples

LENGTH = 1024
"""Sums per call: one array shape, so that hypothesis does not compile each time."""


def as_oracle(adc: Adc, signed: bool) -> oracle.OracleChip:
    """A signed range is what a paired readout has."""
    encoding = {"weight_encoding": "differential", "differential_readout": "paired"}
    return oracle.OracleChip(
        adc_kind=adc.kind,
        adc_bits=adc.bits,
        adc_step=adc.step,
        adc_offset=adc.offset,
        adc_rounding=adc.rounding,
        adc_symmetric=adc.symmetric,
        **(encoding if signed else {}),
    )


steps = st.one_of(
    st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(255, 63), Fraction(4)]),
    st.fractions(Fraction(1, 40), 60, max_denominator=40),
    st.sampled_from([Fraction(2**20), Fraction(1, 2**20), Fraction(2**20 - 1, 2**20)]),
    st.builds(Fraction, st.integers(1, 2**20), st.integers(1, 2**20)),
)
offsets = st.one_of(
    st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(-1), Fraction(3, 2), Fraction(-7, 3)]),
    st.fractions(-300, 300, max_denominator=40),
    st.sampled_from([Fraction(2**20), Fraction(-(2**20)), Fraction(2**20 - 1, 2)]),
    st.builds(Fraction, st.integers(-(2**20), 2**20), st.integers(1, 2**20)),
)
adcs = st.builds(
    Adc,
    kind=st.just("uniform"),
    bits=st.integers(1, 16),
    step=steps,
    offset=offsets,
    rounding=st.sampled_from(("half_even", "half_up", "floor")),
    symmetric=st.booleans(),
)


@st.composite
def ranges(draw, length: int = LENGTH) -> tuple[int, int]:
    """(sum_low, sum_high) of at most `length` sums, near zero or far away."""
    low = draw(st.one_of(st.just(0), st.integers(-length, 0), st.integers(2**20 - length, 2**20)))
    return low, low + draw(st.integers(0, length - 1))


def converted(function, sums: list[int]) -> list[int]:
    """The codes of a JAX function for `sums`, which are repeated up to LENGTH."""
    padded = np.resize(np.array(sums, np.int32), LENGTH)
    codes = function(jnp.asarray(padded))
    assert codes.dtype == jnp.int32
    return np.asarray(codes)[: len(sums)].tolist()


def check_every_sum(adc: Adc, signed: bool, low: int, high: int, sums: list[int]) -> None:
    chip = as_oracle(adc, signed)
    right = [oracle.convert(s, chip) for s in sums]
    codes = [code for code, _, _ in right]
    assert [code_of(adc, s, signed) for s in sums] == codes
    table = transfer(adc, signed, low, high)
    assert converted(lambda s: codes_by_table(s, table), sums) == codes
    assert converted(lambda s: codes_by_arithmetic(s, adc, signed, table), sums) == codes
    assert [s < table.clips_below for s in sums] == [clipped for _, clipped, _ in right]
    assert [s >= table.clips_from for s in sums] == [clipped for _, _, clipped in right]
    assert table.can_clip_low == oracle.convert(low, chip)[1]
    assert table.can_clip_high == oracle.convert(high, chip)[2]


@pytest.mark.slow
@examples(250)
@given(adcs, st.booleans(), ranges())
def test_every_sum_of_a_range(adc, signed, limits):
    check_every_sum(adc, signed, *limits, list(range(limits[0], limits[1] + 1)))


@st.composite
def wide_ranges(draw) -> tuple[int, int]:
    """Up to all of 31 bits, as wide digits on many rows can have it."""
    high = draw(st.one_of(st.just(2**31 - 2), st.integers(1, 2**31 - 2)))
    return draw(st.sampled_from((0, -high))), high


@pytest.mark.slow
@examples(60)
@given(adcs, wide_ranges())
def test_around_every_threshold_of_a_wide_range(adc, limits):
    low, high = limits
    signed = low < 0
    table = transfer(adc, signed, low, high)
    ends = [low, low + 1, high - 1, high, 0, 1, -1, table.clips_below, table.clips_from]
    near = [
        t + d for t in table.thresholds[:: max(1, len(table.thresholds) // 200)] for d in (-1, 0, 1)
    ]
    sums = sorted({int(s) for s in [*ends, *near] if low <= s <= high})
    check_every_sum(adc, signed, low, high, sums)


@pytest.mark.parametrize("rounding", ["half_even", "half_up", "floor"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("step", [Fraction(2), Fraction(4), Fraction(2, 3), Fraction(3)])
def test_ties_of_every_parity(rounding, signed, step):
    adc = Adc(bits=8, step=step, offset=Fraction(1), rounding=rounding, symmetric=True)
    low = -300 if signed else 0
    check_every_sum(adc, signed, low, 600, list(range(low, 601)))


def test_one_conversion_by_hand():
    adc = Adc(bits=2, step=Fraction(3, 2), offset=Fraction(1))
    # (S - 1) / 1.5: -0.67, 0, 0.67, 1.33, 2, 2.67, 3.33, 4
    assert [unclamped_code(adc, s) for s in range(8)] == [-1, 0, 1, 1, 2, 3, 3, 4]
    assert [code_of(adc, s, False) for s in range(8)] == [0, 0, 1, 1, 2, 3, 3, 3]
    table = transfer(adc, False, 0, 7)
    assert (table.code_base, table.thresholds.tolist()) == (0, [2, 4, 5])
    assert (table.clips_below, table.clips_from) == (1, 7)


def test_without_a_converter_the_code_is_the_sum():
    adc = Adc(kind="none", bits=1, step=Fraction(7), offset=Fraction(3))
    assert [code_of(adc, s, True) for s in (-9, 0, 2**31 - 2)] == [-9, 0, 2**31 - 2]
    assert affine(adc, True, -(2**30), 2**30) == (1, 0)
    assert (adc.effective_step, adc.effective_offset) == (1, 0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_code_limits(symmetric):
    adc = Adc(bits=3, symmetric=symmetric)
    assert adc.code_limits(signed=False) == (0, 7)
    assert adc.code_limits(signed=True) == (-3 if symmetric else -4, 3)


def loses_nothing(adc: Adc, signed: bool, low: int, high: int) -> bool:
    """Whether no sum is rounded or clipped, tried one by one."""
    lowest, highest = oracle.code_range(as_oracle(adc, signed))
    exact = [(s - adc.offset) / adc.step for s in range(low, high + 1)]
    return all(code.denominator == 1 and lowest <= code <= highest for code in exact)


@examples(300)
@given(
    adcs,
    st.booleans(),
    ranges(40),
)
def test_the_lossless_proof_is_right(adc, signed, limits):
    line = affine(adc, signed, *limits)
    chip = as_oracle(adc, signed)
    if line is not None:
        n, m = line
        for s in range(limits[0], limits[1] + 1):
            assert oracle.convert(s, chip) == (n * s - m, False, False)
    if limits[0] < limits[1]:
        assert (line is not None) == loses_nothing(adc, signed, *limits)


@examples(100)
@given(
    st.integers(1, 16),
    st.integers(1, 9),
    st.integers(-40, 40),
    st.booleans(),
    ranges(40),
)
def test_lossless_converters_are_found(bits, n, m, signed, limits):
    """Steps of 1/n and offsets of m/n: lossless exactly while no code is clipped."""
    adc = Adc(bits=bits, step=Fraction(1, n), offset=Fraction(m, n))
    lowest, highest = oracle.code_range(as_oracle(adc, signed))
    inside = lowest <= n * limits[0] - m and n * limits[1] - m <= highest
    assert affine(adc, signed, *limits) == ((n, m) if inside else None)
