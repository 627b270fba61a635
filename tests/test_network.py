"""A small network end to end against the oracle; batches and their padding leave no trace."""

from fractions import Fraction
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

from pimjax.network import run
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Add, Conv, Dense, Flatten, MaxPool, Output
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec
from tests import oracle
from tests.support import EVERY_ENGINE, make_chip, totals

CHIP = make_chip(
    act_bits=5, weight_bits=4, active_wordlines=20, adc_bits=3, adc_step=Fraction(3, 2)
)
KNOWN = oracle.from_chip(CHIP)
INPUT = TensorSpec(scale=1 / 32, zero_point=3, low=0, high=31)
RNG = np.random.default_rng(11)
KERNELS = {
    "first": RNG.integers(-8, 8, (3, 3, 2, 5)),
    "second": RNG.integers(-8, 8, (3, 3, 5, 5)),
    "third": RNG.integers(-8, 8, (3 * 3 * 5, 4)),
}
BIASES = {"first": [9, -30, 0, 25, -9], "second": [0, 11, -22, 33, -44], "third": [5, 0, -5, 50]}
SHIFTS = {"first": [3, 4, 3, 4, 5], "second": [4, 4, 4, 4, 4], "third": [3, 3, 3, 3]}
IMAGES = RNG.uniform(-0.2, 1.1, (5, 7, 6, 2)).astype(np.float32)


@cache
def program(engine: str = "auto") -> Program:
    """conv - max pool - conv with a shortcut - add - flatten - dense."""
    relu = Output("shift", 0, 0, 31)
    layers = (
        Layer("first", Conv(relu, pad_code=INPUT.zero_point), ("input",)),
        Layer("pool", MaxPool((2, 2), (2, 2), "VALID"), ("first",)),
        Layer("second", Conv(relu, shortcut_shift=3), ("pool", "pool")),
        Layer("sum", Add(("shift", "shift"), (0, 0), 0, 0, 31), ("second", "pool")),
        Layer("flat", Flatten(), ("sum",)),
        Layer("third", Dense(Output("shift", -10, -128, 127)), ("flat",)),
    )
    image = {
        name: {
            "weights": jnp.asarray(kernel.astype(np.int8)),
            "bias": jnp.asarray(np.array(BIASES[name], np.int32)),
            "shift": jnp.asarray(np.array(SHIFTS[name], np.int32)),
        }
        for name, kernel in KERNELS.items()
    }
    image["sum"] = {"a_shift": jnp.int32(1), "b_shift": jnp.int32(0)}
    graph = Graph((Input("input", (7, 6, 2), INPUT),), layers, ("third",))
    return Program(Plan(CHIP.bitline(), graph, engine), image, CHIP)


def after(name, y, limits, zero_point=0, shortcut=None):
    """Bias, shortcut, shift, zero point and clamp of a layer, pixel by pixel."""
    right = np.empty(y.shape, np.int64)
    for at in np.ndindex(y.shape):
        places = SHIFTS[name][at[-1]]
        right[at] = oracle.output_code(
            int(y[at]),
            lambda v, s=places: oracle.shift(v, s),
            *limits,
            bias=BIASES[name][at[-1]],
            shortcut=0 if shortcut is None else int(shortcut[at]),
            zero_point=zero_point,
        )
    return right


def input_codes(images) -> np.ndarray:
    """round half even (x / scale) + zero point; a scale of 1/32 divides exactly."""
    exact = [oracle.round_rational(Fraction(float(v)) * 32, "half_even") for v in images.ravel()]
    return np.clip(np.array(exact).reshape(images.shape) + INPUT.zero_point, 0, 31)


