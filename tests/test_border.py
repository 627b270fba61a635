"""Bad input is refused where it enters, by name, value and what is allowed; good input never is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from tests.support import EVERY_ENGINE, check_matmul, make_chip

CHIP = pj.load_chip("mram-pim-8b")
X, W = np.ones((2, 3), np.int64), np.ones((3, 4), np.int64)
IMAGE, KERNEL = np.ones((1, 5, 5, 4), np.int64), np.ones((3, 3, 4, 6), np.int64)


def changed(array: np.ndarray, index: tuple, value: int) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


# Codes out of range: name, index, value, range

OUTSIDE = [
    (CHIP, changed(X, (1, 2), 256), W, r"x\[1, 2\] = 256 is out of range: codes 0\.\.255"),
    (CHIP, changed(X, (0, 1), -1), W, r"x\[0, 1\] = -1 is out of range: codes 0\.\.255"),
    (CHIP, X, changed(W, (2, 3), 128), r"w\[2, 3\] = 128 is out of range: codes -128\.\.127"),
    (CHIP, X, changed(W, (0, 0), -129), r"w\[0, 0\] = -129 is out of range: codes -128\.\.127"),
    (CHIP, X * 300, W, r"x\[0, 0\] = 300 .* \(6 of 6 are outside\)"),
    (CHIP, changed(X, (1, 1), 2**40), W, r"x\[1, 1\] = 1099511627776 is out of range"),
    (CHIP, changed(X, (1, 1), 256 * 2**32 + 1), W, r"x\[1, 1\] = "),
    (
        make_chip(act_signed=True, act_bits=4),
        changed(X, (0, 0), 8),
        W,
        r"x\[0, 0\] = 8 is out of range: codes -8\.\.7",
    ),
    (
        make_chip(weight_encoding="differential", weight_bits=4),
        X,
        changed(W, (1, 1), -8),
        r"w\[1, 1\] = -8 is out of range: codes -7\.\.7",
    ),
    (
        make_chip(weight_encoding="binary", weight_bits=1),
        X,
        changed(W, (1, 1), 0),
        r"w\[1, 1\] = 0 is out of range: codes \[-1, 1\]",
    ),
    (
        make_chip(weight_encoding="ternary", weight_bits=2),
        X,
        changed(W, (1, 1), -2),
        r"w\[1, 1\] = -2 is out of range: codes -1\.\.1",
    ),
]


@pytest.mark.parametrize(("chip", "x", "w", "message"), OUTSIDE, ids=[o[3][:24] for o in OUTSIDE])
@pytest.mark.parametrize("engine", EVERY_ENGINE)
def test_codes_out_of_range(engine, chip, x, w, message):
    with pytest.raises(ValueError, match=message):
        pj.matmul(x, w, chip, engine=engine)


def test_codes_out_of_range_of_a_convolution():
    with pytest.raises(ValueError, match=r"x\[0, 4, 3, 2\] = 999 is out of range: codes 0\.\.255"):
        pj.conv2d(changed(IMAGE, (0, 4, 3, 2), 999), KERNEL, CHIP)
    with pytest.raises(ValueError, match=r"w\[2, 1, 0, 5\] = -999 .* -128\.\.127"):
        pj.conv2d(IMAGE, changed(KERNEL, (2, 1, 0, 5), -999), CHIP)


def test_wide_unsigned_codes_do_not_wrap():
    x = np.array([[2**64 - 1]], np.uint64)
    with pytest.raises(ValueError, match=r"x\[0, 0\] = 18446744073709551615 is out of range"):
        pj.matmul(x, [[1]], CHIP)


# Types


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, bool, np.complex64])
@pytest.mark.parametrize("name", ["x", "w"])
def test_only_integers_are_codes(name, dtype):
    arrays = {"x": X, "w": W}
    arrays[name] = arrays[name].astype(dtype)
    message = rf"{name}: dtype {np.dtype(dtype)} given, but codes are integers; quantise first"
    with pytest.raises(TypeError, match=message):
        pj.matmul(arrays["x"], arrays["w"], CHIP)


@pytest.mark.parametrize("wrong", [None, "codes", [[1, 2**70]], [[0.5, 1]], {"x": 1}])
def test_what_is_no_array_of_integers(wrong):
    with pytest.raises(TypeError, match=r"x: dtype .* given, but codes are integers"):
        pj.matmul(wrong, W, CHIP)


def test_jax_floats_are_refused_also_inside_jit():
    x, w = jnp.ones((2, 3), jnp.bfloat16), jnp.asarray(W, jnp.int32)
    with pytest.raises(TypeError, match="x: dtype bfloat16 given"):
        pj.matmul(x, w, CHIP)
    with pytest.raises(TypeError, match="x: dtype bfloat16 given"):
        jax.jit(lambda x, w: pj.matmul(x, w, CHIP))(x, w)


SIGNED = [np.int8, np.int16, np.int32, np.int64, jnp.int4]
UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64, jnp.uint4]


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("encoding", ["twos_complement", "binary"])
def test_any_integer_dtype_holds_codes(encoding, dtype):
    """Legal codes are legal in whatever type they come; binary has no 0 between -1 and +1."""
    bits = {"weight_encoding": "binary", "weight_bits": 1} if encoding == "binary" else {}
    chip = make_chip(act_bits=2, **bits)
    x, w = np.array([[3, 1, 2, 0, 3]]), np.ones((5, 2), np.int64)
    if dtype in SIGNED:
        w[2:, 1] = -1
    held = jnp.asarray(x, dtype) if np.dtype(dtype).itemsize < 8 else x.astype(dtype)
    y, _ = pj.matmul(held, w.astype(dtype), chip)
    assert np.asarray(y).tolist() == (x @ w).tolist()


# Shapes


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (X[0], W, r"x: rank 1, shape \(3,\) given; \(b k\) expected"),
        (X[None], W, r"x: rank 3, shape \(1, 2, 3\) given; \(b k\) expected"),
        (X, W[0], r"w: rank 1, shape \(4,\) given; \(k n\) expected"),
        (X, 1, r"w: rank 0, shape \(\) given; \(k n\) expected"),
        (X, W[:2], r"k differs: x has k = 3, w has k = 2"),
        (X[:0], W, r"x: empty, shape \(0, 3\) given; every axis of \(b k\) >= 1"),
        (X[:, :0], W[:0], r"x: empty, shape \(2, 0\) given"),
        (X, W[:, :0], r"w: empty, shape \(3, 0\) given; every axis of \(k n\) >= 1"),
    ],
)
def test_shapes_of_matmul(x, w, message):
    with pytest.raises(ValueError, match=message):
        pj.matmul(x, w, CHIP)


@pytest.mark.parametrize(
    ("x", "w", "window", "message"),
    [
        (IMAGE[0], KERNEL, {}, r"x: rank 3, shape \(5, 5, 4\) given; \(b h w c\) expected"),
        (IMAGE, KERNEL[0], {}, r"w: rank 3, .* given; \(kh kw c/groups n\) expected"),
        (IMAGE[:0], KERNEL, {}, r"x: empty, shape \(0, 5, 5, 4\) given"),
        (IMAGE[:, :0], KERNEL, {}, r"x: empty, shape \(1, 0, 5, 4\) given"),
        (IMAGE, KERNEL[..., :0], {}, r"w: empty"),
        (
            IMAGE[..., :3],
            KERNEL,
            {},
            r"channels differ: x has c = 3, but w has c/groups = 4 with groups = 1",
        ),
        (IMAGE, KERNEL, {"groups": 2}, r"x has c = 4, but w has c/groups = 4 with groups = 2"),
        (
            IMAGE,
            KERNEL,
            {"groups": 3},
            r"groups = 3 does not divide the channels: x has c = 4",
        ),
        (
            IMAGE,
            KERNEL[:, :, :1, :5],
            {"groups": 4},
            r"groups = 4 does not divide the channels: w has n = 5",
        ),
        (
            IMAGE,
            KERNEL,
            {"padding": "VALID", "dilation": 3},
            r"kernel reaches 7 x 7 .* padded input of 5 x 5",
        ),
        (
            IMAGE[:, :2],
            KERNEL,
            {"padding": ((0, 0), (9, 9))},
            r"kernel reaches 3 x 3 .* padded input of 2 x 23",
        ),
    ],
)
def test_shapes_of_conv2d(x, w, window, message):
    with pytest.raises(ValueError, match=message):
        pj.conv2d(x, w, CHIP, **window)


@pytest.mark.parametrize("name", ["stride", "dilation"])
@pytest.mark.parametrize("wrong", [0, -1, 1.5, 2.0, None, True, "2", (1, 2, 3), (1,), (0, 1), ()])
def test_strides_and_dilations(name, wrong):
    with pytest.raises(ValueError, match=rf"{name}: .* given; an int >= 1 or a pair of them"):
        pj.conv2d(IMAGE, KERNEL, CHIP, **{name: wrong})


@pytest.mark.parametrize("wrong", [0, -1, 1.0, None, True, "2", (1, 1)])
def test_groups(wrong):
    with pytest.raises(ValueError, match=r"groups: .* given; an int >= 1 expected"):
        pj.conv2d(IMAGE, KERNEL, CHIP, groups=wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "same",
        "FULL",
        1,
        None,
        (1, 1),
        ((1, 1),),
        ((1, 1), (1, 1), (1, 1)),
        ((1, 2, 3), (0, 0)),
        ((1.5, 0), (0, 0)),
        (("1", 0), (0, 0)),
        ((True, 0), (0, 0)),
    ],
)
def test_paddings(wrong):
    message = r"padding: .* given; 'SAME', 'VALID' or \(\(top, bottom\), \(left, right\)\)"
    with pytest.raises(ValueError, match=message):
        pj.conv2d(IMAGE, KERNEL, CHIP, padding=wrong)


def test_negative_padding():
    with pytest.raises(ValueError, match=r"padding: \(\(-1, 0\), \(0, 0\)\) given; amounts must"):
        pj.conv2d(IMAGE, KERNEL, CHIP, padding=((-1, 0), (0, 0)))


def test_nested_lists_are_matrices():
    check_matmul("auto", CHIP, [[1, 2, 3]], [[1], [-2], [3]])
    with pytest.raises(ValueError, match="inhomogeneous"):
        pj.matmul([[1], [1, 2]], W, CHIP)


# Chips and engines


def test_unknown_engines():
    with pytest.raises(ValueError, match=r"engine: 'popcont' given.*did you mean 'popcount'"):
        pj.matmul(X, W, CHIP, engine="popcont")
    for name in EVERY_ENGINE:
        with pytest.raises(ValueError, match=f"engine: 'fastest' given; one of .*'{name}'"):
            pj.matmul(X, W, CHIP, engine="fastest")
    with pytest.raises(ValueError, match="engine: None given"):
        pj.conv2d(IMAGE, KERNEL, CHIP, engine=None)


@pytest.mark.parametrize("wrong", ["mram-pim-8b", None, CHIP.precision])
def test_what_is_no_chip(wrong):
    with pytest.raises(TypeError, match=r"chip: .* given; pass what pj\.load_chip returns"):
        pj.matmul(X, W, wrong)


@pytest.mark.parametrize("spread", ["gain_sigma", "offset_sigma_lsb", "inl_lsb", "noise_sigma_lsb"])
def test_columns_that_are_not_ideal(spread):
    """They belong to a die, and a product alone has none: refused by name, never ignored."""
    chip = pj.load_chip("mram-pim-8b", {f"adc.{spread}": 0.25})
    with pytest.raises(ValueError, match=rf"no engine can run this chip: adc\.{spread} = 0\.25"):
        pj.matmul(X, W, chip)


def test_words_that_are_read_pass_no_adc():
    """The digital readout sums exactly and converts nothing, whatever the ADC's settings."""
    chip = pj.load_chip("mram-pim-8b", {"array.readout": "digital", "adc.bits": 1})
    y, stats = pj.conv2d(IMAGE, KERNEL, chip)
    exact, _ = pj.conv2d(IMAGE, KERNEL, pj.load_chip("mram-pim-digital"))
    assert (y == exact).all()
    assert stats.conversions == stats.clipped_high == 0


