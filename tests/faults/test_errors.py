"""Bad input: one sentence that names the path, the value, and what to do."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from tests.faults.build import CHIP, chip_of, program_of, random_codes

f = pj.faults
PROGRAM = program_of(CHIP, conv1=random_codes(CHIP, (2, 2, 3, 4)), dense=random_codes(CHIP, (9, 5)))
NAN, INF = float("nan"), float("inf")

MADE = [
    (lambda: f.BitFlip(rate=1.5), ValueError, "BitFlip.rate = 1.5", "0..1"),
    (lambda: f.BitFlip(rate=-1e-9), ValueError, "BitFlip.rate = -1e-09", "0..1"),
    (lambda: f.BitFlip(rate=NAN), ValueError, "BitFlip.rate = nan", "number"),
    (lambda: f.BitFlip(p01=2, p10=0), ValueError, "BitFlip.p01 = 2", "0..1"),
    (lambda: f.BitFlip(p01=0, p10=INF), ValueError, "BitFlip.p10 = inf", "number"),
    (lambda: f.BitFlip(rate="1e-3"), TypeError, "BitFlip.rate = '1e-3'", "number"),
    (lambda: f.BitFlip(rate=True), TypeError, "BitFlip.rate = True", "number"),
    (lambda: f.BitFlip(rate=np.array([0.1])), TypeError, "BitFlip.rate", "number"),
    (lambda: f.BitFlip(), ValueError, "BitFlip", "rate, or p01 and p10"),
    (lambda: f.BitFlip(rate=0.1, p01=0.1), ValueError, "BitFlip", "rate, or p01 and p10"),
    (lambda: f.BitFlip(rate=0.1, layers=3), TypeError, "BitFlip.layers = 3", "name"),
    (lambda: f.BitFlip(rate=0.1, layers=[1]), TypeError, "BitFlip.layers = [1]", "name"),
    (lambda: f.BitFlip(rate=0.1, planes=0.5), TypeError, "BitFlip.planes = 0.5", "integer"),
    (lambda: f.BitFlip(rate=0.1, planes="01"), TypeError, "BitFlip.planes = '01'", "integer"),
    (lambda: f.BitFlip(rate=0.1, banks=[True]), TypeError, "BitFlip.banks = [True]", "integer"),
    (lambda: f.FlipCount(-1), ValueError, "FlipCount.count = -1", "integer from 0"),
    (lambda: f.FlipCount(2.5), ValueError, "FlipCount.count = 2.5", "integer from 0"),
    (lambda: f.FlipCount(True), ValueError, "FlipCount.count = True", "integer from 0"),
    (lambda: f.FlipCells([(1, 2, 3)]), ValueError, "FlipCells.addresses: (1, 2, 3)", "bitline"),
    (lambda: f.FlipCells([(0, 0, 0, 0.5)]), ValueError, "FlipCells.addresses", "bitline"),
    (lambda: f.StuckAt(2, 0.1), ValueError, "StuckAt.value = 2", "0 or 1"),
    (lambda: f.StuckAt(True, 0.1), ValueError, "StuckAt.value = True", "0 or 1"),
    (lambda: f.StuckAt(1, 1.01), ValueError, "StuckAt.rate = 1.01", "0..1"),
    (lambda: f.BrokenWordlines(-0.1), ValueError, "BrokenWordlines.rate = -0.1", "0..1"),
    (lambda: f.BrokenBitlines(7), ValueError, "BrokenBitlines.rate = 7", "0..1"),
    (lambda: f.DeadMacros(0.1, 3), ValueError, "DeadMacros.value = 3", "0 or 1"),
    (lambda: f.Clusters(0.5), ValueError, "Clusters.rate = 0.5", "at most 0.0625"),
    (lambda: f.Clusters(1e-3, 0.5), ValueError, "Clusters.mean_size = 0.5", "1..64"),
    (lambda: f.Clusters(1e-3, 8, -1), ValueError, "Clusters.radius_cells = -1", "0..64"),
    (lambda: f.WriteErrors(retries=-1), ValueError, "WriteErrors.retries = -1", "from 0"),
    (lambda: f.WriteErrors(before="ramdom"), ValueError, "WriteErrors.before = 'ramdom'", "random"),
    (lambda: f.WriteErrors(sigma=9), ValueError, "WriteErrors.sigma = 9", "0..5"),
    (lambda: f.Retention(), ValueError, "Retention", "time_s and temperature_k, or a profile"),
    (lambda: f.Retention(time_s=1.0), ValueError, "Retention", "time_s and temperature_k"),
    (lambda: f.Retention(1.0, 300.0, [(300, 1)]), ValueError, "Retention", "or a profile"),
    (lambda: f.Retention(-1.0, 300.0), ValueError, "Retention.time_s = -1", "from 0"),
    (
        lambda: f.Retention(1.0, 85.0),
        ValueError,
        "Retention.temperature_k = 85",
        "85 C is 358.15 K",
    ),
    (lambda: f.Retention(1.0, 701.0), ValueError, "Retention.temperature_k = 701", "kelvin"),
    (lambda: f.Retention(1.0, NAN), ValueError, "Retention.temperature_k = nan", "kelvin"),
    (lambda: f.Retention("a year", 300.0), TypeError, "Retention.time_s = 'a year'", "number"),
    (lambda: f.Retention(profile=[(85.0, 9.0)]), ValueError, "85", "85 C is 358.15 K"),
    (lambda: f.Retention(profile=[(358.0, -9.0)]), ValueError, "-9", "from 0"),
    (lambda: f.Retention(profile=[358.0]), ValueError, "Retention.profile", "(temperature in K"),
    (lambda: f.Retention(profile=[]), ValueError, "Retention.profile", "(temperature in K"),
    (lambda: f.Retention(1.0, 300.0, sigma=0.5), ValueError, "Retention.sigma = 0.5", "0..0.3"),
    (
        lambda: f.Retention(1.0, 300.0, thermal_stability=0),
        ValueError,
        "Retention.thermal_stability = 0",
        "1..1000",
    ),
    (lambda: f.ReadDisturb(-1), ValueError, "ReadDisturb.inferences = -1", "from 0"),
    (lambda: f.ReadDisturb(1, activity=2), ValueError, "ReadDisturb.activity = 2", "0..1"),
    (lambda: f.ReadDisturb(1, temperature_k=25), ValueError, "temperature_k = 25", "kelvin"),
    (lambda: f.ReadDisturb(1, current_ratio=1), ValueError, "current_ratio = 1", "0..0.99"),
    (lambda: f.ReadDisturb(1, exponent=3), ValueError, "ReadDisturb.exponent = 3", "1 or 2"),
    (lambda: f.ReadDisturb(1, disturbed=2), ValueError, "ReadDisturb.disturbed = 2", "0 or 1"),
    (lambda: f.SensingErrors(read=-1), ValueError, "SensingErrors.read = -1", "from 0"),
    (lambda: f.SensingErrors(tmr=0), ValueError, "SensingErrors.tmr = 0", "100"),
    (lambda: pj.Die("mram-pim-8b"), TypeError, "die: str", "pj.load_chip"),
    (lambda: pj.Die(CHIP, 1.5), TypeError, "die: seed = 1.5", "integer"),
    (lambda: pj.Die(CHIP, True), TypeError, "die: seed = True", "integer"),
    (lambda: pj.Die(CHIP, -1), ValueError, "die: seed = -1", "2^64 - 1"),
    (lambda: pj.Die(CHIP, 2**64), ValueError, "die: seed = 18446744073709551616", "2^64 - 1"),
]

BITS = (2 * 2 * 3 * 4 + 9 * 5) * 8

INJECTED = [
    (
        f.BitFlip(rate=0.1, layers="cnov1"),
        ValueError,
        "BitFlip.layers: no layer 'cnov1'",
        "'conv1'",
    ),
    (f.BitFlip(rate=0.1, layers="xyz"), ValueError, "no layer 'xyz'", "conv1, dense"),
    (f.BitFlip(rate=0.1, planes=8), ValueError, "BitFlip.planes: 8", "0..7"),
    (f.BitFlip(rate=0.1, planes=-1), ValueError, "BitFlip.planes: -1", "0..7"),
    (f.BitFlip(rate=0.1, banks=40), ValueError, "BitFlip.banks: 40", "0..39"),
    (f.StuckAt(0, 0.1, banks=99), ValueError, "StuckAt.banks: 99", "0..39"),
    (f.FlipCount(BITS + 1), ValueError, f"FlipCount.count = {BITS + 1}", f"the {BITS} stored bits"),
    (f.FlipCount(49, planes=0, layers="conv1"), ValueError, "count = 49", "the 48 stored bits"),
    (f.FlipCount(1, layers="cv"), ValueError, "FlipCount.layers: no layer 'cv'", ""),
    (f.FlipCells([(0, 0, 256, 0)]), ValueError, "wordline 256", "0..255"),
    (f.FlipCells([(0, 0, 0, 0), (0, 64, 0, 0)]), ValueError, "macro 64", "0..63"),
    (f.FlipCells([(0, 0, 0, 512)]), ValueError, "bitline 512", "0..511"),
    (f.FlipCells([(0, 0, 0, -1)]), ValueError, "bitline -1", "0..511"),
    (f.FlipCells([(40, 0, 0, 0)]), ValueError, "bank 40", "0..39"),
    (f.FlipCells([(0, 0, 0, 0, 1)]), ValueError, "level 1", "0..0"),
    (f.WriteErrors(overdrive=1.2), ValueError, "overdrive", "1.5"),
    (f.WriteErrors(pulse_ns=-1.0), ValueError, "pulse", "-1"),
    ("BitFlip", TypeError, "'BitFlip' is no fault", "StuckAt"),
    (f.BitFlip, TypeError, "is no fault", "pj.faults has"),
    (None, TypeError, "None is no fault", "pj.faults has"),
]


def refused(action, kind, *words):
    with pytest.raises(kind) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(("make", "kind", "what", "remedy"), MADE, ids=[m[2] for m in MADE])
def test_refused_where_it_is_made(make, kind, what, remedy):
    refused(make, kind, what, remedy)


@pytest.mark.parametrize(
    ("fault", "kind", "what", "remedy"), INJECTED, ids=[m[2] for m in INJECTED]
)
def test_refused_by_the_program(fault, kind, what, remedy):
    refused(lambda: pj.inject(PROGRAM, [fault], pj.Die(CHIP)), kind, what, remedy)


def test_a_single_fault_is_a_list_of_one():
    alone, listed = (pj.inject(PROGRAM, given, pj.Die(CHIP)) for given in (ONE, [ONE]))
    assert alone.digest == listed.digest != PROGRAM.digest


ONE = f.BitFlip(rate=0.1)

NO_PROGRAM_OR_DIE = [
    ((None, [ONE], pj.Die(CHIP)), "program: NoneType given"),
    ((PROGRAM, [ONE], CHIP), "die: Chip given"),
    ((PROGRAM, None, pj.Die(CHIP)), "faults: None given"),
]


@pytest.mark.parametrize(("given", "what"), NO_PROGRAM_OR_DIE, ids=["program", "die", "faults"])
def test_what_is_no_program_and_no_die(given, what):
    refused(lambda: pj.inject(*given), TypeError, what)


@pytest.mark.parametrize("kind", [np.float64, np.float32, jnp.float32])
def test_scalars_of_arrays_are_numbers(kind):
    fault = f.BitFlip(rate=kind(0.25))
    assert fault == f.BitFlip(rate=0.25)
    assert type(fault.rate) is float


def test_dies_of_other_chips():
    other = replace(CHIP, name="another")
    refused(
        lambda: pj.inject(PROGRAM, [], pj.Die(other)),
        ValueError,
        "'another'",
        f"{CHIP.name!r}",
        "pj.Die(program.chip, seed)",
    )
    for own in (
        chip_of(array={"wordlines": 512}),
        chip_of(mram={"thermal_stability": 60.0}),
        chip_of(precision={"cell_bits": 2}),
    ):
        refused(lambda own=own: pj.inject(PROGRAM, [], pj.Die(own)), ValueError, "differ", "pj.Die")
    # Converters are no part of the memory.
    assert pj.inject(PROGRAM, [], pj.Die(chip_of(adc={"bits": 5}))).chip == CHIP


def test_policies_for_detected_words():
    refused(
        lambda: pj.inject(PROGRAM, [], pj.Die(CHIP), uncorrectable="zeros"),
        ValueError,
        "uncorrectable = 'zeros'",
        "raw, zero, trap",
    )


def test_nothing_is_lost_by_a_refusal():
    before = {name: w.copy() for name, w in pj.weights(PROGRAM).items()}
    for fault, *_ in INJECTED:
        with pytest.raises((ValueError, TypeError)):
            pj.inject(PROGRAM, [f.BitFlip(rate=1), fault], pj.Die(CHIP))
    assert all((pj.weights(PROGRAM)[name] == w).all() for name, w in before.items())
