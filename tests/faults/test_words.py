"""Words of a code on a die, end to end: written with parity, hit, read, decoded, counted.

The decoder, the parity and every hit come from plain Python integers; nothing is statistical.
"""

from functools import cache

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.addresses import AddressMap
from pimjax.die.inject import UncorrectableError
from pimjax.memory.levels import levels
from pimjax.network.place import place
from tests.ecc import oracle
from tests.faults import process
from tests.faults.build import bits_of, chip_of, flips, program_of, random_codes

OUTCOMES = ("clean", "corrected", "detected", "miscorrected")
CODE = "secded-72-64"


@cache
def program(code=CODE, policy="packed"):
    """Two layers whose weights fill all words of the wordlines that they stand on."""
    n, k = oracle.sizes(code)
    array = {"readout": "digital", "wordlines": 16, "active_wordlines": 8, "bitlines": 2 * n + 5}
    chip = chip_of(array=array, mram={"ecc": code, "word_bits": k})
    per_wordline = 2 * k // 8
    a = random_codes(chip, (20, 3 * per_wordline), 1)
    b = random_codes(chip, (8, per_wordline), 2)
    return place(program_of(chip, a=a, b=b), policy)


def sites_of(network) -> dict[str, np.ndarray]:
    """(macro, wordline, bitline) (weights, 8, 3) of every stored bit."""
    addresses = AddressMap(network)
    found = {}
    for name, codes in pj.weights(network).items():
        sites = addresses.sites(name, *np.indices((codes.size, 8)))
        found[name] = np.stack([sites.macro, sites.wordline, sites.bitline], -1)
    return found


def words_of(network) -> dict[tuple[int, int, int], tuple[str, int]]:
    """{(macro, wordline, word): (layer, the word as it is written, parity included)}."""
    code = network.chip.mram.ecc
    n, k = oracle.sizes(code)
    layers: dict[tuple[int, int, int], str] = {}
    data: dict[tuple[int, int, int], int] = {}
    for name, sites in sites_of(network).items():
        bits = bits_of(network, name).reshape(-1)
        for (macro, wordline, bitline), bit in zip(
            sites.reshape(-1, 3).tolist(), bits, strict=True
        ):
            word = macro, wordline, bitline // n
            layers[word] = name
            assert bitline % n < k
            data[word] = data.get(word, 0) | int(bit) << bitline % n
    return {
        word: (layers[word], value | oracle.parity(code, value) << k)
        for word, value in data.items()
    }