def by_oracle(images):
    """(codes, stats by layer) of real images."""
    x = input_codes(images)
    stats = {}
    widths = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = np.pad(x, widths, constant_values=INPUT.zero_point)
    y, stats["first"] = oracle.conv2d(padded, KERNELS["first"], KNOWN, padding="VALID")
    pooled = oracle.max_pool(after("first", y, (0, 31)), 2, 2)
    y, stats["second"] = oracle.conv2d(pooled, KERNELS["second"], KNOWN)
    second = after("second", y, (0, 31), shortcut=pooled * 8)
    total = np.array(
        [
            oracle.add_branches(int(a), int(b), lambda v: oracle.shift(v, 1), int, 0, 31)
            for a, b in zip(second.ravel(), pooled.ravel(), strict=True)
        ]
    )
    y, stats["third"] = oracle.matmul(total.reshape(len(images), -1), KERNELS["third"], KNOWN)
    return after("third", y, (-128, 127), -10), stats


@cache
def expected():
    return by_oracle(IMAGES)


def collected(batches):
    """All codes, and the statistics of each layer over all batches."""
    batches = list(batches)
    stats = {name: sum_of(b.stats[name] for b in batches) for name in batches[0].stats}
    return np.concatenate([batch.codes for batch in batches]), stats


def sum_of(stats):
    first, *rest = stats
    for other in rest:
        first = first + other
    return first


@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_the_network_is_the_oracles(engine):
    codes, stats = collected(run.batches(program(engine), IMAGES, batch_size=5))
    right, counted = expected()
    assert (codes == right).all()
    assert len(set(right.ravel())) > 10
    assert {name: totals(s) for name, s in stats.items()} == {
        name: totals(s) for name, s in counted.items()
    }
    assert stats["first"].clipped_high > 0
    assert stats["first"].clipped_low == 0


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_batches_and_their_padding_leave_no_trace(batch_size):
    codes, stats = collected(run.batches(program(), IMAGES, batch_size))
    right, counted = expected()
    assert codes.shape == right.shape
    assert (codes == right).all()
    for name, whole in counted.items():
        assert totals(stats[name]) == totals(whole)


def test_a_batch_is_counted_on_its_own():
    batches = list(run.batches(program(), IMAGES, batch_size=3))
    assert [len(batch.codes) for batch in batches] == [3, 2]
    for batch, images in zip(batches, (IMAGES[:3], IMAGES[3:]), strict=True):
        right, counted = by_oracle(images)
        assert (batch.codes == right).all()
        assert {n: totals(s) for n, s in batch.stats.items()} == {
            n: totals(s) for n, s in counted.items()
        }


def test_other_images_and_weights_do_not_trace_again():
    run._run.clear_cache()
    list(run.batches(program(), IMAGES, batch_size=2))
    assert run._run._cache_size() == 1
    list(run.batches(program(), IMAGES[::-1] * np.float32(0.5), batch_size=2))
    changed_image = {**program().image, "third": {**program().image["third"]}}
    faulty = Program(program().plan, changed_image, CHIP)
    faulty.image["third"]["weights"] = -1 - faulty.image["third"]["weights"]
    before = [b.codes for b in run.batches(program(), IMAGES, batch_size=2)]
    changed = [b.codes for b in run.batches(faulty, IMAGES, batch_size=2)]
    assert any((a != b).any() for a, b in zip(before, changed, strict=True))
    assert run._run._cache_size() == 1


def test_a_trace_shows_every_layer():
    results = run.trace(program(), IMAGES)
    right, counted = expected()
    assert set(results) == set(program().layers)
    assert (np.asarray(results["third"].codes) == right).all()
    y, _ = oracle.conv2d(
        np.pad(input_codes(IMAGES), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=3),
        KERNELS["first"],
        KNOWN,
        padding="VALID",
    )
    assert (np.asarray(results["first"].accumulator) == y).all()
    assert totals(results["second"].stats) == totals(counted["second"])
    assert results["pool"].stats is None


def test_input_is_quantised_half_to_even_and_held():
    plan = program().plan
    images = np.array([0.5, 1.5, 2.5, -0.5, -99.0, 99.0, 1e30, -1e30], np.float32) / 32
    assert run.quantize_input(images, plan).tolist() == [3, 5, 5, 3, 0, 31, 31, 0]


def test_images_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"(?i)nan"):
        run.quantize_input(np.array([0.0, np.nan], np.float32), program().plan)
