"""Read disturb: known values, any number of reads, one state only."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from pimjax.memory.device import disturb, spread


@pytest.mark.parametrize(("exponent", "rate"), [(1, 5.7e-18), (2, 1.7e-12)])
def test_one_read(exponent, rate):
    got = float(disturb.disturb_rate(60.0, 0.3, 10e-9, exponent=exponent))
    assert got == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("reads", [0, 1, 1000, 10**9, 10**15])
@pytest.mark.parametrize("exponent", [1, 2])
def test_reads_add_up_as_a_power(reads, exponent):
    """1 - (1 - P)^reads in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        barrier = Decimal(60) * (1 - Decimal("0.3")) ** exponent
        stays_once = (-Decimal(10) * (-barrier).exp()).exp()
        wanted = float(1 - stays_once**reads)
    got = float(disturb.disturb_rate(60.0, 0.3, 10e-9, reads, exponent))
    assert got == pytest.approx(wanted, rel=1e-10)


def test_no_current_is_retention_while_reading():
    got = float(disturb.disturb_rate(30.0, 0.0, 1e-6))
    assert got == pytest.approx(-math.expm1(-1e3 * math.exp(-30)), rel=1e-12)


def test_classes():
    by_class = disturb.disturb_by_class(60.0, 0.05, 0.3, 10e-9, 1e6)
    assert by_class.shape == (spread.CLASSES, 2)
    assert not by_class[:, 0].any()
    z = np.linspace(-19.9, 19.9, 200_001)
    lost = -np.expm1(-1e6 * 10 * np.exp(-60 * (1 + 0.05 * z) * 0.7**2))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    wanted = np.sum(lost * density) * (z[1] - z[0])
    assert spread.class_probabilities() @ by_class[:, 1] == pytest.approx(wanted, rel=1e-8)
    other = disturb.disturb_by_class(60.0, 0.05, 0.3, 10e-9, 1e6, disturbed=0)
    assert np.array_equal(other, by_class[:, ::-1])
    assert not disturb.disturb_by_class(60.0, 0.05, 0.3, 10e-9, 0.0).any()


def test_what_is_refused():
    with pytest.raises(ValueError, match="current_ratio = 1: less than 1 expected; such a current"):
        disturb.disturb_rate(60.0, [0.2, 1.0], 1e-8)
    with pytest.raises(ValueError, match=r"current_ratio = -0\.1: from 0 expected"):
        disturb.disturb_rate(60.0, -0.1, 1e-8)
    with pytest.raises(ValueError, match="exponent = 3: 1 or 2 expected"):
        disturb.disturb_rate(60.0, 0.3, 1e-8, exponent=3)
    with pytest.raises(ValueError, match="reads = -1: from 0 expected"):
        disturb.disturb_rate(60.0, 0.3, 1e-8, -1)
    with pytest.raises(ValueError, match="read_time_s = nan: from 0 expected"):
        disturb.disturb_rate(60.0, 0.3, math.nan)
    with pytest.raises(ValueError, match="disturbed = 2: the stored bit 0 or 1 expected"):
        disturb.disturb_by_class(60.0, 0.05, 0.3, 1e-8, 1.0, disturbed=2)
