"""Equalisation leaves the function alone and makes the ranges of paired channels equal."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.frontend.equalize import equalize
from pimjax.frontend.fold import fold
from pimjax.frontend.report import compare
from pimjax.network.ops import Binary, Flatten, FloatAveragePool, MaxPool, Unary
from tests.models import RELU, conv, dense, model_of, numbers
from tests.support import examples

SHAPE = (5, 6, 4)
RELU6 = (Unary("clip", (0.0, 6.0)), {})
POOL = (MaxPool((2, 2), (1, 1), "VALID"), {})


def unbalanced(step, seed, spread=1.5):
    """The layer with output channels of very different size."""
    op, arrays = step
    sizes = np.exp(spread * numbers(seed, arrays["kernel"].shape[-1]))
    return op, {name: (array * sizes).astype(np.float32) for name, array in arrays.items()}


def images(count=4, shape=SHAPE, seed=5):
    return numbers(seed, count, *shape)


def frozen(model):
    return {(n, k): np.array(a) for n, arrays in model.params.items() for k, a in arrays.items()}


def changed(before, after) -> set[str]:
    """Names of the layers whose arrays differ."""
    first, second = frozen(before), frozen(after)
    assert first.keys() == second.keys()
    return {key[0] for key in first if (first[key] != second[key]).any()}


def assert_same_function(before, after, x, within=1e-4):
    for want, got in zip(before(x), after(x), strict=True):
        want, got = np.asarray(want), np.asarray(got)
        np.testing.assert_allclose(got, want, atol=within * max(1, np.abs(want).max()), rtol=0)


def output_ranges(model, name) -> np.ndarray:
    """The largest |weight| of every output channel."""
    kernel = np.asarray(model.params[name]["kernel"])
    return np.array([np.abs(kernel[..., o]).max() for o in range(kernel.shape[-1])])


def input_ranges(model, name, groups=1) -> np.ndarray:
    """The largest |weight| on every input channel."""
    kernel = np.asarray(model.params[name]["kernel"])
    per_group, outputs = kernel.shape[-2], kernel.shape[-1] // groups
    return np.array(
        [
            np.abs(kernel[..., i, group * outputs : (group + 1) * outputs]).max()
            for group in range(groups)
            for i in range(per_group)
        ]
    )


@st.composite
def chains(draw):
    """A chain of convolutions, full, grouped or depthwise, with ReLU, pools, caps and nothing."""
    channels, steps = SHAPE[-1], []
    seed = draw(st.integers(0, 1000))
    for index in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(["full", "grouped", "depthwise", "wide depthwise"]))
        groups = {"full": 1, "grouped": 2}.get(kind, channels)
        outputs = {"full": 6, "grouped": 4, "wide depthwise": 2 * channels}.get(kind, channels)
        step = conv(seed + 2 * index, channels, outputs, groups=groups)
        steps.append(unbalanced(step, seed + 50 + index))
        steps += draw(st.sampled_from([[RELU], [], [RELU, POOL], [POOL, RELU], [RELU6]]))
        channels = outputs
    if draw(st.booleans()):
        steps.append(dense(seed + 90, channels, 3))
    return model_of(*steps, shape=SHAPE)


@pytest.mark.slow
@given(chains())
@examples(12)
def test_the_function_stays(model):
    assert_same_function(model, equalize(model), images())


def test_the_arguments_stay():
    model = model_of(conv(0, 4, 6), RELU, conv(2, 6, 3), shape=SHAPE)
    before = frozen(model)
    balanced = equalize(model)
    assert all((array == before[key]).all() for key, array in frozen(model).items())
    assert changed(model, balanced) == {"t0", "t2"}
    assert balanced.graph == model.graph and balanced.source == model.source
    for key, array in frozen(balanced).items():
        assert array.dtype == np.float32 and array.shape == before[key].shape


@pytest.mark.parametrize(
    ("first", "second", "groups"),
    [
        (conv(0, 4, 6), conv(2, 6, 3), 1),
        (conv(0, 4, 4, groups=4), conv(2, 4, 3), 1),
        (conv(0, 4, 6), conv(2, 6, 6, groups=6), 6),
        (conv(0, 4, 6), conv(2, 6, 12, groups=6), 6),
        (conv(0, 4, 8, groups=2), conv(2, 8, 4, groups=2), 2),
        (conv(0, 4, 6, size=1), conv(2, 6, 9, groups=3, stride=(2, 2)), 3),
        (dense(0, 4, 6), dense(2, 6, 3), 1),
        (conv(0, 4, 6), dense(2, 6, 3), 1),
    ],
)
def test_ranges_become_equal(first, second, groups):
    """Of a pair: the largest weight that makes a channel, and the largest that reads it."""
    model = model_of(unbalanced(first, 7), RELU, second, shape=SHAPE)
    balanced = equalize(model, rounds=1)
    made, read = output_ranges(balanced, "t0"), input_ranges(balanced, "t2", groups)
    np.testing.assert_allclose(made, read, rtol=1e-5)
    # Their product is what it was: one is divided by what the other is multiplied by.
    was = output_ranges(model, "t0") * input_ranges(model, "t2", groups)
    np.testing.assert_allclose(made * read, was, rtol=1e-5)
    assert_same_function(model, balanced, images())
    # Done once, there is nothing left to do.
    again = equalize(balanced, rounds=1)
    for key, array in frozen(balanced).items():
        np.testing.assert_allclose(frozen(again)[key], array, rtol=1e-4)


def test_by_hand():
    """Ranges 8 and 1/2, 1 and 16: factors 4 and 1/4."""
    model = model_of(dense(0, 1, 2), RELU, dense(2, 2, 1), shape=(1,))
    for name, kernel in (("t0", [[8.0, 0.5]]), ("t2", [[0.5], [8.0]])):
        model.params[name]["kernel"] = np.array(kernel, np.float32)
    model.params["t0"]["bias"] = np.array([4.0, 1.0], np.float32)
    balanced = equalize(model)
    assert balanced.params["t0"]["kernel"].tolist() == [[2.0, 2.0]]
    assert balanced.params["t0"]["bias"].tolist() == [1.0, 4.0]
    assert balanced.params["t2"]["kernel"].tolist() == [[2.0], [2.0]]
    assert (balanced.params["t2"]["bias"] == model.params["t2"]["bias"]).all()


def test_a_chain_settles_between_its_neighbours():
    steps = (unbalanced(conv(0, 4, 6), 1), RELU, unbalanced(conv(2, 6, 8), 2), RELU, conv(4, 8, 3))
    model = model_of(*steps, shape=SHAPE)

    def imbalance(one):
        pairs = (("t0", "t2"), ("t2", "t4"))
        ratios = [output_ranges(one, a) / input_ranges(one, b) for a, b in pairs]
        return max(np.abs(np.log(ratio)).max() for ratio in ratios)

    few, many = equalize(model, rounds=1), equalize(model, rounds=30)
    assert imbalance(many) < 1e-2 < imbalance(few) < imbalance(model)
    assert_same_function(model, many, images())


@pytest.mark.parametrize(
    "between",
    [
        [RELU6],
        [(Unary("sigmoid"), {})],
        [(Unary("leaky_relu", (0.1,)), {}), RELU6],
        [(FloatAveragePool((2, 2), (1, 1), "VALID"), {}), (Unary("tanh"), {})],
        [RELU, (Binary("add"), {"constant": numbers(3, 1, 1, 1, 6)})],
        [(Unary("abs"), {}), (Unary("exp"), {})],
    ],
)
def test_what_is_not_homogeneous_parts_a_pair(between):
    model = model_of(conv(0, 4, 6), *between, conv(2, 6, 3), shape=SHAPE)
    assert changed(model, equalize(model)) == set()


def test_a_flattened_tensor_parts_a_pair():
    """Its channels are read at many places of the weights that follow."""
    model = model_of(conv(0, 4, 6), RELU, (Flatten(), {}), dense(2, 180, 3), shape=SHAPE)
    assert changed(model, equalize(model)) == set()


@pytest.mark.parametrize("shared", ["t0", "t1"])
def test_a_tensor_that_others_read_is_left_alone(shared):
    model = model_of(
        *(conv(0, 4, 6), RELU, conv(2, 6, 6), (Binary("add"), {}, "t2", shared)), shape=SHAPE
    )
    assert changed(model, equalize(model)) == set()


@pytest.mark.parametrize("kept", ["t0", "t1"])
def test_an_output_is_left_alone(kept):
    steps = (conv(0, 4, 6), RELU, conv(2, 6, 3))
    model = model_of(*steps, shape=SHAPE, outputs=("t2", kept))
    assert changed(model, equalize(model)) == set()
    assert changed(model, equalize(model_of(*steps, shape=SHAPE))) == {"t0", "t2"}


def test_two_readers_of_which_both_are_convolutions():
    steps = (conv(0, 4, 6), RELU, (*conv(2, 6, 3), "t1"), (*conv(4, 6, 3), "t1"))
    model = model_of(*steps, (Binary("add"), {}, "t2", "t3"), shape=SHAPE)
    assert changed(model, equalize(model)) == set()


def test_dead_channels_stay_as_they_are():
    first, second = conv(0, 4, 6), conv(2, 6, 3)
    first[1]["kernel"][..., 1] = 0
    second[1]["kernel"][:, :, 2] = 0
    model = model_of(first, RELU, second, shape=SHAPE)
    balanced = equalize(model)
    before, after = frozen(model), frozen(balanced)
    for channel in (1, 2):
        assert (before["t0", "kernel"][..., channel] == after["t0", "kernel"][..., channel]).all()
        assert before["t0", "bias"][channel] == after["t0", "bias"][channel]
        reads = (slice(None), slice(None), channel)
        assert (before["t2", "kernel"][reads] == after["t2", "kernel"][reads]).all()
    assert all(np.isfinite(array).all() for array in after.values())
    assert_same_function(model, balanced, images())


def test_factors_are_held():
    """Ranges that differ by 10^9: a factor of 10^3 at most, still the same function."""
    first, second = conv(0, 4, 6), conv(2, 6, 3)
    first[1]["kernel"][..., 0] *= np.float32(1e5)
    first[1]["bias"][0] *= np.float32(1e5)
    second[1]["kernel"][:, :, 0] *= np.float32(1e-4)
    model = model_of(first, RELU, second, shape=SHAPE)
    balanced = equalize(model, rounds=1)
    factor = output_ranges(model, "t0")[0] / output_ranges(balanced, "t0")[0]
    assert factor == pytest.approx(1e3, rel=1e-5)
    assert_same_function(model, balanced, images())


def test_max_pooling_with_padding_keeps_the_function():
    """Negative numbers at the border: what is padded must lie below every scaled one."""
    pool = (MaxPool((3, 3), (2, 2), "SAME"), {})
    first = unbalanced(conv(0, 4, 6), 3)
    first[1]["bias"] -= np.float32(50)
    model = model_of(first, pool, conv(2, 6, 3), shape=SHAPE)
    balanced = equalize(model)
    assert changed(model, balanced) == {"t0", "t2"}
    assert_same_function(model, balanced, images())


def test_few_bits_lose_less():
    """4 bits, and channels whose size the next layer takes back: most of them get no codes."""
    balanced = model_of(
        conv(0, 4, 12), RELU, conv(2, 12, 12, groups=12), RELU, dense(4, 12, 5), shape=SHAPE
    )
    sizes = np.exp2(np.arange(12) % 6).astype(np.float32)
    params = {name: dict(arrays) for name, arrays in balanced.params.items()}
    for key in ("kernel", "bias"):
        params["t0"][key] = params["t0"][key] * sizes
    params["t2"]["kernel"] = params["t2"]["kernel"] / sizes
    model = replace(balanced, params=params)
    x = images(16)
    assert_same_function(balanced, model, x)
    chip = pj.load_chip("mram-pim-digital", {"precision.weight_bits": 4, "precision.act_bits": 4})
    want = np.asarray(model(x)[0])
    noise = []
    for wanted in (False, True):
        program = pj.compile(model, chip, x, equalize=wanted)
        noise.append(float(np.sum((pj.run(program, x) - want) ** 2)))
    assert noise[1] < noise[0] / 3


def test_a_report_beside_the_equalised_network():
    """Its tensors are those of the equalised network, so that is what to compare with."""
    first = unbalanced(conv(0, 4, 12), 3)
    model = model_of(first, RELU, conv(2, 12, 5), shape=SHAPE)
    x = images(16)
    program = pj.compile(model, pj.load_chip("mram-pim-digital"), x, equalize=True)
    right = compare(program, x, equalize(fold(model)))
    assert all(layer.sqnr_db > 25 for layer in right.layers)
    plain = compare(program, x, model)
    assert plain.layers[-1].sqnr_db == pytest.approx(right.layers[-1].sqnr_db, abs=0.1)
    assert plain.layers[0].sqnr_db < right.layers[0].sqnr_db - 10


def test_a_model_without_pairs_is_itself():
    model = model_of(conv(0, 4, 6), shape=SHAPE)
    assert changed(model, equalize(model)) == set()
    assert equalize(replace(model, source="x")).source == "x"
