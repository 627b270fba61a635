"""Weight codes of float kernels, against their definition channel by channel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array.spec import Bitline
from pimjax.frontend.weights import weight_codes
from tests.support import examples

SHAPE = (2, 3, 3, 5)


def spec(encoding="twos_complement", bits=8) -> Bitline:
    bits = {"binary": 1, "ternary": 2}.get(encoding, bits)
    return Bitline(weight_bits=bits, weight_encoding=encoding)


def legal(encoding: str, bits: int) -> list[int]:
    if encoding == "binary":
        return [-1, 1]
    if encoding == "ternary":
        return [-1, 0, 1]
    half = 2 ** (bits - 1)
    return list(range(-half + (encoding == "differential"), half))


def kernel_of(seed: int, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=SHAPE) * 10.0 ** rng.uniform(-spread, spread, 5)).astype(np.float32)


encodings = st.sampled_from(
    ("twos_complement", "offset_binary", "differential", "binary", "ternary")
)


@examples(60)
@given(st.integers(0, 999), encodings, st.integers(2, 12))
def test_codes_are_legal_and_the_nearest(seed, encoding, bits):
    kernel = kernel_of(seed)
    codes, scales = weight_codes(kernel, spec(encoding, bits))
    assert codes.shape == kernel.shape
    assert codes.dtype == np.int32
    assert scales.shape == (5,)
    grid = np.array(legal(encoding, bits))
    assert set(codes.ravel().tolist()) <= set(grid.tolist())
    exact = kernel.astype(np.float64)
    for index in np.ndindex(kernel.shape):
        distances = np.abs(grid * scales[index[-1]] - exact[index])
        here = abs(codes[index] * scales[index[-1]] - exact[index])
        assert here <= distances.min() * (1 + 1e-12)


@given(st.integers(0, 999), st.sampled_from(("twos_complement", "offset_binary", "differential")))
def test_with_8_bits_and_more_the_largest_weight_is_the_end(seed, encoding):
    for bits in (8, 10, 12):
        kernel = kernel_of(seed)
        codes, scales = weight_codes(kernel, spec(encoding, bits))
        largest = np.abs(kernel.reshape(-1, 5)).max(axis=0).astype(np.float64)
        assert scales == pytest.approx(largest / (2 ** (bits - 1) - 1), rel=1e-12)
        assert (np.abs(codes.reshape(-1, 5)).max(axis=0) == 2 ** (bits - 1) - 1).all()


def squared_error(kernel, codes, scales) -> np.ndarray:
    return ((codes * scales - kernel.astype(np.float64)) ** 2).reshape(-1, 5).sum(axis=0)


@examples(40)
@given(
    st.integers(0, 999),
    st.sampled_from(("twos_complement", "offset_binary", "differential", "ternary")),
    st.integers(2, 7),
)
def test_a_searched_end_is_never_worse_than_the_plain_one(seed, encoding, bits):
    kernel = kernel_of(seed)
    codes, scales = weight_codes(kernel, spec(encoding, bits))
    grid = legal(encoding, bits)
    ends = np.abs(kernel.reshape(-1, 5)).max(axis=0).astype(np.float64) / grid[-1]
    plain = np.clip(np.rint(kernel / ends), grid[0], grid[-1])
    assert (squared_error(kernel, codes, scales) <= squared_error(kernel, plain, ends)).all()
    assert (scales <= ends * (1 + 1e-12)).all()


def test_an_outlier_is_clipped_when_bits_are_few():
    kernel = np.tile(np.linspace(-1, 1, 2 * 3 * 3), 5).reshape(5, -1).T.reshape(SHAPE).copy()
    kernel[0, 0, 0] = 4.0
    codes, scales = weight_codes(kernel, spec("twos_complement", 3))
    plain = np.clip(np.rint(kernel / (4.0 / 3)), -4, 3)
    error = squared_error(kernel, plain, np.full(5, 4.0 / 3))
    assert (squared_error(kernel, codes, scales) < 0.8 * error).all()


def test_binary_weights_are_signs_times_the_mean():
    kernel = np.array([[0.5, -2.0], [-1.5, 0.0], [1.0, -4.0]])
    codes, scales = weight_codes(kernel, spec("binary"))
    assert codes.tolist() == [[1, -1], [-1, 1], [1, -1]]
    assert scales.tolist() == [1.0, 2.0]


def test_ties_go_to_even():
    kernel = np.array([[127.0], [0.5], [1.5], [2.5], [-0.5], [-1.5]])
    codes, scales = weight_codes(kernel, spec())
    assert codes.ravel().tolist() == [127, 0, 2, 2, 0, -2]
    assert scales.tolist() == [1.0]


@pytest.mark.parametrize("encoding", ["twos_complement", "differential", "ternary"])
@pytest.mark.parametrize("bits", [2, 8])
def test_a_channel_of_zeros(encoding, bits):
    kernel = np.zeros((5, 2))
    kernel[:, 1] = 3.0
    codes, scales = weight_codes(kernel, spec(encoding, bits))
    assert (codes[:, 0] == 0).all()
    assert scales[0] == 1
    assert codes[:, 1] * scales[1] == pytest.approx(3.0)
    _, scales = weight_codes(kernel, spec(encoding, bits), np.array([0.25, 0.0]))
    assert scales[0] == 0.25


def test_a_binary_channel_of_zeros_stays_next_to_nothing():
    """Binary weights have no code 0: only the scale can make them vanish."""
    codes, scales = weight_codes(np.zeros((1000, 2)), spec("binary"), np.array([0.0, 2.0**-30]))
    assert (np.abs(codes) == 1).all()
    assert 0 < scales[0] * 1000 * 4095 < 2.0**-60
    assert scales[1] == 2.0**-30


@pytest.mark.parametrize("encoding", ["twos_complement", "binary", "ternary"])
def test_scales_are_held_from_below(encoding):
    kernel = kernel_of(3)
    _, free = weight_codes(kernel, spec(encoding, 4))
    smallest = np.array([0, 2, 0.5, 1, 0]) * free
    codes, scales = weight_codes(kernel, spec(encoding, 4), smallest)
    assert scales.tolist() == np.maximum(free, smallest).tolist()
    grid = legal(encoding, 4)
    assert set(codes.ravel().tolist()) <= set(grid)
    if encoding != "binary":
        assert (codes == np.clip(np.rint(kernel / scales), grid[0], grid[-1])).all()


@pytest.mark.parametrize("encoding", ["twos_complement", "offset_binary"])
def test_one_bit_without_a_positive_code_is_refused(encoding):
    with pytest.raises(ValueError, match=r"precision\.weight_bits = 1.*'binary'"):
        weight_codes(np.ones((3, 2)), spec(encoding, 1))


def test_a_matrix_and_a_kernel_are_coded_alike():
    kernel = kernel_of(8)
    codes, scales = weight_codes(kernel, spec(bits=5))
    flat, same = weight_codes(kernel.reshape(-1, 5), spec(bits=5))
    assert (codes.reshape(-1, 5) == flat).all()
    assert (scales == same).all()
