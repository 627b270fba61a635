"""Models from flax modules against the modules' own outputs."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.demo.model import VggDigits
from pimjax.frontend.flax import from_flax
from pimjax.frontend.model import ModelError
from pimjax.network.ops import (
    Affine,
    Binary,
    Flatten,
    FloatAveragePool,
    FloatConv,
    FloatDense,
    MaxPool,
    Reduce,
    Softmax,
    Unary,
)
from tests.support import examples


@pytest.fixture(autouse=True)
def flax_promotes():
    """Modules may promote; flax's own average pooling does."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


class Function(nnx.Module):
    """A module of one expression, with the submodules it is given."""

    def __init__(self, function, **modules):
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def __call__(self, x):
        return self.function(self, x)


def rngs(seed=0):
    return nnx.Rngs(seed)


def scrambled(module, seed=0):
    """The module with random arrays: biases and batch statistics too, variances positive."""
    rng = np.random.default_rng(seed)
    graph, state = nnx.split(module)

    def draw(path, value):
        if not jnp.issubdtype(value.dtype, jnp.floating):
            return value
        numbers = rng.normal(size=value.shape)
        if "var" in str(path):
            numbers = 0.3 + np.abs(numbers)
        if "kernel" in str(path):
            numbers = numbers / np.sqrt(max(1, numbers[..., 0].size))
        return jnp.asarray(numbers.astype(np.float32))

    return nnx.merge(graph, jax.tree_util.tree_map_with_path(draw, state))


