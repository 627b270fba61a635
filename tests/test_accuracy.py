"""Accuracy of real networks on the chip, with the margins that are promised."""

import pytest

from benchmarks import accuracy
from benchmarks.networks import FLOAT, QUANTISED
from tests.data import data_path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "images"), [("resnet20", None), ("resnet56", 150), ("efficientnet-lite0", 150)]
)
def test_eight_bits_cost_little(name, images):
    data_path(f"models/{FLOAT[name].file}")
    exact, chip, agreement, count = accuracy.eight_bits(name, images)
    # A fewer images, b more points: two in a hundred decisions on the edge fall either way.
    margin = accuracy.MARGIN[name] + (100 / count) * (2 if images else 0)
    assert chip >= exact - margin
    assert agreement > 95


@pytest.mark.parametrize("name", QUANTISED)
def test_decisions_are_those_of_litert(name):
    pytest.importorskip("ai_edge_litert")
    data_path(f"models/{QUANTISED[name].file}")
    _, _, agreement, _ = accuracy.beside_litert(name, 16)
    assert agreement == 100
