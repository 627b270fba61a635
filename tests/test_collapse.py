"""The lossless collapse: taken where it is proven, exactly up to the limit and not beyond."""

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.array.engines import auto, dot
from pimjax.array.geometry import resolve

ROWS = 70
GEOMETRY = resolve((2, 1, 1, ROWS), (1, 1, ROWS, 2), 1, "VALID", 1, 1)
CASES = {
    "twos_complement": {},
    "offset_binary": {"precision.weight_encoding": "offset_binary"},
    "separate": {"precision.weight_encoding": "differential"},
    "paired": {
        "precision.weight_encoding": "differential",
        "precision.differential_readout": "paired",
        "adc.bits": 7,
    },
    "half step": {"adc.step": "1/2", "adc.bits": 7},
}


def ones_in_a_column(encoding: str, count: int) -> np.ndarray:
    """Weights whose fullest column holds `count` ones, in the first row group."""
    w = np.zeros((ROWS, 2), int)
    w[:count, 0] = 1
    return w - 128 if encoding == "offset_binary" else w


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [0, 62, 63, 64, 65, 70])
def test_proof_holds_up_to_full_scale_and_no_further(case, count):
    chip = pj.load_chip("mram-pim-8b", CASES[case])
    w = ones_in_a_column(chip.precision.weight_encoding, count)
    x = np.full((2, ROWS), 255)
    kernel = jnp.asarray(w[None, None], jnp.int8)
    proven = bool(dot.weights_collapse(kernel, chip.bitline(), GEOMETRY))
    assert proven == (count <= 63)
    assert bool(auto.prepare(kernel, chip.bitline(), GEOMETRY).lossless) == proven
    y, stats = pj.matmul(x, w, chip, engine="reference")
    for engine in ("dot", "auto", "popcount"):
        same, counts = pj.matmul(x, w, chip, engine=engine)
        assert (same == y).all()
        assert counts == stats
    assert (stats.clipped_high > 0) == (not proven)
    if proven:
        assert (np.asarray(y) == x @ w / chip.adc.step).all()


def test_weights_decide_without_a_new_trace():
    from pimjax.array.convolve import convolve

    chip = pj.load_chip("mram-pim-8b", {"adc.bits": 5})
    x = np.full((3, 77), 255)
    sparse = np.eye(77, 4, dtype=int)
    pj.matmul(x, sparse, chip)
    traces = convolve._cache_size()
    _, stats = pj.matmul(x, np.full((77, 4), -1), chip)
    assert stats.clipped_high > 0
    assert convolve._cache_size() == traces