# Registers


def test_an_accumulator_that_could_overflow():
    """Known weights decide: 9 row groups of ones need fewer bits than 9 of the largest."""
    chip = make_chip(act_bits=2, weight_bits=4, active_wordlines=8, accumulator_bits=9)
    x, w = np.full((1, 72), 3), np.full((72, 1), 7)
    message = (
        r"precision\.accumulator_bits = 9: with k = 72 a running sum can lie in 0\.\.1512, which "
        r"needs 12 bits; widen the accumulator \(at most 32\) or set "
        r"precision\.accumulator_overflow to 'wrap' or 'saturate'"
    )
    with pytest.raises(ValueError, match=message):
        pj.matmul(x, w, chip)
    with pytest.raises(ValueError, match=message):
        pj.conv2d(x[:, None, None], w[None, None], chip)
    check_matmul("auto", chip, x, np.ones((72, 1), np.int64))


def test_a_digital_term_beyond_its_words():
    chip = make_chip(
        act_bits=12,
        weight_bits=12,
        weight_encoding="offset_binary",
        accumulator_overflow="wrap",
        adc_offset="1048576",
        adc_step="1/1048576",
    )
    with pytest.raises(
        ValueError, match=r"adc\.offset = 1048576, adc\.step = 1/1048576: .*62 bits"
    ):
        pj.matmul(X, W, chip)


def test_dot_products_that_are_too_long():
    x = jax.ShapeDtypeStruct((1, 2**19 + 1), jnp.uint8)
    w = jax.ShapeDtypeStruct((2**19 + 1, 1), jnp.int8)
    with pytest.raises(ValueError, match="k = 524289: dot products of up to 524288 inputs"):
        jax.eval_shape(lambda x, w: pj.matmul(x, w, CHIP), x, w)


def test_rows_with_more_conversions_than_can_be_counted():
    x = jax.ShapeDtypeStruct((1, 1, 2**13, 2), jnp.uint8)
    w = jax.ShapeDtypeStruct((1, 1, 2, 2**13), jnp.int8)
    with pytest.raises(ValueError, match="4294967296 conversions behind one output row"):
        jax.eval_shape(lambda x, w: pj.conv2d(x, w, CHIP), x, w)


def test_arguments_are_not_changed():
    x, w = X.copy(), W.copy()
    x.setflags(write=False)
    w.setflags(write=False)
    pj.matmul(x, w, CHIP)
    assert (x == X).all()
    assert (w == W).all()
