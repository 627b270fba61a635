"""Convolution against a naive integer loop and hand-worked layouts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import OracleChip, Stats, conv2d, conversion_weights, slice_weights, weight_codes
from tests.oracle.strategies import act_codes, chips, codes

NO_ADC = OracleChip(act_bits=2, weight_bits=2, adc_kind="none")


def naive_conv(x, w, stride, pads, dilation, groups):
    """Plain integer convolution on an explicitly padded image."""
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, cin, n = w.shape
    extent = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1]
    oh, ow = ((x.shape[1 + a] - extent[a]) // stride[a] + 1 for a in range(2))
    y = np.zeros((x.shape[0], oh, ow, n), dtype=np.int64)
    for b, r, c, o in np.ndindex(y.shape):
        first = (o // (n // groups)) * cin
        for i, j, ch in np.ndindex(kh, kw, cin):
            pixel = x[b, r * stride[0] + i * dilation[0], c * stride[1] + j * dilation[1]]
            y[b, r, c, o] += pixel[first + ch] * w[i, j, ch, o]
    return y


@settings(max_examples=60)
@given(st.data())
def test_lossless_convolutions_are_integer_convolutions(data):
    draw = data.draw
    chip = draw(chips(adc_bits=9))
    small, pairs = st.integers(1, 2), st.tuples(st.integers(0, 2), st.integers(0, 2))
    kernel, dilation, stride = ((draw(small), draw(small)) for _ in range(3))
    groups, cin, per_group = draw(small), draw(small), draw(small)
    pads = (draw(pairs), draw(pairs))
    size = draw(st.integers(3, 4)), draw(st.integers(3, 4))
    x = codes(draw, act_codes(chip), (1, *size, cin * groups))
    w = codes(draw, weight_codes(chip), (*kernel, cin, per_group * groups))
    y, stats = conv2d(x, w, chip, stride, pads, dilation, groups)
    expected = naive_conv(x, w, stride, pads, dilation, groups)
    assert np.array_equal(y, expected)
    row_groups = -(-kernel[0] * kernel[1] * cin // chip.active_wordlines)
    per_output = row_groups * len(slice_weights(chip)) * len(conversion_weights(chip))
    assert stats == Stats(expected.size * per_output, 0, 0)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 3, 2, 1, (1, 1)),
        (6, 3, 2, 1, (0, 1)),
        (4, 2, 1, 1, (0, 1)),
        (7, 3, 1, 2, (2, 2)),
        (5, 1, 3, 1, (0, 0)),
        (7, 7, 2, 1, (3, 3)),
        (8, 7, 2, 1, (2, 3)),
    ],
)
def test_same_padding_by_hand(size, kernel, stride, dilation, pads):
    x = np.arange(size, dtype=np.int64).reshape(1, 1, size, 1) % 4
    w = np.arange(kernel, dtype=np.int64).reshape(1, kernel, 1, 1) % 4 - 2
    y, _ = conv2d(x, w, NO_ADC, stride, "SAME", (1, dilation))
    explicit, _ = conv2d(x, w, NO_ADC, stride, ((0, 0), pads), (1, dilation))
    assert np.array_equal(y, explicit)
    assert y.shape == (1, 1, -(-size // stride), 1)
    expected = naive_conv(x, w, (stride, stride), ((0, 0), pads), (1, dilation), 1)
    assert np.array_equal(y, expected)


def test_row_order_by_hand():
    chip = OracleChip(act_bits=1, weight_bits=2, active_wordlines=2, adc_bits=1)
    x = [[[[1, 0], [1, 0]]]]
    w = [[[[1], [1]], [[1], [1]]]]
    y, stats = conv2d(x, w, chip, padding="VALID")  # wordlines 1 0 | 1 0
    assert (y.tolist(), stats) == ([[[[2]]]], Stats(4, 0, 0))
    y, stats = conv2d(x, w, replace(chip, row_order="channel_kernel"), padding="VALID")  # 1 1 | 0 0
    assert (y.tolist(), stats) == ([[[[1]]]], Stats(4, 0, 1))


def test_grouped_channels_and_padding_conversions_by_hand():
    chip = OracleChip(act_bits=3, weight_bits=3, adc_bits=4)
    x, w = [[[[3, 5]]]], [[[[1, 2, 3, -1]]]]
    y, stats = conv2d(x, w, chip, groups=2)
    assert y.tolist() == [[[[3, 6, 15, -5]]]]
    assert stats.conversions == 4 * 3 * 3
    y, stats = conv2d(x, w, chip, padding=((1, 0), (0, 2)), groups=2)
    assert y.shape == (1, 2, 3, 4)
    assert y[0, 1, 0].tolist() == [3, 6, 15, -5]
    assert np.abs(y).sum() == 29
    assert stats.conversions == 6 * 4 * 3 * 3


def test_a_kernel_larger_than_the_image_gives_no_outputs():
    y, stats = conv2d(
        np.ones((1, 2, 2, 1), int), np.ones((3, 3, 1, 1), int), NO_ADC, padding="VALID"
    )
    assert (y.shape, stats) == ((1, 0, 0, 1), Stats())
