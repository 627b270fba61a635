"""Columns of a die: drawn by address, of the size asked for, in every layer that stands there."""

from dataclasses import replace

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.addresses import address_of
from pimjax.network.place import place
from tests.models import RELU, conv, dense, model_of, numbers

IMAGES = numbers(9, 4, 6, 6, 2)
FEW_BITS = {"precision.act_bits": 2, "precision.weight_bits": 2}
"""Each slice and plane is a piece of the program that XLA compiles."""


def program(model=None, images=IMAGES, **overrides) -> pj.Program:
    model = model or model_of(conv(0, 2, 5), RELU, conv(2, 5, 9), RELU, shape=(6, 6, 2))
    chip = pj.load_chip("mram-pim-8b", overrides)
    return pj.compile(model, chip, calibration=images)


def wide_program(**overrides) -> pj.Program:
    """512 rows in 4 row groups, 512 outputs: 16384 columns, each in use once."""
    return program(model_of(dense(0, 512, 512), shape=(512,)), numbers(1, 8, 512), **overrides)


def on_die(program, seed=3):
    return pj.inject(program, [], pj.Die(program.chip, seed))


@pytest.mark.parametrize(
    ("field", "array", "sigma", "expected"),
    [
        ("adc.gain_sigma", "column_gain", 0.02, 0.02 * 65536),
        ("adc.offset_sigma_lsb", "column_offset", 0.5, 128),
        ("adc.inl_lsb", "column_bow", 0.25, 64),
    ],
)
def test_static_errors_have_the_size_asked_for(field, array, sigma, expected):
    """16384 columns: the standard deviation has a relative error of 0.55 %, so 4 % is 7 of its own.

    The means are within 6 deviations of 1/128. False alarms below 1e-8 each.
    """
    compiled = wide_program(**{field: sigma})
    [params] = on_die(compiled).image.values()
    errors = np.asarray(params[array]).astype(float)
    assert errors.shape == (4, 8, 512)
    assert abs(errors.std() / expected - 1) < 0.04
    assert abs(errors.mean()) < 6 / 128 * expected
    assert set(params) - set(next(iter(compiled.image.values()))) == {array}


def test_one_lsb_is_the_layers_own_step():
    from fractions import Fraction

    from pimjax.array.spec import Adc

    model = model_of(dense(0, 64, 16), shape=(64,))
    chip = pj.load_chip("mram-pim-8b", {"adc.offset_sigma_lsb": 0.5})
    images = numbers(1, 8, 64)
    one = pj.compile(model, chip, calibration=images)
    [name] = one.layers
    other = pj.compile(model, chip, calibration=images, adc={name: Adc(step=Fraction(3))})
    ours, theirs = (np.asarray(on_die(p).image[name]["column_offset"]) for p in (one, other))
    assert (np.abs(3 * ours - theirs) <= 2).all()  # each is rounded to 1/256 cell
    assert ours.any()


@pytest.mark.slow
def test_a_column_is_a_bitline_of_a_macro():
    """Equal errors if and only if macro and bitline are equal, over layers that share macros."""
    compiled = place(program(**{"adc.gain_sigma": 0.02}), "packed")
    faulty = on_die(compiled)
    seen = {}
    for layer, codes in pj.weights(compiled).items():
        gain = np.asarray(faulty.image[layer]["column_gain"])
        rows = codes.reshape(-1, codes.shape[-1])
        for t in range(gain.shape[0]):
            for plane in range(8):
                for n in range(codes.shape[-1]):
                    where = address_of(compiled, layer, int(t * 128 * rows.shape[1] + n), plane)
                    column = where.bank, where.macro, where.bitline
                    assert seen.setdefault(column, gain[t, plane, n]) == gain[t, plane, n]
    assert len(set(seen.values())) > 0.9 * len(seen)
    assert len(seen) < sum(p["column_gain"].size for p in faulty.image.values())


@pytest.mark.slow
def test_errors_travel_with_the_die():
    compiled = program(**FEW_BITS, **{"adc.offset_sigma_lsb": 0.5})
    here = on_die(compiled).image["t1"]["column_offset"]
    assert (np.asarray(on_die(compiled).image["t1"]["column_offset"]) == np.asarray(here)).all()
    other_die = on_die(compiled, seed=4).image["t1"]["column_offset"]
    moved = on_die(place(compiled, free=range(100, 200))).image["t1"]["column_offset"]
    assert (np.asarray(other_die) != np.asarray(here)).mean() > 0.9
    assert (np.asarray(moved) != np.asarray(here)).mean() > 0.9
    outputs = pj.run(on_die(compiled), IMAGES)
    assert (outputs != pj.run(on_die(compiled, seed=4), IMAGES)).any()


def test_the_mean_of_conducting_cells_is_an_error_of_the_gain():
    """sigma / sqrt(ones of the column): each class of columns by its own count.

    16384 columns in 2 bands of counts: at 4000 and more of each, 7 % are 6 deviations of a standard
    deviation. False alarms below 1e-8.
    """
    compiled = wide_program(**{"mram.conductance_sigma": 0.04})
    faulty = on_die(compiled)
    [(name, codes)] = pj.weights(compiled).items()
    gain = np.asarray(faulty.image[name]["column_gain"]) / 65536
    bits = (codes[:, None, :] >> np.arange(8)[:, None]) & 1
    ones = bits.reshape(4, 128, 8, 512).sum(axis=1)
    # A cell's deviation of its conductance, in units of the signal (G_P - G_AP): TMR 150 %.
    sigma = 0.04 * 2.5 / 1.5
    normalised = gain * np.sqrt(ones) / sigma
    for band in (ones >= 64, (ones < 64) & (ones > 0)):
        assert band.sum() > 4000
        assert abs(normalised[band].std() - 1) < 0.07


