"""One test class for every way to compute: each engine equals the oracle, bit for bit."""

from itertools import accumulate

import pytest
from hypothesis import event, given

import pimjax as pj
from tests import oracle
from tests.engines.strategies import Case, convolutions, largest_partial_sum, products
from tests.oracle.matmul import digital_term
from tests.support import (
    EVERY_ENGINE,
    assert_same,
    examples,
)


def group_sum_range(chip: oracle.OracleChip, rows: int) -> tuple[int, int]:
    """Ends of one row group's sum, each conversion at the end of its own range."""
    largest = largest_partial_sum(chip, rows)
    codes = [oracle.convert(s, chip)[0] for s in (-largest if chip.paired else 0, largest)]
    products = [
        [of_slice * of_column * code for code in codes]
        for of_slice in oracle.slice_weights(chip)
        for of_column in oracle.conversion_weights(chip)
    ]
    return sum(map(min, products)), sum(map(max, products))


def may_refuse(chip: oracle.OracleChip) -> bool:
    """Whether an engine with 32-bit sums has a reason: saturation must see the true sum."""
    low, high = group_sum_range(chip, chip.active_wordlines)
    return chip.accumulator_overflow == "saturate" and max(-low, high) > 2**31 - 1


def surely_fits(chip: oracle.OracleChip, k: int) -> bool:
    """Whether the coarsest bound of the running sums fits: then no call may be refused."""
    starts = range(0, k, chip.active_wordlines)
    ranges = [group_sum_range(chip, min(chip.active_wordlines, k - t)) for t in starts]
    digital = [
        oracle.round_rational(digital_term(k * x, len(starts), chip), "half_even")
        for x in oracle.act_range(chip)
    ]
    low, high = (list(accumulate(end)) for end in zip(*ranges, strict=True))
    lowest, highest = min(*low, low[-1] + min(digital)), max(*high, high[-1] + max(digital))
    return oracle.bits_needed(min(lowest, 0), max(highest, 0)) <= chip.accumulator_bits


def check(engine: str, case: Case) -> None:
    """The engine's result is the oracle's, or it refuses for a reason that holds."""
    chip, x, w, window = case
    known = oracle.from_chip(chip)
    call, right = (pj.conv2d, oracle.conv2d) if window else (pj.matmul, oracle.matmul)
    able = pj.engines(chip)
    assert set(able) >= {"reference"}
    if engine not in (*able, "auto"):
        assert may_refuse(known)
        with pytest.raises(ValueError, match=f"engine '{engine}'.*saturate.*pass 32 bits"):
            call(x, w, chip, engine=engine, **window)
        return
    try:
        got = call(x, w, chip, engine=engine, **window)
    except ValueError as error:
        assert "precision.accumulator_bits" in str(error)
        assert known.accumulator_overflow == "error"
        assert not surely_fits(known, w.size // w.shape[-1])
        event("refused")
        return
    # Under "error" the oracle raises where a running sum does not fit: it must not here.
    assert_same(got, right(x, w, known, **window))


@pytest.mark.parametrize("engine", EVERY_ENGINE)
class TestEngine:
    @examples(7)
    @given(case=products())
    def test_matmul(self, engine, case):
        check(engine, case)

    @examples(6)
    @given(case=convolutions())
    def test_conv2d(self, engine, case):
        check(engine, case)

    @pytest.mark.slow
    @examples(14)
    @given(case=products(most=60))
    def test_matmul_at_length(self, engine, case):
        check(engine, case)

    @pytest.mark.slow
    @examples(14)
    @given(case=convolutions(most=40))
    def test_conv2d_at_length(self, engine, case):
        check(engine, case)