def read(network, words, uncorrectable="raw"):
    """(codes, words by outcome and layer) of words (as they are in the cells) that are decoded."""
    code = network.chip.mram.ecc
    n, k = oracle.sizes(code)
    written = words_of(network)
    counts = {name: dict.fromkeys(OUTCOMES, 0) for name in pj.weights(network)}
    decoded = {}
    for word, cells in words.items():
        layer, truth = written[word]
        data, flag = oracle.decode(code, cells)
        outcome = flag.lower()
        if outcome != "detected" and data != truth % 2**k:
            outcome = "miscorrected"
        counts[layer][outcome] += 1
        decoded[word] = 0 if outcome == "detected" and uncorrectable == "zero" else data
    codes = {}
    for name, sites in sites_of(network).items():
        bits = [
            decoded[macro, wordline, bitline // n] >> bitline % n & 1
            for macro, wordline, bitline in sites.reshape(-1, 3).tolist()
        ]
        values = np.array(bits).reshape(-1, 8) @ np.array([1, 2, 4, 8, 16, 32, 64, -128])
        codes[name] = values.reshape(pj.weights(network)[name].shape)
    return codes, counts


def check(network, faults, words, seed=1, uncorrectable="raw"):
    die = pj.Die(network.chip, seed)
    faulty, report = pj.inject(network, faults, die, report=True, uncorrectable=uncorrectable)
    codes, counts = read(network, words, uncorrectable)
    assert report.words == counts
    for name, expected in codes.items():
        assert (pj.weights(faulty)[name] == expected).all()
    return faulty, report, counts


def addresses(network, places):
    """Bank, macro, wordline, bitline of (macro, wordline, bitline)."""
    within = network.chip.array.macros_per_bank
    return [(macro // within, macro % within, row, column) for macro, row, column in places]


def flipped(network, errors):
    """(words with bits `errors` {word: bits} inverted, the fault that does it)."""
    n, _ = oracle.sizes(network.chip.mram.ecc)
    words = {word: value for word, (_, value) in words_of(network).items()}
    places = []
    for word, bits in errors.items():
        for bit in bits:
            words[word] ^= 1 << bit
            places.append((word[0], word[1], word[2] * n + bit))
    return words, pj.faults.FlipCells(addresses(network, places))


def test_every_word_is_counted_and_none_is_touched_without_faults():
    network = program()
    words = words_of(network)
    assert len(words) == (20 * 48 + 8 * 16) * 8 // 64
    _, report, counts = check(network, [], {w: value for w, (_, value) in words.items()})
    assert counts["a"] == {"clean": 120, "corrected": 0, "detected": 0, "miscorrected": 0}
    assert counts["b"]["clean"] == 16
    assert report.changed == ()


def test_single_errors_of_data_and_parity_are_corrected():
    network = program()
    rng = np.random.default_rng(0)
    chosen = [word for word in sorted(words_of(network)) if rng.random() < 0.6]
    errors = {word: [int(rng.integers(72))] for word in chosen}
    assert {bits[0] >= 64 for bits in errors.values()} == {False, True}
    words, fault = flipped(network, errors)
    faulty, report, counts = check(network, [fault], words)
    assert sum(own["corrected"] for own in counts.values()) == len(chosen)
    assert report.changed == (("listed cells", len(chosen)),)
    assert not any(flips(network, faulty, name).any() for name in "ab")


def test_errors_of_parity_cells_alone():
    network = program()
    word = min(words_of(network))
    for bit in (64, 71):
        words, fault = flipped(network, {word: [bit]})
        faulty, report, counts = check(network, [fault], words)
        assert sum(own["corrected"] for own in counts.values()) == 1
        assert report.changed == (("listed cells", 1),)
        assert not any(flips(network, faulty, name).any() for name in "ab")


def test_double_errors_are_detected():
    network = program()
    rng = np.random.default_rng(3)
    errors = {
        word: rng.choice(72, 2, replace=False).tolist() for word in sorted(words_of(network))[::3]
    }
    words, fault = flipped(network, errors)
    for policy in ("raw", "zero"):
        faulty, _, counts = check(network, [fault], words, uncorrectable=policy)
        detected = sum(own["detected"] for own in counts.values())
        assert detected == len(errors)
        changed = sum(int(flips(network, faulty, name).sum()) for name in "ab")
        if policy == "raw":
            # Data as read, parity errors leave no trace.
            assert changed == sum(bit < 64 for bits in errors.values() for bit in bits)
        else:
            assert changed > 10 * len(errors)
    with pytest.raises(UncorrectableError) as error:
        pj.inject(network, [fault], pj.Die(network.chip), uncorrectable="trap")
    by_layer = {name: own["detected"] for name, own in counts.items()}
    assert f"{len(errors)} words" in str(error.value)
    assert f"a ({by_layer['a']})" in str(error.value)
    assert f"b ({by_layer['b']})" in str(error.value)
    # Without detected words nothing stops.
    assert pj.inject(network, [], pj.Die(network.chip), uncorrectable="trap").chip == network.chip


def hit_words(network, p, stuck, seed):
    """The words after flips at rate `p` and cells stuck at 1 at rate `stuck`, hit by hit."""
    chip = network.chip
    n, _ = oracle.sizes(chip.mram.ecc)
    sites = chip.array.wordlines * chip.array.bitlines
    words = {word: value for word, (_, value) in words_of(network).items()}

    def early(name, rate):
        limit = levels(rate).before
        before = int(limit.a) << 32 | int(limit.b)
        key = process.stream(seed, name)
        return {
            (macro, *divmod(site, chip.array.bitlines))
            for macro in {word[0] for word in words}
            for site, time in process.hits(key, macro, sites, 0)
            if time < before
        }

    for macro, row, column in early("bit flip", p):
        if (word := (macro, row, column // n)) in words:
            words[word] ^= 1 << column % n
    for macro, row, column in early("stuck at 1", stuck):
        if (word := (macro, row, column // n)) in words:
            words[word] |= 1 << column % n
    return words


@pytest.mark.parametrize(
    "code",
    [
        CODE,
        *(pytest.param(name, marks=pytest.mark.slow) for name in oracle.NAMES if name != CODE),
    ],
)
def test_hits_on_data_and_parity_decode_as_in_plain_integers(code):
    network = program(code)
    seen = dict.fromkeys(OUTCOMES, 0)
    for seed in range(3 if code == CODE else 6):
        p, stuck = 0.006, 0.004
        faults = [pj.faults.StuckAt(1, stuck), pj.faults.BitFlip(rate=p)]
        words = hit_words(network, p, stuck, seed)
        policy = "raw" if code == CODE else "zero"
        _, _, counts = check(network, faults, words, seed, policy)
        for own in counts.values():
            for outcome, count in own.items():
                seen[outcome] += count
    assert all(seen[outcome] for outcome in OUTCOMES[:2])
    assert seen["detected"] or seen["miscorrected"]


def test_a_choice_of_planes_leaves_parity_alone():
    """One flip in a plane of each weight: words with all eight, and none of parity."""
    network = program()
    die = pj.Die(network.chip, 4)
    faulty, report = pj.inject(network, [pj.faults.BitFlip(rate=1, planes=3)], die, report=True)
    weights = sum(w.size for w in pj.weights(network).values())
    assert report.changed == (("bit flip", weights),)
    errors = {word: range(3, 64, 8) for word in words_of(network)}
    words, _ = flipped(network, errors)
    codes, counts = read(network, words)
    assert report.words == counts
    assert all((pj.weights(faulty)[name] == codes[name]).all() for name in "ab")


def test_every_cell_flipped():
    """All 72 bits wrong: what the decoder makes of it, word by word."""
    network = program()
    words, _ = flipped(network, {word: range(72) for word in words_of(network)})
    check(network, [pj.faults.BitFlip(rate=1)], words)


@pytest.mark.slow
def test_another_placement_meets_other_cells_by_the_same_rules():
    network = program(policy="layer")
    words = hit_words(network, 0.012, 0.008, 5)
    faults = [pj.faults.BitFlip(rate=0.012), pj.faults.StuckAt(1, 0.008)]
    check(network, faults, words, 5)
