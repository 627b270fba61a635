"""`pimjax faults` and `pimjax die`: what they print and write; a mistake is one line, status 2."""

import csv
import os
import re
from dataclasses import fields

import numpy as np
import pytest

import pimjax as pj
from pimjax import cli
from pimjax.memory.faults import FAULTS
from tests.models import RELU, conv, model_of, numbers

SMALL = {"array.banks": 2, "array.macros_per_bank": 3, "mram.capacity_mib": 0.09375}
CODED = {"array.readout": "digital", "mram.ecc": "secded-72-64"}


def settings(overrides) -> list[str]:
    return [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def pimjax(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*arguments) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return command


@pytest.fixture
def die(pimjax):
    def command(*arguments, overrides=SMALL) -> tuple[int, str, str]:
        return pimjax("die", "mram-pim-8b", *settings(overrides), "--out", "out", *arguments)

    return command


def number(text: str, line: str) -> tuple[float, float]:
    """The expected and the drawn number of a line of the tables."""
    (found,) = re.findall(rf"^{line} .*?(\S+) +(\S+)$", text, re.MULTILINE)
    return tuple(float(part.replace(",", "")) for part in found)


def test_faults_lists_every_model(pimjax):
    status, out, err = pimjax("faults")
    assert status == 0 and err == ""
    assert all(re.search(rf"^{fault.__name__} +\w+ ", out, re.MULTILINE) for fault in FAULTS)
    assert max(map(len, out.splitlines())) <= 100 and "\x1b" not in out


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faults_prints_parameters(pimjax, fault):
    status, out, _ = pimjax("faults", fault.__name__.lower())
    assert status == 0 and out.startswith(f"{fault.__name__} (stage: {fault.stage.name.lower()})")
    for field in fields(fault):
        assert re.search(rf"^{field.name} ", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_faults_with_a_wrong_name(pimjax):
    status, out, err = pimjax("faults", "Retenton")
    assert (status, out) == (2, "") and "did you mean 'Retention'?" in err


def test_a_die_is_printed_and_written(die, tmp_path):
    (tmp_path / "s.toml").write_text(
        '[[event]]\nfault = "BitFlip"\nrate = 0.01\n[[event]]\nfault = "DeadMacros"\nrate = 0.4\n'
    )
    status, out, err = die("--seed", 3, "--scenario", "s.toml")
    assert status == 0 and err == ""
    assert max(map(len, out.splitlines())) <= 100
    cells = 6 * 256 * 512
    expected, drawn = number(out, "bit flip")
    assert expected == round(0.01 * cells) and abs(drawn - expected) < 7 * expected**0.5
    wrong = number(out, "wrong cells")
    assert f"{cells:,} cells with random data" in out and "words of" not in out
    with open(tmp_path / "out" / "die.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["bank"], row["macro"]) for row in rows] == [
        (str(b), str(m)) for b in range(2) for m in range(3)
    ]
    assert sum(int(row["bit_flip"]) for row in rows) == drawn
    assert sum(int(row["wrong_cells"]) for row in rows) == wrong[1]
    assert (tmp_path / "out" / "die.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(os.listdir(tmp_path / "out")) == ["die.csv", "die.png"]


def test_the_same_seed_prints_the_same(die, tmp_path):
    first = die("--seed", 5)
    written = (tmp_path / "out" / "die.csv").read_bytes()
    assert die("--seed", 5) == first
    assert (tmp_path / "out" / "die.csv").read_bytes() == written


def test_words_of_a_code(die):
    status, out, _ = die("--scenario", "weak-write", overrides=SMALL | CODED)
    assert status == 0
    words = sum(number(out, kind)[1] for kind in ("clean", "corrected", "detected", "miscorrected"))
    assert words == 6 * 256 * (512 // 72)
    assert "words of secded-72-64" in out and "lines and clusters" not in out


def test_read_disturb_says_how_often_cells_are_read(die):
    status, out, _ = die("--scenario", "five-years-85c", "--reads", "8", "--data", "zeros")
    assert status == 0 and "reads of a cell for an image: 8" in out
    expected, drawn = number(out, "read disturb")  # a 0 is not disturbed
    assert drawn == 0 and expected < 1e-3


@pytest.fixture(scope="module")
def program_file(tmp_path_factory):
    chip = pj.load_chip("mram-pim-8b", SMALL)
    model = model_of(conv(0, 3, 16), RELU, conv(2, 16, 16), shape=(6, 6, 3))
    program = pj.compile(model, chip, calibration=numbers(9, 4, 6, 6, 3))
    path = tmp_path_factory.mktemp("program") / "net.pim"
    program.save(path)
    return path


def test_a_program_on_the_die(die, program_file, tmp_path):
    (tmp_path / "s.toml").write_text(
        '[[event]]\nfault = "BitFlip"\np01 = 0.02\np10 = 0.1\n'
        '[[event]]\nfault = "StuckAt"\nvalue = 1\nrate = 0.01\n'
    )
    status, out, err = die("--model", program_file, "--scenario", "s.toml", "--seed", 9)
    assert status == 0, err
    own = out[out.index("cells of its own") :]
    program = pj.load_program(program_file)
    faults = pj.load_scenario("s.toml").faults
    faulty = pj.inject(program, faults, pj.Die(program.chip, 9))
    before, after = pj.weights(program), pj.weights(faulty)
    ones = sum(int(np.bitwise_count(np.asarray(w).astype(np.uint8)).sum()) for w in before.values())
    cells = 8 * sum(w.size for w in before.values())
    flips = sum(
        int(np.bitwise_count(np.asarray(w ^ after[n]).astype(np.uint8)).sum())
        for n, w in before.items()
    )
    assert number(own, "bit flip")[0] == round(0.02 * (cells - ones) + 0.1 * ones)
    assert number(own, "wrong bits")[1] == flips
    assert abs(number(own, "wrong bits")[0] - flips) < 7 * flips**0.5


def test_a_program_of_another_chip_is_refused(die, program_file):
    status, _, err = die("--model", program_file, overrides={})
    assert status == 2 and str(program_file) in err and "differ" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('fault = "BitFlip"\nrate = 1.5', ["event[0].rate = 1.5", "0..1"]),
        ('fault = "Retention"\nyears = -1\ntemperature_k = 300.0', ["event[0].years = -1"]),
        ('fault = "Retention"\nyears = 5\ntemperature_k = 85.0', ["= 85", "358.15"]),
        ('fault = "Retentio"', ["did you mean 'Retention'?"]),
        ('fault = "BitFlip"\nrate = 0.1\nlayers = ["conv1"]', ["BitFlip.layers", "no layers"]),
        ('fault = "SensingErrors"', ["SensingErrors", "array.readout = 'bitline'"]),
        ('fault = "WriteErrors"\noverdrive = 1.2', ["overdrive", "1.2", "1.5"]),
        ('fault = "WriteErrors"\npulse_ns = -3.0', ["-3"]),
        ('fault = "FlipCells"\naddresses = [[0, 9, 0, 0]]', ["macro 9"]),
        ('fault = "FlipCount"\ncount = 1000000', ["FlipCount.count"]),
    ],
)
def test_mistakes_in_a_scenario(die, tmp_path, text, words):
    (tmp_path / "s.toml").write_text(f"[[event]]\n{text}\n")
    status, _, err = die("--scenario", "s.toml")
    assert status == 2 and err.startswith("pimjax: ") and err.count("\n") == 1, err
    assert all(word in err for word in words), err
    assert not (tmp_path / "out").exists()


def test_mistakes_in_the_arguments(die, pimjax, tmp_path):
    (tmp_path / "blocked").write_text("")
    for arguments, words in [
        (["--scenario", "nominl"], "did you mean 'nominal'?"),
        (["--scenario", "none.toml"], "does not exist"),
        (["--scenario", tmp_path], "is a folder"),
        (["--seed", "-1"], "--seed"),
        (["--reads", "-1"], "--reads"),
        (["--data", "checkers"], "--data"),
        (["--model", "none.pim"], "none.pim"),
        (["--out", "blocked/deep"], "is no folder to write to"),
        (["--out", "blocked"], "is no folder to write to"),
    ]:
        status, out, err = die(*arguments)
        assert (status, out) == (2, ""), arguments
        assert err.startswith("pimjax: ") and err.count("\n") == 1 and words in err, err
    status, _, err = pimjax("die", "mram-pim-8")
    assert status == 2 and "did you mean 'mram-pim-8b'?" in err
    assert (tmp_path / "blocked").read_text() == ""


def test_words_of_a_program(die, tmp_path):
    """Seven deviations of Poisson counts: a false alarm in less than 1e-10 of seeds."""
    overrides = SMALL | CODED
    chip = pj.load_chip("mram-pim-8b", overrides)
    model = model_of(conv(0, 3, 13), RELU, conv(2, 13, 17), shape=(6, 6, 3))
    program = pj.compile(model, chip, calibration=numbers(9, 4, 6, 6, 3))
    program.save(tmp_path / "net.pim")
    (tmp_path / "s.toml").write_text('[[event]]\nfault = "BitFlip"\nrate = 0.02\n')
    status, out, err = die(
        "--model", "net.pim", "--scenario", "s.toml", "--seed", 2, overrides=overrides
    )
    assert status == 0, err
    own = out[out.index("cells of its own") :]
    kinds = ("bit flip", "clean", "corrected", "detected", "wrong bits of data")
    for kind in kinds:
        expected, drawn = number(own, kind)
        spread = 64 if kind == "wrong bits of data" else 1  # of a word they come together
        assert abs(expected - drawn) < 7 * (spread * max(1, expected)) ** 0.5
    faults = pj.load_scenario(tmp_path / "s.toml").faults
    die_ = pj.Die(chip, 2)
    faulty, report = pj.inject(program, faults, die_, report=True)
    words = [sum(own[kind] for own in report.words.values()) for kind in kinds[1:4]]
    assert words == [number(own, kind)[1] for kind in kinds[1:4]]
    wrong = sum(
        int(np.bitwise_count(np.asarray(w ^ pj.weights(faulty)[n]).astype(np.uint8)).sum())
        for n, w in pj.weights(program).items()
    )
    assert number(own, "wrong bits of data")[1] == wrong
