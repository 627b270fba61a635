"""Non-ideal columns: every engine that has them equals the oracle, bit for bit."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimjax.array import engines, tiling
from pimjax.array.adc import codes_by_table
from pimjax.array.adc_arithmetic import codes_by_arithmetic
from pimjax.array.columns import Columns, fine_transfer
from pimjax.array.convolve import convolve
from pimjax.array.engines.base import Counted
from pimjax.array.geometry import resolve
from tests import oracle
from tests.support import bitline_of, edge_rows, examples

ENGINES = ("reference", "popcount")
every_engine = pytest.mark.parametrize("engine", ENGINES)
popcount_first = pytest.mark.parametrize(
    "engine", ["popcount", pytest.param("reference", marks=pytest.mark.slow)]
)
KEY = (0x01234567, 0x89ABCDEF)


class Case(NamedTuple):
    chip: oracle.OracleChip
    x: np.ndarray
    w: np.ndarray
    errors: oracle.OracleColumns
    window: dict
    numbers: np.ndarray


def as_columns(errors: oracle.OracleColumns) -> Columns:
    """The library's arrays of the oracle's lists."""
    whole = {
        name: jnp.asarray(np.array(getattr(errors, name), np.int32))
        for name in Columns._fields
        if name != "noise_key" and getattr(errors, name) is not None
    }
    if errors.noise_key is not None:
        whole["noise_key"] = jnp.asarray(np.array(errors.noise_key, np.uint32))
    return Columns(**whole)


def run(case: Case, engine: str, columns: Columns | None = None) -> Counted:
    chip, x, w, errors, window, numbers = case
    spec = bitline_of(chip)
    full = {"stride": 1, "padding": "SAME", "dilation": 1, "groups": 1, **window}
    geometry = resolve(x.shape, w.shape, **full)
    columns = as_columns(errors) if columns is None else columns
    return convolve(
        jnp.asarray(x, jnp.int32),
        jnp.asarray(w, jnp.int32),
        spec,
        geometry,
        engines.select(engine, spec, columns=True),
        columns=columns,
        images=jnp.asarray(numbers, jnp.int32),
    )


def assert_right(case: Case, engine: str) -> None:
    got = run(case, engine)
    right, stats = oracle.conv2d(
        case.x,
        case.w,
        case.chip,
        **case.window,
        errors=case.errors,
        image_numbers=case.numbers.tolist(),
    )
    assert (np.asarray(got.y) == right).all()
    counts = int(got.clipped_low.sum()), int(got.clipped_high.sum())
    assert counts == (stats.clipped_low, stats.clipped_high)


def drawn_errors(
    rng: np.random.Generator, shape: tuple[int, int, int], kinds: tuple[str, ...], largest: int
) -> oracle.OracleColumns:
    """Errors of these kinds for `shape` (t, j, n) columns: small, large and at their limits."""
    size = {"gain": 32767, "offset": 256 * largest, "bow": 1 << 17}
    values: dict = {}
    for name in ("gain", "offset", "bow"):
        if name in kinds:
            spread = rng.choice([1, size[name] // 50, size[name]], shape)
            drawn = np.rint(rng.uniform(-1, 1, shape) * spread).astype(np.int64)
            drawn[rng.random(shape) < 0.2] = rng.choice([-1, 1]) * size[name]
            values[name] = drawn.tolist()
    if "noise" in kinds:
        values["noise_sigma"] = int(rng.choice([1, 60, 400, 65535]))
    if "current" in kinds:
        values["noise_variance"] = rng.choice([0, 1, 40, 4000], 3).tolist()
        values["noise_root"] = rng.integers(0, 700, 4096).tolist()
    if "noise" in kinds or "current" in kinds:
        values["noise_key"] = rng.integers(0, 2**32, 2).tolist()
    return oracle.OracleColumns(**values)


KINDS = (
    ("offset",),
    ("gain", "bow"),
    ("noise",),
    ("current",),
    ("gain", "offset", "bow", "noise"),
    ("offset", "current"),
)


@st.composite
def cases(draw) -> Case:
    """Small convolutions of every encoding with a converter of any step and offset."""
    encoding = draw(
        st.sampled_from(("twos_complement", "offset_binary", "differential", "binary", "ternary"))
    )
    width = {"binary": st.just(1), "ternary": st.just(2), "differential": st.integers(2, 4)}
    step = st.sampled_from((Fraction(1), Fraction(1), Fraction(1, 2), Fraction(3, 2)))
    steps = st.one_of(step, st.fractions(Fraction(1, 30), 4, max_denominator=30))
    chip = oracle.OracleChip(
        act_bits=draw(st.integers(1, 4)),
        act_signed=draw(st.booleans()),
        weight_bits=draw(width.get(encoding, st.integers(1, 3))),
        weight_encoding=encoding,
        differential_readout=draw(st.sampled_from(("separate", "paired"))),
        input_slice_bits=draw(st.sampled_from((1, 1, 2))),
        cell_bits=draw(st.sampled_from((1, 1, 2))),
        accumulator_bits=draw(st.sampled_from((32, 8))),
        accumulator_overflow=draw(st.sampled_from(("wrap", "saturate"))),
        active_wordlines=draw(st.sampled_from((3, 8, 33))),
        row_order=draw(st.sampled_from(("kernel_channel", "channel_kernel"))),
        adc_bits=draw(st.integers(1, 8)),
        adc_step=draw(steps),
        adc_offset=draw(st.one_of(st.just(Fraction(0)), st.fractions(-9, 9, max_denominator=12))),
        adc_rounding=draw(st.sampled_from(("half_even", "half_up", "floor"))),
        adc_symmetric=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, channels, outputs, taps = draw(st.sampled_from(((1, 4, 3, 2), (2, 3, 2, 1))))
    low, high = oracle.act_range(chip)
    x = edge_rows(rng, range(low, high + 1), 2, 6 * groups * channels)
    k, n = taps * channels, groups * outputs
    w = edge_rows(rng, oracle.weight_codes(chip), n, k).T
    shape = (-(-k // chip.active_wordlines), len(oracle.conversion_weights(chip)), n)
    errors = drawn_errors(rng, shape, draw(st.sampled_from(KINDS)), 8)
    return Case(
        chip,
        x.reshape(2, 3, 2, groups * channels),
        w.reshape(1, taps, channels, n),
        errors,
        {"groups": groups, "stride": draw(st.sampled_from((1, 2)))},
        rng.integers(0, 2**31, 2),
    )


@every_engine
@examples(4)
@given(case=cases())
def test_engines_equal_the_oracle(engine, case):
    assert_right(case, engine)


@pytest.mark.slow
@every_engine
@examples(15)
@given(case=cases())
def test_engines_equal_the_oracle_at_length(engine, case):
    assert_right(case, engine)


@cache
def plain_case(kinds=("gain", "offset", "bow", "noise"), batch: int = 3, **fields) -> Case:
    """3x3 convolution of small images in three row groups, moderate errors."""
    chip = oracle.OracleChip(
        **{"act_bits": 2, "weight_bits": 2, "adc_bits": 4, "active_wordlines": 20, **fields}
    )
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2**chip.act_bits, (batch, 5, 4, 6))
    w = rng.choice(np.array(oracle.weight_codes(chip)), (3, 3, 6, 4))
    shape = (3, len(oracle.conversion_weights(chip)), 4)
    moderate = {
        name: np.rint(rng.normal(0, size, shape)).astype(int).tolist()
        for name, size in (("gain", 2000), ("offset", 200), ("bow", 200))
        if name in kinds
    }
    if "noise" in kinds:
        moderate |= {"noise_sigma": 150, "noise_key": list(KEY)}
    errors = oracle.OracleColumns(**moderate)
    return Case(chip, x, w, errors, {}, np.array([7, 0, 900][:batch]))


@popcount_first
@pytest.mark.parametrize(
    "fields",
    [
        {"act_bits": 3, "weight_bits": 2},
        {"weight_encoding": "differential", "differential_readout": "paired"},
        pytest.param(
            {"adc_step": Fraction(5, 3), "adc_offset": Fraction(-7, 4)}, marks=pytest.mark.slow
        ),
    ],
    ids=("plain", "paired", "step"),
)
def test_a_convolution_of_several_row_groups(engine, fields):
    assert_right(plain_case(**fields), engine)


@popcount_first
def test_errors_of_zero_are_no_errors(engine):
    case = plain_case()
    spec = bitline_of(case.chip)
    zeros = jax.tree.map(jnp.zeros_like, as_columns(case.errors))
    geometry = resolve(case.x.shape, case.w.shape, 1, "SAME", 1, 1)
    ideal = convolve(
        jnp.asarray(case.x, jnp.int32),
        jnp.asarray(case.w, jnp.int32),
        spec,
        geometry,
        engines.select(engine, spec),
    )
    for got, want in zip(run(case, engine, zeros), ideal, strict=True):
        assert (np.asarray(got) == np.asarray(want)).all()


@popcount_first
def test_noise_belongs_to_the_image_not_to_the_batch(engine):
    case = plain_case()
    whole = run(case, engine)
    picked = slice(2, 3)
    alone = run(case._replace(x=case.x[picked], numbers=case.numbers[picked]), engine)
    for part, all_of in zip(alone, whole, strict=True):
        assert (np.asarray(part)[0] == np.asarray(all_of)[2]).all()
    other = run(case._replace(numbers=case.numbers + 1), engine)
    assert (np.asarray(other.y) != np.asarray(whole.y)).any()


@pytest.mark.parametrize(
    ("engine", "pixels"),
    [
        ("popcount", 9),
        pytest.param("popcount", 45, marks=pytest.mark.slow),
        pytest.param("reference", 9, marks=pytest.mark.slow),
    ],
)
def test_tiles_change_no_noise(engine, pixels, monkeypatch):
    case = plain_case()
    whole = run(case, engine)
    spec = bitline_of(case.chip)
    geometry = resolve(case.x.shape, case.w.shape, 1, "SAME", 1, 1)
    size = engines.select(engine, spec, columns=True).bytes_per_pixel(spec, geometry)
    monkeypatch.setattr(tiling, "TILE_BYTES", pixels * size)
    assert tiling.choose_tiling(3, geometry, size) != tiling.Tiling(3, 5)
    convolve.clear_cache()
    cut = run(case, engine)
    convolve.clear_cache()
    for part, all_of in zip(cut, whole, strict=True):
        assert (np.asarray(part) == np.asarray(all_of)).all()


def test_codes_rise_with_the_offset():
    case = plain_case(("offset",), weight_encoding="offset_binary")
    offsets = np.array(case.errors.offset)
    last = None
    for more in (-600, -1, 0, 40, 41, 3000):
        errors = replace(case.errors, offset=(offsets + more).tolist())
        y = np.asarray(run(case._replace(errors=errors), "popcount").y)
        assert last is None or (y >= last).all()
        last = y


def read_sums(columns: Columns, x: np.ndarray, w: np.ndarray, numbers=None) -> np.ndarray:
    """ADC codes (b, n) in 1/16 cell of one row group of 1-bit inputs x (b, k), cells w (k, n)."""
    chip = oracle.OracleChip(
        act_bits=1,
        weight_bits=1,
        weight_encoding="offset_binary",
        adc_bits=16,
        adc_step=Fraction(1, 16),
        adc_offset=Fraction(-1000),
    )
    spec = bitline_of(chip)
    geometry = resolve((len(x), 1, 1, len(w)), (1, 1, *w.shape), 1, "VALID", 1, 1)
    result = convolve(
        jnp.asarray(x, jnp.int32)[:, None, None],
        jnp.asarray(w - 1, jnp.int32)[None, None],
        spec,
        geometry,
        engines.select("popcount", spec, columns=True),
        columns=columns,
        images=jnp.arange(len(x)) if numbers is None else numbers,
    )
    # The digital term gives back the offset of the converter and the -1 of every weight.
    return np.asarray(result.y)[:, 0, 0] + 16 * x.sum(axis=1)[:, None]


def test_noise_has_the_variance_asked_for():
    count = 400
    sigma = 800
    columns = Columns(noise_sigma=jnp.int32(sigma), noise_key=jnp.array(KEY, jnp.uint32))
    read = read_sums(columns, np.zeros((count, 8), int), np.ones((8, 500), int)) / 16
    # 200,000 draws: the mean and the variance are normal to a good approximation; six standard
    # deviations are passed once in 5e8 times each.
    draws, wanted = read.size, (sigma / 256) ** 2
    assert abs(read.mean()) < 6 * (wanted / draws) ** 0.5
    assert abs(read.var() - wanted) < 6 * wanted * (2 / draws) ** 0.5
    assert np.abs(read).max() <= 4.72 * sigma / 256
    # Neighbours, in every direction, are independent.
    for left, right in ((read[1:], read[:-1]), (read[:, 1:], read[:, :-1])):
        assert abs((left * right).mean()) < 6 * wanted / left.size**0.5


def test_noise_grows_with_the_active_cells():
    rows = np.array([0, 16, 64, 128])
    x = np.repeat((np.arange(128) < rows[:, None]).astype(int), 300, axis=0)
    # A variance of 2500 (1/256 cell)^2 each active cell: sqrt(2500) = 50.
    roots = np.rint(np.sqrt(np.arange(4096) * 100.0)).astype(np.int32)
    columns = Columns(
        noise_variance=jnp.array([4, 0, 25], jnp.int32),
        noise_root=jnp.asarray(roots),
        noise_key=jnp.array(KEY, jnp.uint32),
    )
    w = np.ones((128, 300), int)
    read = read_sums(columns, x, w).reshape(4, -1) / 16 - rows[:, None]
    sigma = np.sqrt(400 + 2500 * rows) / 256
    rounding = 1 / (12 * 16**2)
    for got, wanted in zip(read.var(axis=1), sigma**2 + rounding, strict=True):
        # 90,000 draws each; six standard deviations, and the roots are whole numbers.
        assert abs(got / wanted - 1) < 6 * (2 / read.shape[1]) ** 0.5 + 0.06


def test_a_bow_is_largest_in_the_middle():
    w = np.ones((128, 1), int)
    x = (np.arange(128) < np.arange(129)[:, None]).astype(int)
    chip = oracle.OracleChip(act_bits=1, weight_bits=1, weight_encoding="offset_binary", adc_bits=7)
    bow = [oracle.columns.bow_shape(s, chip) for s in range(129)]
    assert bow[0] == bow[127] == bow[128] == 0
    assert max(bow) == bow[63] == bow[64]
    assert 4080 <= max(bow) <= 4096
    columns = Columns(bow=jnp.full((1, 1, 1), 1 << 12, jnp.int32))
    # The converter spans 4096 cells from -1000 on: 0 .. 128 lies a quarter in.
    read = read_sums(columns, x, w)[:, 0] / 16 - np.arange(129)
    assert (np.diff(read) >= 0).all()
    assert read[0] == pytest.approx(4 * 1000 / 4095 * (3095 / 4095) * 16, abs=0.1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"adc_kind": "none"}, "need an ADC"),
        ({"act_bits": 12, "input_slice_bits": 12, "cell_bits": 8}, "partial sums of up to"),
        ({"adc_bits": 16, "adc_step": Fraction(100)}, "a converter from 0 to 6553500 cells"),
    ],
)
def test_readouts_without_columns(fields, words):
    spec = bitline_of(oracle.OracleChip(**fields))
    assert engines.names(spec, columns=True) == ()
    with pytest.raises(ValueError, match=words):
        engines.select("auto", spec, columns=True)


def test_what_is_missing_is_named():
    spec = bitline_of(oracle.OracleChip())
    assert engines.names(spec, columns=True) == ("popcount", "reference")
    with pytest.raises(ValueError, match="'dot' cannot run this chip: it has ideal columns alone"):
        engines.select("dot", spec, columns=True)
    case = plain_case()
    with pytest.raises(ValueError, match="noise_key: none given"):
        run(case, "popcount", Columns(noise_sigma=jnp.int32(1)))
    with pytest.raises(ValueError, match="noise_root: none given"):
        columns = Columns(
            noise_variance=jnp.zeros(3, jnp.int32), noise_key=jnp.zeros(2, jnp.uint32)
        )
        run(case, "popcount", columns)


@pytest.mark.parametrize("step", (Fraction(1), Fraction(3), Fraction(255, 63)))
@pytest.mark.parametrize("offset", (Fraction(0), Fraction(-7, 4)))
@pytest.mark.parametrize("rounding", ("half_even", "half_up", "floor"))
def test_codes_of_every_effective_sum(step, offset, rounding):
    chip = oracle.OracleChip(adc_bits=4, adc_step=step, adc_offset=offset, adc_rounding=rounding)
    adc, table = fine_transfer(bitline_of(chip))
    sums = np.arange(256 * -40, 256 * 80, dtype=np.int32)
    codes = np.asarray(codes_by_arithmetic(jnp.asarray(sums), adc, False, table))
    assert (codes == np.asarray(codes_by_table(jnp.asarray(sums), table))).all()
    for at in range(0, len(sums), 97):
        assert codes[at] == oracle.convert(Fraction(int(sums[at]), 256), chip)[0]
