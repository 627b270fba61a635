"""Large images are computed in tiles: cut or whole, the same integers and the same counts."""

import numpy as np
import pytest

import pimjax as pj
from pimjax.array import engines, tiling
from pimjax.array.convolve import convolve
from pimjax.array.geometry import resolve
from tests import oracle
from tests.support import EVERY_ENGINE, assert_same, make_chip, operands

CASES = {
    # window, output pixels per tile, (image tiles, row tiles) of 3 images
    "rows": ({}, 15, (3, 3)),
    "single rows": ({}, 1, (3, 7)),
    "two images, then one": ({}, 80, (2, 1)),
    "stride 2": ({"stride": 2}, 6, (3, 2)),
    "stride beyond the kernel": ({"stride": (3, 1), "padding": "VALID"}, 3, (3, 2)),
    "dilation": ({"dilation": (2, 1), "padding": ((2, 3), (0, 0))}, 9, (3, 4)),
    "groups": ({"groups": 2, "stride": (2, 3)}, 4, (3, 2)),
}
COMPARED_WITH_WHOLE = ("stride 2", "dilation")


@pytest.fixture
def nothing_compiled():
    """The size of a tile is no argument of `convolve`, so what is compiled must not stay."""
    convolve.clear_cache()
    yield
    convolve.clear_cache()


@pytest.mark.parametrize("engine", EVERY_ENGINE)
@pytest.mark.parametrize("name", CASES)
def test_tiles_change_nothing(engine, name, monkeypatch, nothing_compiled):
    window, pixels, counts = CASES[name]
    chip = make_chip(act_bits=2, weight_bits=2, active_wordlines=7, adc_bits=2)
    groups = window.get("groups", 1)
    x, _ = operands(chip, 3, 7 * 5 * 4, 1)
    _, w = operands(chip, 1, 3 * 2 * (4 // groups), 2)
    x, w = x.reshape(3, 7, 5, 4), w.reshape(3, 2, 4 // groups, 2)

    spec = chip.bitline()
    chosen = engines.select(engine, spec)
    resolved = {"stride": 1, "padding": "SAME", "dilation": 1, "groups": 1, **window}
    geometry = resolve(x.shape, w.shape, **resolved)
    size = chosen.bytes_per_pixel(spec, geometry)
    monkeypatch.setattr(tiling, "TILE_BYTES", pixels * size)
    chosen_tiling = tiling.choose_tiling(3, geometry, size)
    assert chosen_tiling.counts(3, geometry.out[0]) == counts

    got = pj.conv2d(x, w, chip, engine=engine, **window)
    assert_same(got, oracle.conv2d(x, w, oracle.from_chip(chip), **window))
    assert got[1].clipped_high > 0
    for image in range(3):
        _, alone = oracle.conv2d(x[image : image + 1], w, oracle.from_chip(chip), **window)
        assert np.asarray(got[1].high_counts[image]).sum() == alone.clipped_high

    if name in COMPARED_WITH_WHOLE:
        monkeypatch.undo()
        convolve.clear_cache()
        y, stats = pj.conv2d(x, w, chip, engine=engine, **window)
        assert (np.asarray(y) == np.asarray(got[0])).all()
        assert (np.asarray(stats.high_counts) == np.asarray(got[1].high_counts)).all()
        assert stats == got[1]


def test_a_tile_is_never_empty():
    geometry = resolve((2, 9, 9, 1), (1, 1, 1, 1), 1, "VALID", 1, 1)
    assert tiling.choose_tiling(2, geometry, 1 << 40) == tiling.Tiling(images=1, rows=1)
    assert tiling.choose_tiling(2, geometry, 0) == tiling.Tiling(images=2, rows=9)
