"""Histograms of partial sums against counting them one by one in Python integers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array import partial_sums as module
from pimjax.array.partial_sums import LARGEST_SUM, partial_sum_histogram
from tests import oracle
from tests.oracle.matmul import driven, programmed
from tests.oracle.strategies import act_codes, chips
from tests.support import bitline_of, examples


def dot_products(x, w, chip) -> list[list[tuple[int, int]]]:
    """(weight, partial sum) of each conversion of each dot product, in some order.

    x (p, g, k) and w (k, g, o); the dot products come by g, p and o.
    """
    weights_s, weights_j = oracle.slice_weights(chip), oracle.conversion_weights(chip)
    products = []
    for group in range(x.shape[1]):
        columns_of_outputs = programmed(w[:, group].T.tolist(), chip)
        for slices_of_groups in driven(x[:, group].tolist(), chip):
            for columns_of_groups in columns_of_outputs:
                products.append(
                    [
                        (a * b, sum_)
                        for slices, columns in zip(slices_of_groups, columns_of_groups, strict=True)
                        for a, inputs in zip(weights_s, slices, strict=True)
                        for b, sum_ in zip(
                            weights_j, partial_sums(inputs, columns, chip), strict=True
                        )
                    ]
                )
    return products


def partial_sums(inputs, columns, chip) -> list[int]:
    """What stands before the converters; with a paired readout the differences of two columns."""
    sums = [sum(a * b for a, b in zip(inputs, cells, strict=True)) for cells in columns]
    if chip.paired:
        half = len(sums) // 2
        return [p - n for p, n in zip(sums[:half], sums[half:], strict=True)]
    return sums


def assert_counted(x, w, chip):
    histogram = partial_sum_histogram(x, w, bitline_of(chip))
    products = dot_products(x, w, chip)
    counts = Counter(sum_ for product in products for _, sum_ in product)
    sums = [int(s) for s in histogram.sums]
    assert len(sums) == len(histogram.counts)
    assert sums[0] == histogram.low and (np.diff(sums) == 1).all()
    assert {*counts} <= {*sums}
    assert dict(zip(sums, histogram.counts.tolist(), strict=True)) == {s: counts[s] for s in sums}
    # So few dot products are all in the sample.
    weights = histogram.weights.tolist()
    assert len(histogram.sample) == len(products)
    for got, want in zip(histogram.sample.tolist(), products, strict=True):
        assert sorted(zip(weights, got, strict=True)) == sorted(want)
    return histogram


@st.composite
def cases(draw):
    chip = draw(chips().filter(lambda c: c.weight_bits > 1 or c.weight_encoding != "differential"))
    # Few shapes, because each is compiled anew.
    points, groups, k, outputs = draw(st.sampled_from([(1, 1, 1, 1), (2, 1, 11, 2), (2, 3, 4, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    # Ends of the ranges are as likely as everything between them.
    legal_x, legal_w = np.array(act_codes(chip)), np.array(oracle.weight_codes(chip))
    legal_x = draw(st.sampled_from([legal_x, legal_x[[0, -1]]]))
    legal_w = draw(st.sampled_from([legal_w, legal_w[[0, -1]]]))
    return rng.choice(legal_x, (points, groups, k)), rng.choice(legal_w, (k, groups, outputs)), chip


@given(cases())
@examples(120)
def test_every_partial_sum_is_counted_once(case):
    assert_counted(*case)


@pytest.mark.parametrize("encoding", ["twos_complement", "offset_binary", "differential"])
@pytest.mark.parametrize("readout", ["separate", "paired"])
@pytest.mark.parametrize("digits", [1, 3])
def test_eight_bits(encoding, readout, digits):
    chip = oracle.OracleChip(
        act_signed=digits == 3,
        weight_encoding=encoding,
        differential_readout=readout,
        input_slice_bits=digits,
        cell_bits=digits,
        active_wordlines=16,
    )
    rng = np.random.default_rng(digits)
    low, high = oracle.act_range(chip)
    legal = oracle.weight_codes(chip)
    x = rng.integers(low, high + 1, (3, 1, 40)).astype(np.int32)
    w = rng.integers(legal[0], legal[-1] + 1, (40, 1, 2)).astype(np.int32)
    histogram = assert_counted(x, w, chip)
    # Three row groups, all slices and columns.
    each = 3 * len(oracle.slice_weights(chip)) * len(oracle.conversion_weights(chip))
    assert histogram.counts.sum() == 3 * 2 * each
    # Weighted they are the dot products, but for what offset binary adds digitally.
    exact = np.einsum("pgk,kgo->gpo", x, w).reshape(-1)
    if encoding == "offset_binary":
        exact = exact + 128 * np.repeat(x.sum(axis=-1).T.reshape(-1), 2)
    assert (histogram.sample @ histogram.weights == exact).all()


def test_planes_by_hand():
    """x = 2 drives slice 1 alone, w = -2 has cells 0, 1: one sum of 1, worth 2 * -2."""
    chip = oracle.OracleChip(act_bits=2, weight_bits=2, active_wordlines=4)
    histogram = partial_sum_histogram(np.array([[[2]]]), np.array([[[-2]]]), bitline_of(chip))
    assert histogram.low == 0
    assert histogram.counts.tolist() == [3, 1]
    assert histogram.sample.tolist() == [[0, 0, 0, 1]]
    assert histogram.weights.tolist() == [1, -2, 2, -4]


def test_the_sample_is_drawn_from_all(monkeypatch):
    """Dot products that tell by their sums which they are: 0 to 99 in either group."""
    chip = oracle.OracleChip(weight_bits=1, weight_encoding="binary", input_slice_bits=8)
    monkeypatch.setattr(module, "SAMPLED", 40)
    x = np.arange(100)[:, None, None].repeat(2, axis=1)
    w = np.ones((1, 2, 1), np.int64)
    first, again = (partial_sum_histogram(x, w, bitline_of(chip)) for _ in range(2))
    assert (first.sample == again.sample).all()
    assert first.sample.shape == (40, 1)
    assert first.counts.sum() == 200
    drawn = first.sample.ravel()
    # In order, none twice, and everything about as often.
    (middle,) = np.flatnonzero(np.diff(drawn) <= 0) + 1
    assert 10 <= middle <= 30
    assert 10 <= (drawn < 50).sum() <= 30
    assert 10 <= (drawn % 2).sum() <= 30


def test_the_largest_sum_of_full_digits():
    """Every row driven with the largest digit on full cells is the last entry; paired: both."""
    chip = oracle.OracleChip(
        act_bits=3,
        weight_bits=4,
        weight_encoding="differential",
        differential_readout="paired",
        input_slice_bits=3,
        cell_bits=3,
        active_wordlines=5,
    )
    x = np.full((1, 1, 5), 7)
    w = np.stack([np.full((5, 1), 7), np.full((5, 1), -7)], axis=-1)
    histogram = assert_counted(x, w, chip)
    assert histogram.low == -7 * 7 * 5
    assert histogram.counts[0] == histogram.counts[-1] == 1
    assert histogram.counts.sum() == 2


def test_arguments_stay_and_types_do_not_matter():
    chip = oracle.OracleChip(active_wordlines=8)
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, (4, 1, 20)), rng.integers(-128, 128, (20, 1, 3))
    before = x.copy(), w.copy()
    wide = partial_sum_histogram(x, w, bitline_of(chip))
    small = partial_sum_histogram(x.astype(np.uint8), w.astype(np.int8), bitline_of(chip))
    assert (x == before[0]).all() and (w == before[1]).all()
    assert (wide.counts == small.counts).all() and (wide.sample == small.sample).all()


def test_sums_that_are_too_large_are_refused_before_anything_is_counted():
    chip = oracle.OracleChip(
        act_bits=12, weight_bits=12, input_slice_bits=12, cell_bits=4, active_wordlines=512
    )
    largest = 512 * 4095 * 15
    assert largest > LARGEST_SUM
    x, w = np.zeros((1, 1, 512), np.int32), np.zeros((512, 1, 1), np.int32)
    with pytest.raises(ValueError, match=f"partial sums reach {largest}.*input_slice_bits"):
        partial_sum_histogram(x, w, bitline_of(chip))
    assert len(partial_sum_histogram(x[:, :, :1], w[:1], bitline_of(chip)).counts) == 4095 * 15 + 1
