"""Folding keeps the function, the names that users see, and what others still read."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.frontend.fold import fold
from pimjax.frontend.model import Model
from pimjax.network.ops import (
    Affine,
    Binary,
    Context,
    Flatten,
    FloatConv,
    FloatDense,
    Identity,
    Pad,
    Unary,
)
from pimjax.network.run import execute
from tests import models
from tests.models import RELU, numbers
from tests.support import examples

CHANNELS = 4
IMAGES = np.random.default_rng(1).normal(size=(2, 6, 6, CHANNELS)).astype(np.float32)
AROUND = ((1, 1), (1, 1), (0, 0))


def conv(seed=0, groups=1, outputs=CHANNELS, **window):
    return models.conv(seed, CHANNELS, outputs, groups=groups, **window)


def affine(seed=0):
    return Affine(), {"scale": numbers(seed, CHANNELS), "shift": numbers(seed + 1, CHANNELS)}


def constant(function, seed=0, first=False, shape=(1, 1, 1, CHANNELS)):
    return Binary(function, first), {"constant": np.abs(numbers(seed, *shape)) + 0.5}


def model_of(*steps, shape=IMAGES.shape[1:], **options) -> Model:
    return models.model_of(*steps, shape=shape, **options)


def outputs_of(model, images=IMAGES) -> list[np.ndarray]:
    results = execute(model.graph, model.params, (jnp.asarray(images),), Context())
    return [np.asarray(results[name].output) for name in model.graph.outputs]


def check(model, images=IMAGES) -> Model:
    """The folded model, shown to compute the same and to have left its argument alone."""
    before = {name: {k: v.copy() for k, v in p.items()} for name, p in model.params.items()}
    graph = model.graph
    folded = fold(model)
    assert model.graph is graph
    assert model.params.keys() == before.keys()
    for name, arrays in before.items():
        assert model.params[name].keys() == arrays.keys()
        assert all((model.params[name][key] == arrays[key]).all() for key in arrays)
    assert folded.graph.outputs == graph.outputs
    assert folded.graph.inputs == graph.inputs
    assert folded.source == model.source
    assert all(a.dtype == np.float32 for p in folded.params.values() for a in p.values())
    for got, right in zip(outputs_of(folded, images), outputs_of(model, images), strict=True):
        assert got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-4 * np.abs(right).max())
    return folded


def names(model) -> list[str]:
    return [layer.name for layer in model.graph.layers]


def kinds(model) -> list[type]:
    return [type(layer.op) for layer in model.graph.layers]


STEPS = {
    "conv": lambda seed: conv(seed, padding="SAME"),
    "valid": lambda seed: conv(seed, padding="VALID", stride=(1, 2)),
    "sides": lambda seed: conv(seed, padding=((1, 0), (0, 2))),
    "groups": lambda seed: conv(seed, groups=2),
    "depthwise": lambda seed: conv(seed, groups=CHANNELS),
    "affine": affine,
    "add": lambda seed: constant("add", seed),
    "mul": lambda seed: constant("mul", seed),
    "sub": lambda seed: constant("sub", seed),
    "less": lambda seed: constant("sub", seed, first=True),
    "div": lambda seed: constant("div", seed),
    "scalar": lambda seed: constant("mul", seed, shape=(1, 1, 1, 1)),
    "max": lambda seed: constant("max", seed),
    "relu": lambda seed: RELU,
    "identity": lambda seed: (Identity(), {}),
    "pad": lambda seed: (Pad(AROUND), {}),
    "one side": lambda seed: (Pad(((2, 0), (0, 1), (0, 0))), {}),
    "crop": lambda seed: (Pad(((-1, 1), (0, 0), (0, 0))), {}),
    "ones": lambda seed: (Pad(AROUND, 1.0), {}),
    "edge": lambda seed: (Pad(AROUND, mode="edge"), {}),
    "double": lambda seed: (Binary("add"), {}, "last", "last"),
}


@pytest.mark.slow
@examples(20)
@given(st.data())
def test_a_chain_computes_the_same(data):
    chosen = [*data.draw(st.lists(st.sampled_from(list(STEPS)), min_size=2, max_size=7)), "conv"]
    seed = data.draw(st.integers(0, 99))
    steps = []
    for index, name in enumerate(chosen):
        op, arrays, *inputs = STEPS[name](seed + 7 * index)
        before = f"t{index - 1}" if index else "x"
        steps.append((op, arrays, *(before for _ in inputs)))
    also = data.draw(st.sets(st.integers(0, len(steps) - 1), max_size=2))
    outputs = (f"t{len(steps) - 1}", *(f"t{i}" for i in also if i != len(steps) - 1))
    try:
        model = model_of(*steps, outputs=outputs)
        outputs_of(model)
    except ValueError:  # a window larger than what is left of the image
        return
    folded = check(model)
    assert Identity not in kinds(folded) or any(name == "identity" for name in chosen)
    assert len(names(folded)) <= len(steps)


def test_a_batch_norm_goes_into_the_convolution_before_it():
    folded = check(model_of(conv(), affine(5), RELU))
    assert names(folded) == ["t1", "t2"]
    assert kinds(folded) == [FloatConv, Unary]
    assert folded.graph.layers[0].inputs == ("x",)
    assert folded.graph.layers[0].origin == ("node0", "node1")
    assert set(folded.params) == {"t1"}


def test_a_batch_norm_goes_into_the_matrix_product_before_it():
    dense = {"kernel": numbers(1, 144, CHANNELS), "bias": numbers(2, CHANNELS)}
    folded = check(model_of((Flatten(), {}), (FloatDense(), dense), affine(5)))
    assert names(folded) == ["t0", "t2"]


@pytest.mark.parametrize("groups", [1, 2, CHANNELS])
def test_a_chain_of_scales_and_constants_becomes_one_layer(groups):
    steps = (
        *(constant("mul", 3), constant("add", 4), affine(5), constant("sub", 6, first=True)),
        *(constant("div", 7), constant("sub", 8, shape=(1, 1, 1, 1))),
    )
    folded = check(model_of(conv(groups=groups), *steps))
    assert names(folded) == ["t6"]
    assert folded.graph.layers[0].origin == tuple(f"node{i}" for i in range(7))
    assert names(check(model_of(*steps))) == ["t5"]
    assert kinds(check(model_of(*steps))) == [Affine]


@pytest.mark.parametrize(
    ("own", "together"),
    [("VALID", ((1, 1), (1, 1))), (((0, 1), (2, 0)), ((1, 2), (3, 1)))],
)
def test_padding_goes_into_the_convolution_behind_it(own, together):
    folded = check(model_of((Pad(AROUND), {}), conv(padding=own, stride=(2, 1)), affine(3)))
    assert names(folded) == ["t2"]
    assert folded.graph.layers[0].op.padding == together
    assert folded.graph.layers[0].origin == ("node0", "node1", "node2")


@pytest.mark.parametrize(
    ("pad", "padding"),
    [
        (Pad(AROUND), "SAME"),
        (Pad(AROUND, 1.0), "VALID"),
        (Pad(AROUND, mode="reflect"), "VALID"),
        (Pad(((-1, 1), (0, 0), (0, 0))), "VALID"),
    ],
)
def test_other_padding_stays(pad, padding):
    assert kinds(check(model_of((pad, {}), conv(padding=padding)))) == [Pad, FloatConv]


def test_padding_of_channels_stays():
    pad = Pad(((0, 0), (0, 0), (1, 1)))
    model = model_of((pad, {}), conv(padding="VALID"), shape=(6, 6, 2))
    assert kinds(check(model, IMAGES[..., :2])) == [Pad, FloatConv]


def test_what_others_read_is_not_folded():
    shared = model_of(conv(), affine(3), (Binary("add"), {}, "t0", "t1"))
    assert names(check(shared)) == ["t0", "t1", "t2"]
    padded = model_of((Pad(AROUND), {}), (*conv(padding="VALID"), "t0"), (*conv(9), "t0"))
    assert names(check(padded)) == ["t0", "t1", "t2"]


def test_outputs_keep_their_names_and_numbers():
    model = model_of(conv(), affine(3), (Identity(), {}), RELU, outputs=("t3", "t0", "t2"))
    assert names(check(model)) == ["t0", "t1", "t2", "t3"]
    ends = model_of(conv(), (Identity(), {}), (Identity(), {}))
    assert names(check(ends)) == ["t0", "t2"]


def test_an_identity_of_the_input_vanishes():
    folded = check(model_of((Identity(), {}), conv(), (Identity(), {}), RELU))
    assert names(folded) == ["t1", "t3"]
    assert folded.graph.layers[0].inputs == ("x",)


@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (1, 1, 6, CHANNELS), (1, 6, 6, CHANNELS)])
def test_constants_that_are_not_one_per_channel_stay(shape):
    assert kinds(check(model_of(conv(), constant("mul", 3, shape=shape)))) == [FloatConv, Binary]


def test_a_constant_that_makes_more_channels_of_one():
    folded = check(model_of(conv(outputs=1), constant("mul", 3), constant("add", 4)))
    assert names(folded) == ["t2"]


def test_a_division_by_zero_stays():
    op, arrays = constant("div")
    arrays["constant"][..., 1] = 0
    model = model_of(conv(), (op, arrays))
    assert kinds(fold(model)) == [FloatConv, Binary]