def pictures(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(module, shape, batches=(3,), atol=1e-4):
    """The model computes what the module computes, whatever the batch; returns the model."""
    model = from_flax(module, np.zeros((2, *shape), np.float32))
    inference = nnx.merge(*nnx.split(module), copy=True)
    inference.eval()
    run = jax.jit(lambda x: inference(x))
    for batch in batches:
        x = pictures((batch, *shape), batch)
        want = [np.asarray(value) for value in jax.tree.leaves(run(jnp.asarray(x)))]
        got = [np.asarray(value) for value in model(x)]
        assert [g.shape for g in got] == [w.shape for w in want]
        for g, w in zip(got, want, strict=True):
            assert g.dtype == np.float32
            np.testing.assert_allclose(g, w, atol=atol, rtol=1e-4)
    return model


def ops(model):
    return [layer.op for layer in model.graph.layers]


def names(model):
    return [layer.name for layer in model.graph.layers]


def of(expression, shape=(6, 5, 4), **modules):
    return check(Function(lambda self, x: expression(x), **modules), shape)


@pytest.mark.slow
def test_vgg_digits_layer_by_layer():
    model = check(scrambled(VggDigits(rngs())), (28, 28, 1), batches=(1, 3))
    block = ["convs.{}", "norms.{}", "relu{}"]
    for index in range(6):
        at = 3 * index + index // 2
        expected = [
            block[0].format(index),
            block[1].format(index),
            block[2].format(index + 1),
        ]
        assert names(model)[at : at + 3] == expected
    assert names(model)[-5:] == ["flatten1", "dense1", "norms.6", "relu7", "dense2"]
    kinds = Counter(type(op) for op in ops(model))
    wanted = {FloatConv: 6, Affine: 7, Unary: 7, MaxPool: 3, Flatten: 1, FloatDense: 2}
    assert kinds == wanted
    assert model.graph.layers[0].origin == ("convs.0",)


@pytest.mark.slow
def test_tensors_are_the_outputs_of_the_submodules():
    conv = nnx.Conv(4, 3, (3, 3), rngs=rngs())
    norm = scrambled(nnx.BatchNorm(3, rngs=rngs()))
    model = from_flax(nnx.Sequential(conv, norm), np.zeros((1, 6, 5, 4)))
    x = pictures((2, 6, 5, 4))
    tensors = model.tensors(x)
    norm.eval()
    np.testing.assert_allclose(tensors["layers.0"], conv(x), atol=1e-5)
    np.testing.assert_allclose(tensors["layers.1"], norm(conv(x)), atol=1e-5)


CONVOLUTIONS = [
    dict(kernel_size=(3, 3)),
    dict(kernel_size=(3, 3), strides=2),
    dict(kernel_size=(2, 3), strides=(1, 2), padding="VALID"),
    dict(kernel_size=(3, 3), padding=[(2, 0), (1, 3)]),
    dict(kernel_size=(3, 3), kernel_dilation=2),
    dict(kernel_size=(3, 3), feature_group_count=4, out_features=8),
    dict(kernel_size=(5, 5), feature_group_count=4, out_features=4, use_bias=False),
    dict(kernel_size=(3, 3), feature_group_count=2, strides=2),
    dict(kernel_size=(3, 3), padding="CIRCULAR"),
    dict(kernel_size=(3, 3), padding="REFLECT"),
    dict(kernel_size=(1, 1)),
]


@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
def test_convolutions(settings):
    settings = {"out_features": 6, **settings}
    conv = scrambled(nnx.Conv(4, rngs=rngs(), **settings))
    model = check(nnx.Sequential(conv), (8, 7, 4))
    assert sum(isinstance(op, FloatConv) for op in ops(model)) == 1
    assert not any(isinstance(op, Affine) for op in ops(model))


@pytest.mark.parametrize(
    ("padding", "strides", "settings"),
    [
        ("SAME", (2, 2), {}),
        ("VALID", (2, 3), {}),
        ("SAME", (1, 1), {"kernel_dilation": (2, 1)}),
        (((1, 1), (0, 2)), (2, 1), {"transpose_kernel": True}),
        (((0, 0), (0, 0)), (2, 2), {}),
    ],
)
def test_transposed_convolutions(padding, strides, settings):
    shape = (5, 4) if settings.get("transpose_kernel") else (4, 5)
    layer = nnx.ConvTranspose(
        *shape, (3, 2), strides=strides, padding=padding, rngs=rngs(), **settings
    )
    if settings.get("transpose_kernel"):
        layer = nnx.ConvTranspose(
            5, 4, (3, 2), strides=strides, padding=padding, rngs=rngs(), **settings
        )
    check(scrambled(layer), (4, 5, shape[0]))


@pytest.mark.parametrize("padding", ["SAME", "VALID", "CAUSAL"])
def test_one_dimensional_convolutions(padding):
    conv = nnx.Conv(3, 4, (3,), strides=2, padding=padding, rngs=rngs())
    model = check(scrambled(nnx.Sequential(conv, nnx.BatchNorm(4, rngs=rngs()), nnx.relu)), (9, 3))
    assert "layers.0" in names(model)


def test_linear_layers_of_any_rank_and_several_axes():
    check(scrambled(nnx.Linear(4, 3, rngs=rngs())), (4,))
    check(scrambled(nnx.Linear(4, 3, rngs=rngs())), (5, 6, 4))
    check(scrambled(nnx.LinearGeneral((6, 4), (2, 3), axis=(1, 3), rngs=rngs())), (6, 5, 4))
    check(scrambled(nnx.Einsum("btc,cd->bdt", (4, 3), (3, 1), rngs=rngs())), (5, 4))
    check(scrambled(nnx.Einsum("bc,dc->bd", (3, 4), rngs=rngs())), (4,))


POOLS = [
    dict(window_shape=(2, 2), strides=(2, 2)),
    dict(window_shape=(3, 2), strides=(2, 1), padding="SAME"),
    dict(window_shape=(3, 3), strides=(1, 1), padding=((1, 0), (2, 1))),
]


@pytest.mark.parametrize("settings", POOLS, ids=str)
def test_pooling(settings):
    model = of(lambda x: nnx.max_pool(x, **settings), (7, 6, 3))
    assert [type(op) for op in ops(model)] == [MaxPool]
    model = of(lambda x: nnx.avg_pool(x, **settings), (7, 6, 3))
    assert [type(op) for op in ops(model)] == [FloatAveragePool]
    model = of(lambda x: nnx.avg_pool(x, count_include_pad=False, **settings), (7, 6, 3))
    assert [type(op) for op in ops(model)] == [FloatAveragePool]
    of(lambda x: nnx.max_pool(x[:, :, 0], (2,), (2,)), (7, 6, 3))
    of(lambda x: nnx.min_pool(x, **settings), (7, 6, 3))


ACTIVATIONS = {
    "relu": (nnx.relu, ("relu", ())),
    "relu6": (nnx.relu6, ("clip", (0.0, 6.0))),
    "hard_tanh": (nnx.hard_tanh, ("clip", (-1.0, 1.0))),
    "clip": (lambda x: jnp.clip(x, -0.5, 2.0), ("clip", (-0.5, 2.0))),
    "where": (lambda x: jnp.where(x > 0, x, 0.0), ("relu", ())),
    "masked": (lambda x: x * (x > 0), ("relu", ())),
    "sigmoid": (nnx.sigmoid, ("sigmoid", ())),
    "sigmoid by hand": (lambda x: 1 / (1 + jnp.exp(-x)), ("sigmoid", ())),
    "tanh": (nnx.tanh, ("tanh", ())),
    "silu": (nnx.silu, ("swish", ())),
    "silu by hand": (lambda x: x * nnx.sigmoid(x), ("swish", ())),
    "gelu": (nnx.gelu, ("gelu_tanh", ())),
    "exact gelu": (lambda x: nnx.gelu(x, approximate=False), ("gelu", ())),
    "hard_sigmoid": (nnx.hard_sigmoid, ("hard_sigmoid", (1 / 6, 0.5))),
    "hard_swish": (nnx.hard_swish, ("hard_swish", ())),
    "elu": (nnx.elu, ("elu", (1.0,))),
    "softplus": (nnx.softplus, ("softplus", ())),
    "leaky_relu": (lambda x: nnx.leaky_relu(x, 0.25), ("leaky_relu", (0.25,))),
    "exp": (jnp.exp, ("exp", ())),
    "abs": (jnp.abs, ("abs", ())),
    "round": (jnp.round, ("round", ())),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_recognised(name):
    function, expected = ACTIVATIONS[name]
    (op,) = ops(of(function))
    assert (op.function, op.constants) == expected


UNNAMED = {
    "selu": nnx.selu,
    "celu": nnx.celu,
    "log_sigmoid": nnx.log_sigmoid,
    "twice relu": lambda x: 2 * nnx.relu(x) - 1,
    "relu of relu6": lambda x: nnx.silu(nnx.relu6(x)) + 0.5,
    "square": lambda x: x**2 - x,
    "cube": lambda x: 0.1 * x**3,
    "shares": lambda x: x / (1 + jnp.abs(x)),
    "inverse": lambda x: 1 / (2 + x * x),
    "root": lambda x: jax.lax.rsqrt(1 + x * x),
    "log": lambda x: jnp.log(jnp.abs(x) + 1),
    "extremes": lambda x: jnp.maximum(jnp.minimum(x, 1.0), jnp.tanh(x)),
    "standard": lambda x: (x - 127) / 128,
    "nothing": lambda x: x * 1.0 + 0.0,
}


@pytest.mark.parametrize("name", UNNAMED)
def test_functions_without_a_name_are_written_out(name):
    of(UNNAMED[name])


def test_learned_slopes():
    linear = nnx.Linear(4, 4, rngs=rngs())
    model = check(nnx.Sequential(nnx.PReLU(0.3), linear, nnx.PReLU(-0.5)), (3, 2, 4))
    assert [type(op) for op in ops(model)] == [Unary, FloatDense, Unary]
    assert ops(model)[2].constants == (-0.5,)
    assert names(model) == ["layers.0", "layers.1", "layers.2"]


@pytest.mark.slow
def test_softmax_and_means():
    assert ops(of(nnx.softmax, (7,))) == [Softmax(0)]
    assert ops(of(lambda x: nnx.softmax(x, axis=1))) == [Softmax(0)]
    assert ops(of(nnx.log_softmax, (7,))) == [Softmax(0, log=True)]
    assert ops(of(lambda x: x.mean((1, 2)))) == [Reduce("mean", (0, 1), keep=False)]
    assert ops(of(lambda x: x.mean((1, 2), keepdims=True))) == [Reduce("mean", (0, 1))]
    of(lambda x: x.max(-1) + x.min(-1) - x.sum(-1))
    of(lambda x: (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-3))
    check(scrambled(nnx.LayerNorm(4, rngs=rngs())), (6, 5, 4))


MOVES = {
    "flatten": lambda x: x.reshape(x.shape[0], -1),
    "flatten by -1": lambda x: x.reshape(-1, 120),
    "reshape": lambda x: x.reshape(x.shape[0], 5, 2, 12),
    "channels first": lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], 4, 30),
    "there and back": lambda x: jnp.moveaxis(nnx.relu(jnp.moveaxis(x, -1, 1)), 1, -1),
    "swap": lambda x: x.swapaxes(1, 2) + 1,
    "shuffle": lambda x: (
        x.reshape(*x.shape[:3], 2, 2).swapaxes(3, 4).reshape(x.shape) * jnp.arange(1.0, 5.0)
    ),
    "slices": lambda x: x[:, 1:5:2, ::-1, -1],
    "one": lambda x: x[:, 2, 3],
    "split": lambda x: jnp.split(x, 2, axis=-1)[1],
    "pad": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 1), (0, 3)), constant_values=0.5),
    "crop": lambda x: jax.lax.pad(x, 0.0, ((0, 0, 0), (-1, 2, 0), (0, -2, 0), (0, 0, 0))),
    "gaps": lambda x: jax.lax.pad(x, 0.0, ((0, 0, 0), (1, 1, 2), (0, 1, 1), (0, 0, 0))),
    "edge": lambda x: jnp.pad(x, ((0, 0), (1, 2), (2, 1), (0, 0)), mode="edge"),
    "flip": lambda x: jnp.flip(x, (1, 3)),
    "join": lambda x: jnp.concatenate([x, 2 * x, x[:, :3]], 1),
    "join channels first": lambda x: jnp.concatenate([x, nnx.relu(x)], 3).transpose(0, 3, 1, 2),
    "join zeros": lambda x: jnp.concatenate([jnp.zeros_like(x), x, jnp.ones((len(x), 6, 5, 2))], 3),
    "unstack": lambda x: jnp.unstack(x, axis=3)[2],
    "stack": lambda x: jnp.stack([x, nnx.tanh(x)], 2),
    "repeat": lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 3, 2),
    "tile": lambda x: jnp.tile(x, (1, 2, 1, 1)),
    "take": lambda x: x[..., jnp.array([3, 1, 1])],
    "take rows": lambda x: jnp.take(x, jnp.array([5, 0]), axis=1),
    "nearest": lambda x: jax.image.resize(x, (x.shape[0], 12, 10, 4), "nearest"),
    "bilinear": lambda x: jax.image.resize(x, (x.shape[0], 9, 10, 4), "bilinear"),
    "outer": lambda x: x[:, :, :, None] * x[:, :, None, :1],
    "batch moved": lambda x: jnp.transpose(jnp.transpose(x, (1, 2, 3, 0)) * 2, (3, 0, 1, 2)),
    "mapped": lambda x: jax.vmap(lambda image: nnx.relu(image) @ jnp.eye(4, 3))(x),
    "nested": lambda x: jax.jit(jax.checkpoint(lambda v: nnx.relu(v) + 1))(x),
    "several": lambda x: (x + 1, {"a": x.mean((1, 2)), "b": x}),
    "nothing": lambda x: x,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    of(MOVES[name])


