"""Faults one after the other: write, rest, stuck, sense; and what each mechanism may do.

The chance that a right library fails here because of the seeds chosen is below 1e-7: some forty
statements of 1e-9 each.
"""

from functools import cache
from itertools import permutations
from math import erfc, exp, expm1, sqrt

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.accesses import reads_per_image
from pimjax.die.addresses import AddressMap, address_of
from tests.faults.build import bits_of, chip_of, flips, program_of, random_codes
from tests.faults.chance import assert_binomial, assert_uniform

SIZE = (256, 192)
CELLS = 256 * 192 * 8


@cache
def chip(readout="bitline"):
    return chip_of(array={"readout": readout})


@cache
def program(code=None, readout="bitline"):
    own = chip(readout)
    codes = random_codes(own, SIZE) if code is None else np.full(SIZE, code)
    return program_of(own, a=codes)


def after(*faults, code=None, seed=1, readout="bitline") -> np.ndarray:
    die = pj.Die(chip(readout), seed)
    return bits_of(pj.inject(program(code, readout), faults, die), "a")


BEFORE = bits_of(program(), "a")


def by_hand(bits, *steps):
    """What steps leave, one after the other: each says which cells it takes, and makes what."""
    for hit, value in steps:
        bits = np.where(hit, ~bits if value is None else bool(value), bits)
    return bits


@pytest.mark.parametrize(
    ("share", "sigma"),
    [(0.015, 0.183), pytest.param(0.15, 0.5, marks=pytest.mark.slow)],
    ids=["by list", "by cell"],
)
def test_stages_in_their_order_whatever_the_list(share, sigma):
    """Every mechanism's own cells, found alone, applied by hand in the order of the stages.

    A flip at rest and a sensing error have cells of their own that do not depend on what is
    stored, and so has a stuck cell.
    """
    rest, sense = pj.faults.BitFlip(rate=share), pj.faults.SensingErrors(resistance_sigma=sigma)
    low, high = pj.faults.StuckAt(0, 0.9 * share), pj.faults.StuckAt(1, share)
    own = {fault: after(fault, readout="digital") != BEFORE for fault in (rest, sense)}
    stuck = {
        0: ~after(low, code=-1, readout="digital"),
        1: after(high, code=0, readout="digital"),
    }
    expected = by_hand(BEFORE, (own[rest], None), (stuck[0], 0), (stuck[1], 1), (own[sense], None))
    pairs = [
        own[rest] & own[sense],
        own[rest] & stuck[0],
        stuck[0] & stuck[1],
        stuck[1] & own[sense],
    ]
    assert all(pair.any() for pair in pairs)
    for order in list(permutations([rest, low, high, sense]))[::5]:
        assert (after(*order, readout="digital") == expected).all()


def test_stuck_wins_over_everything_but_sensing():
    flips_all = pj.faults.BitFlip(rate=1)
    low = pj.faults.StuckAt(0, 0.015)
    stuck = ~after(low, code=-1)
    for order in ((flips_all, low), (low, flips_all)):
        found = after(*order)
        assert not found[stuck].any()
        assert (found == ~BEFORE)[~stuck].all()


@pytest.mark.parametrize(
    ("pulse_ns", "sigma"),
    [(8.5, 0.0), pytest.param(5.0, 1.0, marks=pytest.mark.slow)],
    ids=["by list", "by cell"],
)
def test_write_errors_come_before_what_happens_at_rest(pulse_ns, sigma):
    """Written wrongly, then flipped: right again. Cells that flip at rest flip in any case."""
    write = pj.faults.WriteErrors(pulse_ns=pulse_ns, sigma=sigma)
    rest = pj.faults.BitFlip(rate=0.015)
    written = after(write)
    assert 0.0005 < (written != BEFORE).mean() < 0.5
    moved = after(rest) != BEFORE
    assert (moved & (written != BEFORE)).any()
    assert (after(write, rest) == (written ^ moved)).all()
    assert (after(rest, write) == (written ^ moved)).all()


