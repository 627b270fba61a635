"""Many dies and rates in one compilation leave what `inject` leaves, die by die."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.die.sweep import Sweep, die_keys
from pimjax.network.run import _run
from pimjax.numerics.threefry import Words
from tests.models import RELU, conv, dense, model_of, numbers

SEEDS = [0, 3, 2**40 + 1]
IMAGES = numbers(9, 4, 6, 6, 2)


def program(**overrides) -> pj.Program:
    model = model_of(conv(0, 2, 5), RELU, conv(2, 5, 7), RELU, shape=(6, 6, 2))
    small = {"array.wordlines": 32, "array.bitlines": 100, "array.active_wordlines": 16}
    chip = pj.load_chip("mram-pim-8b", small | overrides)
    return pj.compile(model, chip, calibration=IMAGES)


def require_equal(swept, injected):
    for name, params in injected.image.items():
        for array in params:
            if array == "weights_common" or array in swept[name]:
                assert (np.asarray(swept[name][array]) == np.asarray(params[array])).all()


FLIPS = [[pj.faults.BitFlip(rate)] for rate in (0.0, 1e-3, 0.012)]
MIXED = [
    [
        pj.faults.BitFlip(p01=rate, p10=rate / 3),
        pj.faults.StuckAt(1, rate / 2),
        pj.faults.Clusters(rate / 4),
        pj.faults.FlipCells([(0, 0, 1, 2), (0, 0, 1, 3), (39, 0, 0, 0)]),
    ]
    for rate in (1e-3, 0.01)
]
DENSE = [
    [
        pj.faults.BitFlip(rate),
        pj.faults.Retention(1e8, temperature),
        pj.faults.BrokenBitlines(rate / 5),
    ]
    for rate, temperature in ((0.001, 400.0), (0.4, 480.0))
]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("settings", "overrides"),
    [
        (FLIPS, {}),
        slow(MIXED, {}),
        slow(DENSE, {}),
        slow(FLIPS, {"precision.weight_encoding": "differential", "precision.cell_bits": 2}),
        slow(FLIPS, {"array.readout": "digital", "mram.ecc": "secded-72-64"}),
    ],
    ids=["flips", "lists", "cell by cell", "differential", "words"],
)
def test_a_sweep_is_injection_die_by_die(settings, overrides):
    compiled = program(**overrides)
    sweep = Sweep(compiled, settings)
    traces = []

    def words(key, levels):
        traces.append(1)
        return sweep.words(key, levels)

    by_die = jax.jit(jax.vmap(words, in_axes=(Words(0, 0), None)))
    for number, faults in enumerate(settings):
        swept = by_die(die_keys(SEEDS), sweep.levels[number])
        for i, seed in enumerate(SEEDS):
            injected = pj.inject(compiled, faults, pj.Die(compiled.chip, seed))
            require_equal(sweep.image(swept[i]), injected)
    assert len(traces) == 1


@pytest.mark.slow
def test_dies_and_rates_map_together_into_outputs():
    """One compiled function: dies x rates, through the network."""
    compiled = program()
    sweep = Sweep(compiled, FLIPS)
    codes = jnp.asarray(compiled.plan.graph.inputs[0].tensor.codes_of(IMAGES))
    levels = jax.tree.map(lambda *arrays: np.stack(arrays), *sweep.levels)

    def outputs(key, level):
        image = sweep.image(sweep.words(key, level))
        return _run(compiled.plan, image, codes, jnp.int32(0), 1, False)[compiled.layers[-1]].output

    over_rates = jax.vmap(outputs, in_axes=(None, 0))
    everything = jax.jit(jax.vmap(over_rates, in_axes=(Words(0, 0), None)))
    found = np.asarray(everything(die_keys(SEEDS), levels))
    for i, seed in enumerate(SEEDS):
        for j, faults in enumerate(FLIPS):
            faulty = pj.inject(compiled, faults, pj.Die(compiled.chip, seed))
            assert (found[i, j] == pj.run(faulty, IMAGES, codes=True)).all()


def test_settings_that_cannot_share_a_compilation():
    compiled = program()
    with pytest.raises(ValueError, match="different faults"):
        Sweep(compiled, [[pj.faults.BitFlip(0.1)], []])
    with pytest.raises(ValueError, match="differ in more than rates: 'stuck at 0'"):
        Sweep(compiled, [[pj.faults.BitFlip(0.1)], [pj.faults.StuckAt(0, 0.1)]])
    with pytest.raises(ValueError, match=r"FlipCount: .* use pj\.inject die by die"):
        Sweep(compiled, [[pj.faults.FlipCount(3)]])


@pytest.mark.slow
def test_dense_layers_have_cells_too():
    model = model_of(dense(0, 40, 9), shape=(40,))
    chip = pj.load_chip("mram-pim-8b")
    compiled = pj.compile(model, chip, calibration=numbers(1, 8, 40))
    sweep = Sweep(compiled, [[pj.faults.BitFlip(1.0)]])
    inverted = sweep.image(
        sweep.words(jax.tree.map(lambda w: w[0], die_keys([5])), sweep.levels[0])
    )
    [name] = compiled.layers
    assert (np.asarray(inverted[name]["weights"]) == -1 - pj.weights(compiled)[name]).all()
