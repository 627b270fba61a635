"""What calibration sees, and the ranges it chooses, against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.ranges import SAMPLES, Seen, _places, choose_range, observe
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Binary, Flatten, FloatConv, FloatDense, Unary
from tests.support import examples

SHAPE = (6, 5, 3)
RNG = np.random.default_rng(4)
KERNEL = RNG.integers(-3, 4, (1, 1, 3, 4)).astype(np.float32)
DENSE = RNG.integers(-2, 3, (120, 2)).astype(np.float32)
# Small integers: float32 is exact, so that an extreme is one number in whatever order it was added.
IMAGES = RNG.integers(-9, 10, (7, *SHAPE)).astype(np.float32)


def model() -> Model:
    layers = (
        Layer("conv", FloatConv(), ("x",)),
        Layer("relu", Unary("relu"), ("conv",)),
        Layer("flat", Flatten(), ("relu",)),
        Layer("dense", FloatDense(), ("flat",)),
    )
    params = {
        "conv": {"kernel": KERNEL, "bias": np.array([1, -2, 3, -50], np.float32)},
        "dense": {"kernel": DENSE, "bias": np.zeros(2, np.float32)},
    }
    return Model(Graph((Input("x", SHAPE),), layers, ("dense",)), params, "net.onnx")


def tensors(images) -> dict[str, np.ndarray]:
    conv = images.astype(np.float64) @ KERNEL[0, 0] + [1, -2, 3, -50]
    relu = np.maximum(conv, 0)
    flat = relu.reshape(len(images), -1)
    return {"x": images, "conv": conv, "relu": relu, "flat": flat, "dense": flat @ DENSE}


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_extremes_and_samples_are_those_of_all_images(batch_size):
    seen = observe(model(), IMAGES, batch_size)
    right = tensors(IMAGES)
    assert seen.keys() == right.keys()
    for name, values in right.items():
        assert (seen[name].low, seen[name].high) == (values.min(), values.max())
        assert seen[name].samples.shape == (values.size,)
        assert (seen[name].samples == values.ravel()).all()


def test_images_of_integers_count_as_they_are():
    seen = observe(model(), IMAGES.astype(np.int8), 4)
    assert (seen["dense"].samples == tensors(IMAGES)["dense"].ravel()).all()


def test_large_tensors_are_sampled_and_their_extremes_still_exact():
    shape = (40, 30, 6)
    identity = Model(Graph((Input("x", shape),), (Layer("y", Unary("neg"), ("x",)),), ("y",)), {})
    images = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    seen = {size: observe(identity, images, size)["y"] for size in (1, 2, 3)}
    for size in (1, 2, 3):
        assert seen[size].low == -images.max()
        assert seen[size].high == -images.min()
        assert seen[size].samples.shape == (3 * SAMPLES,)
        assert (seen[size].samples == seen[1].samples).all()
    assert set(seen[1].samples.tolist()) <= set((-images).ravel().tolist())


@pytest.mark.parametrize("channels", [3, 6, 8, 13, 32, 55, 96, 128])
@pytest.mark.parametrize("pixels", [784, 1024, 3000])
def test_samples_are_different_places_and_leave_no_channel_out(pixels, channels):
    length = pixels * channels
    places = _places(length)
    assert places.shape == (SAMPLES,)
    assert (np.diff(places) > 0).all()
    assert places[-1] < length
    assert (_places(length) == places).all()
    for counts, mean in (
        (np.bincount(places % channels, minlength=channels), SAMPLES / channels),
        (np.histogram(places, 16, (0, length))[0], SAMPLES / 16),
    ):
        # The places are fixed; 5 deviations of a binomial show that nothing is left out.
        assert np.abs(counts - mean).max() <= 5 * mean**0.5


def test_images_that_are_all_zero_are_refused():
    with pytest.raises(ValueError, match="all images are zero; give typical"):
        observe(model(), np.zeros((3, *SHAPE)))
    images = np.zeros((3, *SHAPE))
    images[2, 5, 4, 2] = 1
    assert observe(model(), images, 2)["x"].high == 1


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e300, "inf")])
@pytest.mark.parametrize("batch_size", [2, 16])
def test_images_that_are_not_finite_are_refused_with_their_place(value, shown, batch_size):
    images = IMAGES.astype(np.float64)
    images[5, 0, 4, 1] = value
    with pytest.raises(ValueError, match=rf"calibration\[5, 0, 4, 1\] = {shown}: finite"):
        observe(model(), images, batch_size)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((2, 3, 6, 5), "channels come last"), (SHAPE, "images[None]"), ((0, *SHAPE), "none given")],
)
def test_images_of_the_wrong_shape_are_refused(shape, hint):
    with pytest.raises(ValueError) as caught:
        observe(model(), np.ones(shape))
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_of_two_inputs_is_refused():
    one = model()
    graph = Graph((*one.graph.inputs, Input("other", SHAPE)), one.graph.layers, one.graph.outputs)
    with pytest.raises(ValueError, match=r"2 inputs, \['x', 'other'\]; one is supported"):
        observe(Model(graph, one.params), IMAGES)


def test_a_network_that_leaves_the_numbers_is_refused_with_the_tensor():
    constant = {"constant": np.zeros((1, 1, 1, 1), np.float32)}
    layers = (Layer("ratio", Binary("div"), ("x",)),)
    broken = Model(Graph((Input("x", SHAPE),), layers, ("ratio",)), {"ratio": constant}, "net.onnx")
    with pytest.raises(ModelError, match=r"net\.onnx: the float network gives .* at ratio"):
        observe(broken, IMAGES)


def seen_of(samples, low=None, high=None) -> Seen:
    samples = np.asarray(samples, np.float32)
    low = float(samples.min()) if low is None else low
    return Seen(low, float(samples.max()) if high is None else high, samples)


@given(st.integers(0, 999), st.sampled_from((90.0, 99.0, 99.9, 100.0)))
def test_a_percentile_is_that_of_the_samples(seed, percentile):
    samples = np.random.default_rng(seed).normal(0.5, 1, 3000)
    low, high = choose_range(seen_of(samples, -9.0, 9.0), "percentile", 8, percentile)
    ordered = np.sort(samples.astype(np.float32).astype(np.float64))
    for end, share in ((low, 1 - percentile / 100), (high, percentile / 100)):
        place = share * (len(ordered) - 1)
        below, above = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
        right = below + (place - int(place)) * (above - below)
        assert end == pytest.approx(min(right, 0) if end == low else max(right, 0), abs=1e-5)


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize(("low", "high"), [(0.5, 2.0), (-3.0, -1.0), (0.0, 0.0), (-1.0, 2.0)])
def test_zero_lies_inside_and_the_extremes_outside(method, low, high):
    samples = np.linspace(low, high, 50)
    chosen = choose_range(seen_of(samples), method, 8)
    assert min(low, 0) <= chosen[0] <= 0 <= chosen[1] <= max(high, 0)
    if method == "minmax":
        assert chosen == (min(low, 0), max(high, 0))
    if low != high:
        assert chosen[0] < chosen[1]


def test_a_percentile_of_hardly_anything_is_the_extremes():
    samples = np.zeros(100000)
    samples[7] = 5
    assert choose_range(seen_of(samples), "percentile", 8, 99.0) == (0, 5)


@pytest.mark.parametrize("percentile", [0.9999, 50.0, 100.5, float("nan")])
def test_a_percentile_out_of_range_is_refused(percentile):
    with pytest.raises(ValueError, match=r"percentile: .* given; above 50 and at most 100"):
        choose_range(seen_of([1.0, 2.0]), "percentile", 8, percentile)


def error_of(samples, low, high, bits) -> float:
    """Mean squared error of codes that cover low..high with an exact zero."""
    levels = 2**bits - 1
    scale = (high - low) / levels
    zero = round(-low / scale)
    codes = np.clip(np.rint(samples / scale) + zero, 0, levels) - zero
    return float(np.mean((codes * scale - samples) ** 2))


@examples(30)
@given(st.integers(0, 999), st.integers(2, 8), st.booleans())
def test_the_least_error_is_no_worse_than_any_shrunken_range(seed, bits, signed):
    rng = np.random.default_rng(seed)
    samples = rng.standard_t(3, 2000).astype(np.float32)
    samples = samples if signed else np.maximum(samples, 0)
    seen = seen_of(samples)
    low, high = choose_range(seen, "mse", bits)
    assert (low < 0) == signed
    assert seen.low <= low
    assert high <= seen.high
    exact = samples.astype(np.float64)
    mine = error_of(exact, low, high, bits)
    for shrink in np.linspace(1, 0.3, 36):
        here = error_of(exact, min(seen.low, 0) * shrink, seen.high * shrink, bits)
        assert mine <= here * (1 + 1e-3)


def test_few_bits_clip_a_lone_outlier():
    samples = np.append(np.linspace(0, 1, 5000), 3.0)
    assert choose_range(seen_of(samples), "mse", 4)[1] < 1.5
    assert choose_range(seen_of(samples), "minmax", 4) == (0, 3)


def test_numbers_too_small_to_divide_by_keep_their_extremes():
    samples = np.linspace(0, 1e-40, 10)
    low, high = choose_range(seen_of(samples), "mse", 8)
    assert low == 0
    assert high == samples.astype(np.float32).max()