def write_rate(pulse_ns, overdrive, stability=113.4, formula="butler"):
    """Failure of one write: Butler's closed form, and the one fitted to Fokker-Planck results."""
    damping, field = 0.01, 0.3
    gamma = 1.760859630e11
    tau = pulse_ns * 1e-9 * damping * gamma * field / (1 + damping**2)
    i = overdrive
    if formula == "refined":
        prefactor = 2 ** (1 + (i - 1) / (i + 1)) * ((i - 1) / i) ** (2 / (i + 1))
        decay = 2 * (i - 1) + (2 / (i - 1) - 1) / stability
        return -expm1(-stability * ((i - 1) / i) * prefactor * exp(-decay * tau))
    return -expm1(-(np.pi**2 / 4) * stability * (i - 1) / (i * exp(2 * tau * (i - 1)) - 1))


@pytest.mark.parametrize(
    ("retries", "sigma"),
    [(0, 0.0), (0, 1.0), (1, 0.0), pytest.param(1, 1.0, marks=pytest.mark.slow)],
)
def test_write_errors_have_the_rates_of_their_formula(retries, sigma):
    """Writing 0 is P to AP, with the chip's overdrive; writing 1 takes 1.15 times it.

    With a spread of cells the mean stays; of two tries all must fail, p^2 in a cell. There the
    spread matters: E[p^2] of a log-normal law is exp(sigma^2) times the square of the mean, less
    what is cut off at p = 1.
    """
    pulse = 6.0
    fault = pj.faults.WriteErrors(
        pulse_ns=pulse, overdrive=2.0, sigma=sigma, retries=retries, formula="butler"
    )
    rates = {0: write_rate(pulse, 2.0), 1: write_rate(pulse, 2.0 * 1.15)}
    found = after(fault) != BEFORE
    for bit in (0, 1):
        written = bit == BEFORE
        failed = (found & written).sum()
        if sigma == 0:
            assert_binomial(failed, written.sum(), rates[bit] ** (1 + retries))
        elif retries == 0:
            # Cut off at 1 where a cell's rate would be above: a little less than the mean.
            share = failed / written.sum()
            assert 0.8 * rates[bit] < share < 1.02 * rates[bit]
        else:
            share = failed / written.sum()
            assert rates[bit] ** 2 < share < 1.05 * exp(1) * rates[bit] ** 2 + 1e-3


@pytest.mark.parametrize(
    "pulse_ns", [8.5, pytest.param(6.0, marks=pytest.mark.slow)], ids=["by list", "by cell"]
)
def test_a_second_write_goes_over_the_first(pulse_ns):
    """What the first write left is of no account: the second writes every cell again."""
    fault = pj.faults.WriteErrors(pulse_ns=pulse_ns, sigma=0.0)
    one, second = after(fault) != BEFORE, after(fault, fault) != BEFORE
    for bit, overdrive in ((0, 2.0), (1, 2.3)):
        rate = write_rate(pulse_ns, overdrive, formula="refined")
        here = BEFORE if bit else ~BEFORE
        assert_binomial((one & here).sum(), here.sum(), rate)
        assert_binomial((second & here).sum(), here.sum(), rate)
        assert_binomial((one & second & here).sum(), here.sum(), rate**2)


@pytest.mark.slow
def test_cells_that_are_hard_to_write_stay_so():
    fault = pj.faults.WriteErrors(pulse_ns=6.0, sigma=1.0)
    one, second = after(fault) != BEFORE, after(fault, fault) != BEFORE
    assert (one & second).sum() > 1.5 * one.mean() * second.mean() * CELLS


@pytest.mark.parametrize(
    ("before", "bit"), [("zeros", 1), ("ones", 0)], ids=["from zeros", "from ones"]
)
def test_only_cells_that_switch_fail(before, bit):
    found = after(pj.faults.WriteErrors(pulse_ns=5.0, before=before)) != BEFORE
    assert found.any()
    assert (BEFORE[found] == bit).all()
    every = after(pj.faults.WriteErrors(pulse_ns=5.0)) != BEFORE
    assert (found == (every & (bit == BEFORE))).all()