def test_a_transpose_and_its_inverse_leave_nothing():
    assert [op.function for op in ops(of(MOVES["there and back"]))] == ["relu"]


def test_broadcasts():
    of(lambda x: x * nnx.sigmoid(x.mean((1, 2), keepdims=True)))
    of(lambda x: x + x.max(-1, keepdims=True))
    of(lambda x: x * jnp.arange(4.0) + jnp.arange(5.0)[None, :, None])
    of(lambda x: jnp.arange(1.0, 31.0).reshape(6, 5, 1) / (4 + jnp.abs(x)))
    of(lambda x: jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape))
    of(lambda x: jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape).sum(1))
    of(lambda x: x[:, :, :, :1] - jnp.ones((6, 5, 4)))
    of(lambda x: 3.0 - x * (jnp.zeros(x.shape) + jnp.arange(4.0)))


def test_one_channel_keeps_bias_and_norm_apart():
    model = check(
        scrambled(
            nnx.Sequential(nnx.Conv(1, 1, (3, 3), rngs=rngs()), nnx.BatchNorm(1, rngs=rngs()))
        ),
        (5, 5, 1),
    )
    assert [(name, type(op)) for name, op in zip(names(model), ops(model), strict=True)] == [
        ("layers.0", FloatConv),
        ("layers.1", Affine),
    ]


