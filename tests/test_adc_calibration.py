"""The settings chosen for each ADC against exact rationals, and what they do to whole networks."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.array.partial_sums import Histogram
from pimjax.frontend import adc as adc_module
from pimjax.frontend.adc import IMAGES, AdcChoice, calibrate_adc, choose_adc, step_grid
from pimjax.frontend.bind import bind
from pimjax.frontend.fold import fold
from pimjax.frontend.report import compare
from tests import oracle
from tests.models import RELU, conv, dense, model_of
from tests.support import bitline_of, examples

# One layer: choose_adc against every setting of its grid


def offsets(largest: int) -> list[Fraction]:
    """Whole cells, 17 of them from 0 to half the largest sum, evenly spread."""
    return [Fraction(x) for x in sorted({round(largest * i / 32) for i in range(17)})]


def exact_judgement(histogram, chip) -> tuple[Fraction, Fraction]:
    """(clipped share, mean squared error of the accumulators) of one setting, in rationals."""
    step, offset = Fraction(chip.adc_step), Fraction(chip.adc_offset)
    codes = {int(sum_): oracle.convert(int(sum_), chip) for sum_ in histogram.sums}
    counts = dict(zip(map(int, histogram.sums), map(int, histogram.counts), strict=True))
    clipped = sum(counts[sum_] for sum_, (_, low, high) in codes.items() if low or high)
    squared = Fraction(0)
    for product in histogram.sample.tolist():
        errors = (codes[sum_][0] * step + offset - sum_ for sum_ in product)
        weighted = zip(errors, histogram.weights.tolist(), strict=True)
        squared += sum(error * int(weight) for error, weight in weighted) ** 2
    share = Fraction(clipped, max(1, sum(counts.values())))
    return share, squared / max(1, len(histogram.sample))


def histogram_of(low, high, sample, weights) -> Histogram:
    """The histogram of these dot products."""
    sample = np.asarray(sample).reshape(-1, len(weights))
    counts = np.bincount(sample.ravel() - low, minlength=high - low + 1)
    return Histogram(low, counts, sample, np.array(weights, float))


def settings(histogram, chip, offset_too: bool):
    """Every setting of the grid."""
    largest = max(abs(int(histogram.low)), int(histogram.sums[-1]))
    high = oracle.code_range(chip)[1]
    for step in step_grid(Fraction(largest, high) if high else Fraction(2 * largest + 1)):
        for offset in offsets(largest) if offset_too and not chip.paired else [Fraction(0)]:
            yield replace(chip, adc_step=step, adc_offset=offset)


@st.composite
def histograms(draw):
    """Sums that are skewed to small ones, as real partial sums are, and a chip to read them."""
    paired = draw(st.booleans())
    largest = draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    low = -largest if paired else 0
    sums = low + rng.binomial(largest - low, rng.beta(1, 3), (12, 6))
    histogram = histogram_of(low, largest, sums, rng.choice([-8, -4, 1, 2, 4], 6))
    chip = oracle.OracleChip(
        weight_encoding="differential" if paired else "twos_complement",
        differential_readout="paired",
        adc_bits=draw(st.integers(1, 6)),
        adc_rounding=draw(st.sampled_from(["half_even", "half_up", "floor"])),
        adc_symmetric=draw(st.booleans()),
        adc_step=Fraction(draw(st.integers(1, 12)), draw(st.integers(1, 7))),
        adc_offset=Fraction(draw(st.integers(-3, 3)), 2),
    )
    return histogram, chip


def assert_judged(choice: AdcChoice, histogram, chip) -> tuple[Fraction, Fraction]:
    """The choice keeps bits and rounding, and says truly what it does."""
    found = replace(chip, adc_step=choice.adc.step, adc_offset=choice.adc.offset)
    assert choice.adc == bitline_of(found).adc
    share, squared = exact_judgement(histogram, found)
    assert choice.clipped_share == float(share)
    assert choice.rms_error == pytest.approx(float(squared) ** 0.5, rel=1e-9, abs=1e-12)
    return share, squared


@pytest.mark.slow
@given(histograms())
@examples(40)
def test_the_least_squared_error_of_the_grid(case):
    histogram, chip = case
    _, squared = assert_judged(choose_adc(histogram, bitline_of(chip), None), histogram, chip)
    candidates = [chip, *settings(histogram, chip, offset_too=True)]
    best = min(exact_judgement(histogram, candidate)[1] for candidate in candidates)
    assert squared <= best * (1 + Fraction(1, 10**9))


@pytest.mark.slow
@given(histograms(), st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5]))
@examples(60)
def test_the_smallest_step_that_clips_little_enough(case, limit):
    histogram, chip = case
    shares = {
        candidate.adc_step: exact_judgement(histogram, candidate)[0]
        for candidate in settings(histogram, chip, offset_too=False)
    }
    allowed = [step for step, share in shares.items() if share <= Fraction(limit)]
    if not allowed:  # a symmetric signed converter of one bit has the code 0 alone
        assert (chip.paired, chip.adc_bits, chip.adc_symmetric) == (True, 1, True)
        with pytest.raises(ValueError, match="clips a share of"):
            choose_adc(histogram, bitline_of(chip), limit)
        return
    choice = choose_adc(histogram, bitline_of(chip), limit)
    share, _ = assert_judged(choice, histogram, chip)
    assert choice.adc.step == min(allowed)
    assert choice.adc.offset == 0
    assert share <= Fraction(limit)


@given(st.integers(1, 1 << 24), st.integers(1, 63))
@examples(60)
def test_the_grid_of_steps(largest, codes):
    bound = Fraction(largest, codes)
    steps = step_grid(bound)
    assert steps[0] == 1
    assert steps[-1] >= bound and all(step < bound for step in steps[:-1])
    for before, after in pairwise(steps):
        assert 0 < after - before <= max(Fraction(1, 8), before / 16)
        octave = max(2, int(before).bit_length() - 1)
        assert (after * 32 / 2**octave).denominator == 1 or before < 4
        assert (after * 8).denominator == 1
    assert len(steps) <= 48 + 16 * 24


def test_by_hand():
    """Sums 0 and 10 in equal number, and the codes 0 to 3."""
    histogram = histogram_of(0, 10, [[0], [10]], [1])
    spec = bitline_of(oracle.OracleChip(adc_bits=2))
    # In eighths, code 3 comes nearest to 10 with a step of 27/8: 81/8.
    choice = choose_adc(histogram, spec, None)
    assert (choice.adc.step, choice.adc.offset) == (Fraction(27, 8), 0)
    assert choice.clipped_share == 0
    assert choice.rms_error == pytest.approx((0.125**2 / 2) ** 0.5)
    # 10 / 3 is rounded down to 3, 10 / (23/8) = 3.48 as well, 10 / (22/8) = 3.64 is not.
    assert choose_adc(histogram, spec, 0.0).adc.step == Fraction(23, 8)
    assert choose_adc(histogram, spec, 0.5).adc.step == 1


def test_nothing_seen_leaves_the_chips_own_settings():
    histogram = histogram_of(0, 8, np.zeros((0, 2), int), [1, 2])
    spec = bitline_of(oracle.OracleChip(adc_step=Fraction(5, 3), adc_offset=Fraction(1, 2)))
    choice = choose_adc(histogram, spec, None)
    assert choice == AdcChoice(spec.adc, 0.0, 0.0)


def test_wide_sums_take_no_longer_than_narrow_ones():
    """A readout of full 8-bit digits: sums to 128 * 255 * 255 in 6 bits."""
    largest = 128 * 255 * 255
    sums = np.random.default_rng(0).integers(0, largest // 5, (300, 1))
    spec = bitline_of(oracle.OracleChip())
    choice = choose_adc(histogram_of(0, largest, sums, [1]), spec, None)
    assert largest / 5 / 66 < choice.adc.step < largest / 5 / 60
    assert choice.rms_error < choice.adc.step


# Whole networks


def network():
    return model_of(
        conv(0, 3, 8),
        RELU,
        conv(2, 8, 8, groups=8),
        RELU,
        conv(4, 8, 12, stride=(2, 2)),
        RELU,
        dense(6, 12, 5),
        shape=(6, 6, 3),
    )


def images(count=12, seed=3):
    scale = np.linspace(0.3, 2, count, dtype=np.float32)[:, None, None, None]
    noise = np.random.default_rng(seed).normal(size=(count, 6, 6, 3)).astype(np.float32)
    return noise * scale


def quantized(chip, values):
    from pimjax.frontend.compile import _quantized

    return _quantized(fold(network()), chip, values, "mse", 99.99)


CHIPS = {
    "default": {"adc.bits": 3},
    "floor": {"adc.bits": 3, "adc.rounding": "floor", "array.active_wordlines": 40},
    "channels": {"adc.bits": 2, "array.row_order": "channel_kernel", "array.active_wordlines": 20},
    "paired": {
        "adc.bits": 3,
        "precision.weight_encoding": "differential",
        "precision.differential_readout": "paired",
    },
    "digits": {"adc.bits": 4, "precision.cell_bits": 2, "precision.input_slice_bits": 2},
}


def chip_of(name="default"):
    """Codes of 4 bits, which compile quickly."""
    few_bits = {"precision.act_bits": 4, "precision.weight_bits": 4}
    return pj.load_chip("mram-pim-8b", CHIPS[name] | few_bits)


def array_adcs(program):
    """{layer on the array: its own settings or None}."""
    layers = program.plan.graph.layers
    return {layer.name: layer.op.adc for layer in layers if layer.op.place == "array"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "criterion", "checked"),
    [
        ("default", "mse", (0, 1)),
        ("default", "clip:0.01", (2, 3)),
        ("floor", "mse", (2,)),
        ("channels", "clip:0.02", (2,)),
        ("paired", "mse", (2,)),
        ("digits", "mse", (2,)),
    ],
)
def test_what_is_reported_is_what_happens(name, criterion, checked, monkeypatch):
    """With every conversion looked at, a layer clips on the same codes exactly what was said."""
    monkeypatch.setattr(adc_module, "CONVERSIONS", 1 << 40)
    chip, values = chip_of(name), images(IMAGES)
    model = quantized(chip, values)
    choices = calibrate_adc(model, chip, values, criterion)
    on_array = [layer.name for layer in model.graph.layers if layer.op.place == "array"]
    assert [*choices] == on_array
    for choice in choices.values():
        adc = choice.adc
        assert (adc.kind, adc.bits) == (chip.adc.kind, chip.adc.bits)
        assert (adc.rounding, adc.symmetric) == (chip.adc.rounding, chip.adc.symmetric)
        # The setting is one that a chip may have.
        assert replace(chip, adc=replace(chip.adc, step=adc.step, offset=adc.offset))
    # One layer at a time converts; the others pass exact sums on, as when the choice was made.
    ideal = replace(chip, adc=replace(chip.adc, kind="none"))
    for layer in (on_array[index] for index in checked):
        program = bind(model, ideal, {layer: choices[layer].adc})
        stats = pj.run(program, values, trace=True)[1][layer].stats
        assert stats.clipped_share == choices[layer].clipped_share
        if criterion != "mse":
            assert stats.clipped_share <= float(criterion.partition(":")[2])


@pytest.mark.slow
def test_some_conversions_speak_for_all(monkeypatch):
    """Some of 36 pixels of 8 images: the step that clips 5 % of them is about the same."""
    chip, values = chip_of(), images(IMAGES)
    model = quantized(chip, values)
    steps = []
    for conversions in (1 << 40, 1 << 12):
        monkeypatch.setattr(adc_module, "CONVERSIONS", conversions)
        chosen = calibrate_adc(model, chip, values, "clip:0.05")
        steps.append([choice.adc.step for choice in chosen.values()])
        assert all(choice.clipped_share <= 0.05 for choice in chosen.values())
    for every, some in zip(*steps, strict=True):
        assert some == pytest.approx(every, rel=0.3)


@pytest.mark.slow
def test_images_are_spread_over_all_that_are_given():
    """The first eight are dark; what is chosen must know the others."""
    chip = chip_of()
    values = images(40)
    dark = values.copy()
    dark[:IMAGES] = 0
    dark[:IMAGES, 0, 0, 0] = 0.01
    model = quantized(chip, values)
    spread = np.linspace(0, 39, IMAGES).astype(int)
    assert calibrate_adc(model, chip, dark) == calibrate_adc(model, chip, dark[spread])
    assert calibrate_adc(model, chip, dark) != calibrate_adc(model, chip, dark[:IMAGES])


def wide_network():
    """A first layer of 27 inputs, and one of 216: two row groups that 3 bits cannot hold."""
    return model_of(conv(0, 3, 24), RELU, conv(2, 24, 6, stride=(2, 2)), shape=(6, 6, 3))


@pytest.fixture(scope="module")
def two_programs():
    """The wide network with a 3-bit ADC as it is, and calibrated."""
    chip = chip_of()
    return [pj.compile(wide_network(), chip, images(), adc=how) for how in ("chip", "mse")]


@pytest.mark.slow
def test_calibration_raises_the_signal_above_the_noise(two_programs):
    """On other images than those it saw."""
    others = images(16, seed=8)
    reports = [compare(program, others, wide_network()) for program in two_programs]
    for before, after, gain in zip(reports[0].layers, reports[1].layers, (5, 2), strict=True):
        assert after.own_sqnr_db > before.own_sqnr_db + gain
        assert after.sqnr_db > before.sqnr_db + 1


@pytest.mark.slow
def test_the_settings_stay_with_the_program(two_programs, tmp_path):
    program, values = two_programs[1], images()
    held = array_adcs(program)
    assert None not in held.values() and len(set(held.values())) > 1
    program.save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert loaded.plan == program.plan and loaded.digest == program.digest
    before, after = (pj.run(one, values, trace=True)[1] for one in (program, loaded))
    for name in held:
        assert after[name].stats == before[name].stats
        assert (after[name].accumulator == before[name].accumulator).all()
    description = program.describe()
    assert {row.name: row.adc for row in description.array_rows} == held
    lines = {line.split()[0]: line for line in description.table(160).splitlines() if line}
    for name, adc in held.items():
        assert f"3 bits, step {adc.step}" in lines[name]
        assert (f"offset {adc.offset}" in lines[name]) == (adc.offset != 0)


@pytest.mark.slow
def test_settings_of_single_layers():
    chip, values = chip_of(), images()
    choices = calibrate_adc(quantized(chip, values), chip, values)
    name, choice = next(iter(choices.items()))
    program = pj.compile(network(), chip, values, adc={name: choice.adc})
    held = {
        layer.name: layer.op.adc for layer in program.plan.graph.layers if hasattr(layer.op, "adc")
    }
    assert held == {other: choice.adc if other == name else None for other in choices}
    with pytest.raises(pj.ModelError, match="no layer 'nonsense' on the array"):
        pj.compile(network(), chip, values, adc={"nonsense": choice.adc})


def test_without_an_adc_there_is_nothing_to_choose():
    chip, values = pj.load_chip("mram-pim-digital"), images()
    assert calibrate_adc(quantized(chip, values), chip, values) == {}
    assert calibrate_adc(quantized(chip, values), chip, values, "clip:0.1") == {}
    plain, chosen = (pj.compile(network(), chip, values, adc=how) for how in ("chip", "mse"))
    assert plain.digest == chosen.digest


def test_a_narrow_accumulator_suffices_for_the_codes_alone():
    """15 * 255 * 128 a row group fits 20 bits signed; exact sums of 128 rows would not."""
    overrides = {"adc.bits": 4, "precision.accumulator_bits": 20}
    chip, values = pj.load_chip("mram-pim-8b", overrides), images()
    with pytest.raises(ValueError, match="accumulator_bits"):
        replace(chip, adc=replace(chip.adc, kind="none"))
    assert pj.compile(network(), chip, values, adc="mse")


@pytest.mark.parametrize(
    "criterion", ["nonsense", "", "clip", "clip:", "clip:much", "clip:1", "clip:-0.1", "clip:nan"]
)
def test_another_criterion_is_refused(criterion):
    chip, values = chip_of(), images()
    with pytest.raises(ValueError, match=r"'mse' or 'clip:0\.001' expected") as refusal:
        calibrate_adc(quantized(chip, values), chip, values, criterion)
    assert repr(criterion) in str(refusal.value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x[0], "for one image"),
        (lambda x: x[:, :5], "shape"),
        (lambda x: x[:0], "none given"),
        (lambda x: x * 0, "zero"),
        (lambda x: x * np.nan, "finite"),
        (lambda x: np.float32(5), "shape"),
    ],
)
def test_images_that_are_refused(spoil, words):
    """Also for a model that came quantised, whose ranges need no images."""
    chip, values = chip_of(), images()
    model = quantized(chip, values)
    with pytest.raises(ValueError, match=words):
        pj.compile(model, chip, spoil(values), adc="mse")
    with pytest.raises(pj.ModelError, match="pass calibration="):
        pj.compile(model, chip, adc="mse")


def test_errors_that_cancel_are_no_errors():
    """Two conversions of 9 with codes to 7: worth 1 and -1 they may clip, worth 1 and 1 not.

    Code 6 of a step of 3/2 is 9 exactly; no smaller step of the grid has 0 and 9.
    """
    spec = bitline_of(oracle.OracleChip(adc_bits=3))
    for weights, wanted in (((1, -1), Fraction(1)), ((1, 1), Fraction(3, 2))):
        histogram = histogram_of(0, 12, [[9, 9], [0, 0]], weights)
        assert choose_adc(histogram, spec, None).adc.step == wanted


def test_the_brute_force_by_hand():
    """One bit, step 1: sums 0 to 3 become 0, 1, 1, 1, and 2 and 3 are clipped."""
    chip = oracle.OracleChip(adc_bits=1)
    histogram = histogram_of(0, 3, [[0, 1], [1, 2], [2, 3], [3, 3]], [1, 2])
    share, squared = exact_judgement(histogram, chip)
    assert share == Fraction(5, 8)
    # Errors 0, -1 and -2: 0, 0 + 2 * -1, -1 + 2 * -2, -2 + 2 * -2.
    assert squared == Fraction(0 + 4 + 25 + 36, 4)