def stability_at(kelvin):
    """Delta(T) / Delta(298.15 K): E_b ~ Ms^2.18 with Ms ~ 1 - (T/1000 K)^1.5, over kT."""
    return ((1 - (kelvin / 1000) ** 1.5) / (1 - 0.29815**1.5)) ** 2.18 * 298.15 / kelvin


def lost(stability, time_s):
    """[p01, p10] of two equal states: half of 1 - exp(-2 t / t0 exp(-Delta))."""
    return -expm1(-2 * time_s / 1e-9 * exp(-stability)) / 2


def array_loss(mean, sigma, time_s):
    """The average over normal stabilities, by a plain sum over 20 001 of them."""
    z = np.linspace(-9, 9, 20001)
    weight = np.exp(-(z**2) / 2)
    values = -np.expm1(-2 * time_s / 1e-9 * np.exp(-np.maximum(mean * (1 + sigma * z), 0))) / 2
    return float((values * weight).sum() / weight.sum())


@pytest.mark.parametrize("sigma", [pytest.param(0.0, marks=pytest.mark.slow), 0.08])
def test_retention_loses_as_many_bits_as_the_integral_says(sigma):
    time, kelvin, mean = 1e6, 398.15, 55.0
    fault = pj.faults.Retention(time, kelvin, thermal_stability=mean, sigma=sigma)
    rate = array_loss(mean * stability_at(kelvin), sigma, time)
    assert 0.001 < rate < 0.5
    found = after(fault) != BEFORE
    for bit in (0, 1):
        assert_binomial((found & (bit == BEFORE)).sum(), (bit == BEFORE).sum(), rate)


def two_intervals(sigma, mean):
    """Cells lost in the first of two equal intervals, and in the second."""
    fault = pj.faults.Retention(1e6, 398.15, thermal_stability=mean, sigma=sigma)
    one = after(fault) != BEFORE
    return one, (after(fault, fault) != BEFORE) ^ one


@pytest.mark.slow
def test_cells_all_alike_fail_again_by_chance():
    one, second = two_intervals(0.0, 60.0)
    expected = one.sum() * second.sum() / CELLS
    assert expected > 100
    assert abs((one & second).sum() - expected) < 6.5 * sqrt(expected)


@pytest.mark.slow
def test_weak_cells_fail_again():
    """With a spread the failing sets of two intervals have many cells in common."""
    one, second = two_intervals(0.08, 75.0)
    expected = one.sum() * second.sum() / CELLS
    assert one.sum() > 500
    assert (one & second).sum() > 10 * expected
    # They are weak whatever is written: the same cells fail in another network at that place.
    fault = pj.faults.Retention(1e6, 398.15, thermal_stability=75.0, sigma=0.08)
    other = ~after(fault, code=-1)
    assert (one & other).sum() > 0.9 * one.sum()
    # And they are weak for reads, too.
    read = pj.faults.ReadDisturb(3e4, thermal_stability=75.0, sigma=0.08, temperature_k=398.15)
    disturbed = after(read) != BEFORE
    assert disturbed.sum() > 200
    assert (disturbed & one).sum() > 5 * disturbed.sum() * one.sum() / CELLS


def test_a_profile_is_its_intervals():
    """One interval given either way is the same; two add up."""
    single = pj.faults.Retention(1e5, 398.15, thermal_stability=60.0)
    profile = pj.faults.Retention(profile=[(398.15, 1e5)], thermal_stability=60.0)
    assert (after(single) == after(profile)).all()
    halves = pj.faults.Retention(profile=[(398.15, 4e4), (398.15, 6e4)], thermal_stability=60.0)
    assert abs((after(halves) != after(single)).sum()) <= 2
    hotter = pj.faults.Retention(profile=[(533.15, 90), (398.15, 1e5)], thermal_stability=60.0)
    assert (after(hotter) != BEFORE).sum() > (after(single) != BEFORE).sum()