@pytest.mark.slow
def test_noise_has_a_key_of_its_own_in_every_layer_and_is_fresh_by_image():
    compiled = program(**FEW_BITS, **{"adc.noise_sigma_lsb": 0.5})
    faulty = on_die(compiled)
    keys = {tuple(np.asarray(p["noise_key"]).tolist()) for p in faulty.image.values()}
    assert len(keys) == len(faulty.image)
    assert all(int(p["noise_sigma"]) == 128 for p in faulty.image.values())
    same = np.repeat(IMAGES[:1], 4, axis=0)
    outputs = pj.run(faulty, same)
    assert (outputs[0] != outputs[1]).any()
    assert (pj.run(faulty, same, batch_size=1) == outputs).all()
    assert (pj.run(faulty, same[:1], first=3)[0] == outputs[3]).all()


def test_noise_that_grows_with_the_current():
    """Variances of blocking and conducting cells, in one unit: 1 : (R_AP/R_P)^2 = 1 : 6.25."""
    faulty = on_die(program(**{"mram.read_noise_sigma": 0.04}))
    params = faulty.image["t3"]
    constant, driven, active = np.asarray(params["noise_variance"]).tolist()
    root = np.asarray(params["noise_root"])
    assert constant == 0
    assert (driven + active) / driven == pytest.approx(6.25, rel=0.03)
    # 45 rows, all of them conducting: sigma = 0.04 * 2.5 / 1.5 cells each.
    assert root[45 * (driven + active)] == pytest.approx(256 * 0.04 * 2.5 / 1.5 * 45**0.5, rel=0.03)


def test_a_chip_with_errors_needs_a_die():
    compiled = program(**FEW_BITS, **{"adc.gain_sigma": 0.02})
    with pytest.raises(ValueError, match=r"adc\.gain_sigma = 0\.02: .* pj\.inject\(program"):
        pj.run(compiled, IMAGES)
    assert pj.run(on_die(compiled), IMAGES).shape == (4, 6, 6, 9)
    assert "column_gain" not in on_die(program()).image["t1"]


@pytest.mark.parametrize("readout", [{"adc.kind": "none"}, {"array.readout": "digital"}])
def test_what_has_no_converter_has_no_errors_of_one(readout):
    with pytest.raises(ValueError, match=r"adc\.gain_sigma = 0\.02: .* need an ADC.*set it to 0"):
        pj.load_chip("mram-pim-8b", {"adc.gain_sigma": 0.02, **readout})


def test_an_accumulator_must_hold_whatever_noise_makes_of_it():
    """Zero weights need one bit; with noise any code can come out of any conversion."""
    model = model_of(dense(0, 16, 4), shape=(16,))
    narrow = {"precision.accumulator_bits": 20, "array.active_wordlines": 16, "adc.bits": 5}
    images = numbers(1, 8, 16)
    assert program(model, images, **narrow)
    noisy = program(model, images, **narrow, **{"adc.noise_sigma_lsb": 0.5})
    with pytest.raises(ValueError, match=r"accumulator_bits = 20: .* needs 2\d bits"):
        on_die(noisy)


@pytest.mark.slow
def test_a_program_with_columns_is_saved(tmp_path):
    faulty = on_die(program(**FEW_BITS, **{"adc.gain_sigma": 0.02, "adc.noise_sigma_lsb": 0.3}))
    faulty.save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert loaded.digest == faulty.digest
    assert (pj.run(loaded, IMAGES) == pj.run(faulty, IMAGES)).all()


def test_a_file_with_impossible_columns_is_refused(tmp_path):
    faulty = on_die(program(**{"adc.gain_sigma": 0.02}))
    image = dict(faulty.image)
    image["t1"] = {**image["t1"], "column_gain": image["t1"]["column_gain"] + (1 << 20)}
    replace(faulty, image=image).save(tmp_path / "net.pim")
    with pytest.raises(ValueError, match="column_gain"):
        pj.load_program(tmp_path / "net.pim")


def test_steps_are_chosen_as_for_ideal_columns():
    """Calibration looks at exact sums; which columns a die has is not known then."""
    model = model_of(conv(0, 2, 5), RELU, shape=(6, 6, 2))
    errors = {"adc.noise_sigma_lsb": 0.5, "mram.conductance_sigma": 0.04}
    chips = [pj.load_chip("mram-pim-8b", values | {"adc.bits": 4}) for values in ({}, errors)]
    programs = [pj.compile(model, chip, IMAGES, adc="mse") for chip in chips]
    settings = [[layer.op.adc for layer in p.plan.graph.layers] for p in programs]
    assert settings[0] == settings[1]
    assert settings[0][0] is not None
    assert chips[1].with_ideal_columns() == chips[0]