def test_chains_of_scales_are_one():
    norms = [nnx.BatchNorm(4, rngs=rngs()) for _ in range(2)]
    model = check(scrambled(nnx.Sequential(*norms, lambda x: 2 * x - 1)), (3, 3, 4))
    assert [type(op) for op in ops(model)] == [Affine]


def test_a_submodule_used_twice_has_two_names():
    dense = scrambled(nnx.Linear(4, 4, rngs=rngs()))
    model = check(Function(lambda self, x: self.dense(nnx.relu(self.dense(x))), dense=dense), (4,))
    assert names(model) == ["dense", "relu1", "dense_2"]


def test_dropout_is_off_and_the_module_is_not_changed():
    module = scrambled(
        nnx.Sequential(
            nnx.Linear(4, 4, rngs=rngs()),
            nnx.BatchNorm(4, rngs=rngs()),
            nnx.Dropout(0.5, rngs=rngs()),
        )
    )
    graph, state = nnx.split(module)
    before = jax.tree.map(np.array, jax.tree.leaves(nnx.state(module, (nnx.Param, nnx.BatchStat))))
    model = check(module, (4,))
    assert names(model) == ["layers.0", "layers.1"]
    after_graph, after = nnx.split(module)
    assert after_graph == graph
    after = jax.tree.leaves(nnx.state(module, (nnx.Param, nnx.BatchStat)))
    assert all((np.asarray(a) == b).all() for a, b in zip(after, before, strict=True))
    assert jax.tree.structure(nnx.state(module)) == jax.tree.structure(state)
    assert module.layers[2].deterministic is False