@pytest.mark.slow
def test_a_field_favours_one_state():
    found = {
        field: after(pj.faults.Retention(1e6, 398.15, thermal_stability=65.0, field_t=field))
        != BEFORE
        for field in (-0.02, 0.0, 0.02)
    }
    assert (found[0.02] & ~BEFORE).sum() > 1.5 * (found[0.0] & ~BEFORE).sum()
    assert (found[0.02] & BEFORE).sum() < (found[0.0] & BEFORE).sum() / 1.5
    assert (found[-0.02] & BEFORE).sum() > 1.5 * (found[0.0] & BEFORE).sum()


@pytest.mark.parametrize("disturbed", [0, 1])
def test_read_disturb_takes_one_state_only_and_grows_with_reads(disturbed):
    def found(inferences, activity=1.0):
        fault = pj.faults.ReadDisturb(
            inferences, activity, thermal_stability=55.0, sigma=0.05, disturbed=disturbed
        )
        return after(fault) != BEFORE

    few, many = found(1e7), found(1e9)
    assert few.sum() > 100
    assert (BEFORE[many] == disturbed).all()
    assert not (few & ~many).any()
    assert many.sum() > 3 * few.sum()
    # Half the reads of twice as many images are the same reads.
    assert (found(2e7, 0.5) == few).all()
    assert not found(0).any()


@pytest.mark.slow
def test_layers_that_are_read_more_often_are_disturbed_more():
    """A kernel is read at each of its positions; equal weights in equal numbers, other rates."""
    own = chip()
    codes = np.full(3 * 3 * 16 * 64, -1)
    network = program_of(own, k=codes.reshape(3, 3, 16, 64), d=codes.reshape(-1, 64))
    reads = reads_per_image(network)
    # Bit-serial inputs of 8 bits: 8 reads a position; 3 x 3 positions of the kernel.
    assert reads == {"k": 72, "d": 8}
    fault = pj.faults.ReadDisturb(1e8, thermal_stability=70.0, sigma=0.0)
    faulty = pj.inject(network, [fault], pj.Die(own, 1))
    barrier = 70.0 * (1 - own.mram.read_current_ratio) ** own.mram.disturb_exponent
    for name, count in reads.items():
        attempts = 1e8 * count * own.timing.mram_read_ns / own.mram.attempt_time_ns
        rate = -expm1(-attempts * exp(-barrier))
        assert_binomial(flips(network, faulty, name).sum(), codes.size * 8, rate)


def test_sensing_errors_are_fresh_at_every_read():
    sets = []
    for read in range(3):
        found = after(pj.faults.SensingErrors(resistance_sigma=0.18, read=read), readout="digital")
        sets.append(found != BEFORE)
    z = 1.5 / (0.18 * 3.5)
    p = erfc(z / sqrt(2)) / 2
    for found in sets:
        assert_binomial(found.sum(), CELLS, p)
    expected = p * p * CELLS
    for i in range(3):
        common = (sets[i] & sets[i - 1]).sum()
        assert abs(common - expected) < 6.5 * sqrt(expected)
    again = after(pj.faults.SensingErrors(resistance_sigma=0.18, read=1), readout="digital")
    assert ((again != BEFORE) == sets[1]).all()


def test_sensing_errors_are_refused_where_bitlines_sum():
    with pytest.raises(ValueError, match=r"bitline.*array\.readout = 'digital'.*read_noise_sigma"):
        after(pj.faults.SensingErrors())


