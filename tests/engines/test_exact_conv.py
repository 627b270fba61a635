"""The integer convolution under the lossless collapse, against NumPy's, padding inside the jit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from tests.support import examples

CHIP = pj.load_chip("mram-pim-digital")
SIGNED = pj.load_chip("mram-pim-digital", {"precision.act_signed": True})


def plain(x, w, pad, stride, dilation, groups):
    """The convolution in NumPy integers of any width."""
    x = np.pad(x.astype(np.int64), ((0, 0), *pad, (0, 0)))
    (kh, kw, c, n), (sh, sw), (dh, dw) = w.shape, stride, dilation
    windows = np.lib.stride_tricks.sliding_window_view(
        x, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2)
    )[:, ::sh, ::sw, :, ::dh, ::dw]
    per_group = n // groups
    parts = [
        np.einsum(
            "bhwcij,ijcn->bhwn",
            windows[:, :, :, g * c : (g + 1) * c],
            w[..., g * per_group : (g + 1) * per_group].astype(np.int64),
        )
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1)


@pytest.mark.slow
@examples(60)
@given(data=st.data())
def test_every_padding_stride_dilation_and_grouping(data):
    draw = data.draw
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (1, 3), (2, 1)]))
    groups, c, n = draw(st.sampled_from([(1, 33, 2), (1, 3, 1), (3, 1, 1), (2, 2, 3)]))
    size = draw(st.sampled_from([(1, 1), (4, 5), (6, 3)]))
    stride = draw(st.sampled_from([(1, 1), (2, 1), (2, 2)]))
    dilation = draw(st.sampled_from([(1, 1), (2, 2)]))
    pad = draw(st.sampled_from([((0, 0), (0, 1)), ((2, 2), (2, 2)), ((1, 0), (0, 2))]))
    room = [
        s + sum(p) - (k - 1) * d for s, p, k, d in zip(size, pad, kernel, dilation, strict=True)
    ]
    if min(room) < 1:
        return
    chip = draw(st.sampled_from([CHIP, SIGNED]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    low, high = chip.bitline().act_range
    x = rng.integers(low, high + 1, (2, *size, c * groups))
    w = rng.integers(-128, 128, (*kernel, c, n * groups))
    y, _ = pj.conv2d(x, w, chip, stride, pad, dilation, groups, engine="dot")
    assert (np.asarray(y) == plain(x, w, pad, stride, dilation, groups)).all()


@pytest.mark.parametrize("engine", ["dot", "auto"])
def test_one_tap_with_padding(engine):
    """Failed with jaxlib 0.10.2 and 0.12 before the padding was kept out of the convolution."""
    chip = pj.load_chip(
        "mram-pim-digital",
        {"precision.act_bits": 1, "precision.act_signed": True, "precision.weight_bits": 2},
    )
    x = np.where(np.arange(33) % 3 == 0, -1, 0)[None, None, None]
    w = np.where(np.arange(66) % 5 < 3, 1, -2).reshape(1, 1, 33, 2)
    pad = ((0, 0), (0, 1))
    y, _ = pj.conv2d(x, w, chip, padding=pad, engine=engine)
    assert (np.asarray(y) == plain(x, w, pad, (1, 1), (1, 1), 1)).all()