class Residual(nnx.Module):
    """Blocks drawn by a seed: what real networks are made of, in any order."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.choices, layers, channels = [], [], 4
        for _ in range(int(rng.integers(2, 6))):
            kind = str(rng.choice(["conv", "depthwise", "inverted", "pool", "dense", "join"]))
            wide = int(rng.integers(1, 4)) * 4
            act = int(rng.integers(len(self.acts)))
            kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
            if kind == "conv":
                padding = str(rng.choice(["SAME", "VALID"])) if max(kernel) < 3 else "SAME"
                groups, bias = int(rng.choice([1, 2, 4])), bool(rng.integers(2))
                layers.append(
                    nnx.Conv(
                        channels,
                        wide,
                        kernel,
                        strides=int(rng.integers(1, 3)),
                        padding=padding,
                        kernel_dilation=int(rng.integers(1, 3)) if padding == "SAME" else 1,
                        feature_group_count=groups,
                        use_bias=bias,
                        rngs=rngs(seed),
                    )
                )
                channels = wide
            elif kind in ("depthwise", "inverted"):
                layers.append(
                    nnx.Conv(
                        channels, channels, kernel, feature_group_count=channels, rngs=rngs(seed)
                    )
                )
            elif kind == "dense":
                layers.append(nnx.Linear(channels, wide, rngs=rngs(seed)))
                channels = wide
            else:
                layers.append(nnx.Sequential())
                channels *= 2 if kind == "join" else 1
            norm = nnx.BatchNorm(channels, rngs=rngs(seed)) if rng.integers(2) else nnx.Sequential()
            layers.append(norm)
            self.choices.append((kind, act))
        self.choices = tuple(self.choices)
        self.layers = nnx.List(layers)
        self.head = nnx.Linear(channels, 3, rngs=rngs(seed))

    acts = (nnx.relu, nnx.relu6, nnx.hard_swish, nnx.gelu, lambda x: nnx.leaky_relu(x, 0.1))

    def __call__(self, x):
        for index, (kind, act) in enumerate(self.choices):
            layer, norm = self.layers[2 * index], self.layers[2 * index + 1]
            if kind == "inverted":
                y = x + layer(x)
            elif kind == "join":
                y = jnp.concatenate([x, nnx.tanh(x)], -1)
            elif kind == "pool" and min(x.shape[1:3]) > 1:
                y = nnx.max_pool(x, (2, 2), strides=(1, 2), padding="SAME")
            else:
                y = layer(x)
            x = self.acts[act](norm(y))
        return nnx.log_softmax(self.head(x.mean((1, 2))))


@pytest.mark.slow
@examples(12)
@given(st.integers(0, 10**6))
def test_random_networks(seed):
    check(scrambled(Residual(seed), seed), (9, 8, 4), batches=(2,), atol=1e-4)


def refused(module, shape=(1, 6, 5, 4)) -> str:
    with pytest.raises(ModelError) as error:
        from_flax(module, np.zeros(shape, np.float32))
    message = str(error.value)
    assert "\n" not in message
    return message


def test_everything_unsupported_is_listed_at_once():
    module = Function(
        lambda self, x: (
            jnp.sort(nnx.relu(x), axis=-1) + jnp.cumsum(self.conv(x), axis=1) + jnp.sin(x)
        ),
        conv=nnx.Conv(4, 4, (3, 3), rngs=rngs()),
    )
    message = refused(module)
    for name in ("sort", "cumsum", "sin"):
        assert f"{name} in " in message
    assert message.count("test_flax.py") == 3
    assert "Supported in inference: convolution" in message


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x @ x.swapaxes(-1, -2), "two tensors"),
        (lambda x: x - x.mean(0), "batch"),
        (lambda x: x[:1] + x, "batch"),
        (lambda x: x.astype(jnp.bfloat16) * 2, "bfloat16"),
        (lambda x: jnp.argmax(x, -1), "argmax"),
        (lambda x: x > 0, "only float32"),
        (lambda x: x.reshape(-1), "batch axis"),
        (lambda x: jnp.ones((3, 3)), "constant"),
        (lambda x: x + jnp.arange(float(len(x)))[:, None, None, None], "image to image"),
        (lambda x: x if float(x.sum()) > 0 else -x, "decides by the values"),
        (lambda x: x.reshape(1, -1), "batch axis"),
    ],
)
def test_what_a_model_cannot_do_is_refused(function, words):
    assert words in refused(Function(lambda self, x: function(x)))


def test_arrays_that_are_not_finite_are_refused():
    module = nnx.Sequential(nnx.Conv(4, 4, (1, 1), rngs=rngs()))
    kernel = np.array(module.layers[0].kernel[...])
    kernel[0, 0, 2, 1] = np.nan
    module.layers[0].kernel[...] = jnp.asarray(kernel)
    assert "layers.0.kernel[0, 0, 2, 1] = nan" in refused(module)


@pytest.mark.parametrize("shape", [(), (4,), (0, 6, 5, 4), (6, 5, 4), (1, 6, 5), (1, 6, 5, 3)])
def test_a_sample_that_does_not_suit_is_refused(shape):
    assert "sample_input" in refused(nnx.Sequential(nnx.Conv(4, 4, (3, 3), rngs=rngs())), shape)


def test_only_modules():
    with pytest.raises(ModelError, match=r"nnx\.Module expected, function given"):
        from_flax(lambda x: x, np.zeros((1, 4)))


def test_the_sample_may_be_of_integers():
    module = Function(lambda self, x: x.astype(jnp.float32) / 255)
    model = from_flax(module, np.zeros((1, 4), np.uint8))
    np.testing.assert_allclose(model(np.full((2, 4), 51.0, np.float32))[0], 0.2, atol=1e-6)


def test_binary_names_and_residuals():
    module = Function(
        lambda self, x: nnx.relu(x + self.conv(x)), conv=nnx.Conv(4, 4, (3, 3), rngs=rngs())
    )
    model = check(module, (6, 5, 4))
    assert names(model) == ["conv", "add1", "relu1"]
    assert ops(model)[1:] == [Binary("add"), Unary("relu")]
    assert model.graph.layers[1].inputs == ("input", "conv")


@pytest.mark.slow
def test_a_module_runs_on_a_chip():
    """Inverted bottleneck, squeeze and excitation, one dimension: compiled and run, near float."""
    chip = pj.load_chip("mram-pim-digital")
    squeeze = Function(
        lambda self, x: self.out(
            nnx.hard_swish(self.conv(x)) * nnx.sigmoid(x.mean((1, 2), keepdims=True))
        ),
        conv=nnx.Conv(4, 4, (3, 3), feature_group_count=4, rngs=rngs()),
        out=nnx.Linear(4, 3, rngs=rngs()),
    )
    line = nnx.Sequential(
        *(nnx.Conv(4, 8, (5,), rngs=rngs()), nnx.BatchNorm(8, rngs=rngs()), nnx.relu),
        *(nnx.Conv(8, 8, (3,), strides=2, rngs=rngs()), lambda x: x.mean(1)),
    )
    for module, shape in ((squeeze, (6, 5, 4)), (line, (20, 4))):
        x = pictures((16, *shape))
        model = pj.from_flax(scrambled(module), x)
        outputs = pj.run(pj.compile(model, chip, x), x)
        right = np.asarray(model(x)[0])
        noise = ((outputs - right) ** 2).mean() / (right**2).mean()
        assert noise < 1e-3