@pytest.mark.slow
def test_broken_lines_take_whole_lines():
    own = chip()
    ones = program(-1)
    sites = AddressMap(ones).sites("a", *np.indices((SIZE[0] * SIZE[1], 8)))
    kinds = {
        "wordline": (pj.faults.BrokenWordlines, (sites.macro, sites.wordline)),
        "bitline": (pj.faults.BrokenBitlines, (sites.macro, sites.bitline)),
        "macro": (pj.faults.DeadMacros, (sites.macro,)),
    }
    for kind, address in kinds.values():
        settings = [(1, program(0))] if kind is pj.faults.BrokenBitlines else [(0, ones)]
        for value, start in settings:
            rate = 0.5 if kind is pj.faults.DeadMacros else 0.05
            faulty = pj.inject(start, [kind(rate, value)], pj.Die(own, 2))
            broken = flips(start, faulty, "a").reshape(-1, 8)
            number = np.ravel_multi_index(address, [int(a.max()) + 1 for a in address])
            per_line = np.bincount(number.ravel(), broken.ravel())
            size = np.bincount(number.ravel())
            held = size > 0
            assert set((per_line[held] / size[held]).tolist()) == {0.0, 1.0}
            whole = (per_line[held] == size[held]).sum()
            assert_binomial(whole, held.sum(), rate)


def test_counts_are_exact_nested_and_uniform():
    found = np.zeros_like(BEFORE)
    for count in (0, 1, 2, 17, 500, 5000, 5001, 200_000, CELLS - 1, CELLS):
        more = after(pj.faults.FlipCount(count)) != BEFORE
        assert more.sum() == count
        assert not (found & ~more).any()
        found = more
    # Among those that a rate takes: the first of them.
    flipped = after(pj.faults.BitFlip(rate=0.01)) != BEFORE
    assert (flipped == (after(pj.faults.FlipCount(int(flipped.sum()))) != BEFORE)).all()
    thousand = after(pj.faults.FlipCount(40_000, planes=(0, 7)), seed=4) != BEFORE
    assert thousand[..., 1:7].sum() == 0
    # Drawn without replacement: a little less spread than binomial counts.
    assert_binomial(thousand[..., 0].sum(), 40_000, 0.5)
    assert_binomial(thousand[:128].sum(), 40_000, 0.5)
    assert_binomial(thousand[:, ::4].sum(), 40_000, 0.25)


@pytest.mark.slow
def test_every_set_of_a_count_is_equally_likely():
    """Pairs of flips among 12 cells on 6600 dies: 66 sets, 100 of each; alarm 1e-9."""
    own = chip_of(
        array={"wordlines": 4, "bitlines": 8, "active_wordlines": 4, "banks": 1},
        precision={"weight_bits": 3},
    )
    little = program_of(own, a=np.array([[1, -2], [3, 0]]))
    counts: dict[tuple, int] = {}
    for seed in range(6600):
        faulty = pj.inject(little, [pj.faults.FlipCount(2)], pj.Die(own, seed))
        found = tuple(np.flatnonzero(flips(little, faulty, "a")).tolist())
        counts[found] = counts.get(found, 0) + 1
    assert len(counts) == 66
    assert_uniform(list(counts.values()))


def test_listed_cells_flip_by_address():
    own = chip()
    wanted = [((3, 5), 7), ((255, 191), 0), ((128, 100), 3), ((0, 0), 7)]
    places = [address_of(program(), "a", weight, plane) for weight, plane in wanted]
    addresses = [tuple(place[:4]) for place in places]
    free = (39, 63, 255, 511)
    fault = pj.faults.FlipCells([*addresses, free, addresses[0]])
    faulty, report = pj.inject(program(), [fault], pj.Die(own, 1), report=True)
    expected = np.zeros_like(BEFORE)
    for weight, plane in wanted:
        expected[(*weight, plane)] = True
    assert (flips(program(), faulty, "a") == expected).all()
    assert report.changed == (("listed cells", 4),)
    # The seed is of no account, and beside faults cell by cell it is the same.
    beside = pj.inject(program(), [fault, pj.faults.BrokenWordlines(0)], pj.Die(own, 9))
    assert (flips(program(), beside, "a") == expected).all()
