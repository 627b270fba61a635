"""The command line: what it prints, and one line and status 2 for a mistake."""

import os
import subprocess
import sys

import pytest

import pimjax as pj
from pimjax import cli


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def test_chips_lists_all(capsys):
    status, out, err = run(capsys, "chips")
    assert status == 0 and err == ""
    assert all(name in out for name in pj.chip_names())


@pytest.mark.parametrize("name", pj.chip_names())
def test_chip_is_printed_completely_and_loads_back(capsys, tmp_path, name):
    status, out, _ = run(capsys, "chips", name)
    assert status == 0
    path = tmp_path / "copy.toml"
    path.write_text(out)
    assert pj.load_chip(path) == pj.load_chip(name)


def test_set_changes_fields(capsys, tmp_path):
    settings = ["--set", "adc.bits=5", "--set", "adc.step=255/63", "--set", "adc.rounding=floor"]
    status, out, _ = run(capsys, "chips", "mram-pim-8b", *settings)
    assert status == 0
    path = tmp_path / "changed.toml"
    path.write_text(out)
    overrides = {"adc.bits": 5, "adc.step": "255/63", "adc.rounding": "floor"}
    assert pj.load_chip(path) == pj.load_chip("mram-pim-8b", overrides)


@pytest.mark.parametrize("command", [[], ["chips"], ["demo"]])
def test_help(capsys, command):
    status, out, _ = run(capsys, *command, "--help")
    assert status == 0
    assert "Usage: pimjax" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chips", "mram-pim-8"], ["mram-pim-8", "did you mean 'mram-pim-8b'?"]),
        (["chips", "missing/chip.toml"], ["missing/chip.toml", "does not exist"]),
        (["chips", "mram-pim-8b", "--set", "adc.bits=99"], ["adc.bits = 99", "1..16"]),
        (["chips", "mram-pim-8b", "--set", "adc.bit=5"], ["adc.bit", "did you mean 'adc.bits'?"]),
        (["chips", "mram-pim-8b", "--set", "adc.bits"], ["PATH=VALUE"]),
        (["chips", "--set", "adc.bits=5"], ["NAME"]),
        (["chip"], ["No such command", "chip"]),
        (["demo", "--images", "0"], ["--images", "0"]),
        (["demo", "--images", "ten"], ["--images", "ten"]),
        (["demo", "--frobnicate"], ["--frobnicate"]),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, arguments, words):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == ""
    assert err.startswith("pimjax: ") and err.count("\n") == 1
    assert all(word in err for word in words)


def test_a_chip_file_that_is_not_toml(capsys, tmp_path):
    path = tmp_path / "chip.toml"
    path.write_bytes(b"\xff\xfe name")
    status, out, err = run(capsys, "chips", str(path))
    assert status == 2 and out == ""
    assert err.count("\n") == 1 and "not a TOML file" in err


def test_an_output_folder_that_cannot_be_made(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    status, _, err = run(capsys, "demo", "--images", "10", "--out", str(blocked / "results"))
    assert status == 2
    assert err.count("\n") == 1 and str(blocked) in err
    assert blocked.read_text() == ""


@pytest.mark.slow
def test_an_installed_wheel_has_its_configs(tmp_path):
    root = os.path.dirname(os.path.dirname(pj.__file__))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path), root]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = "import pimjax.cli, pimjax; print(pimjax.__file__); pimjax.cli.main(['chips'])"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert str(site) in result.stdout
    assert all(name in result.stdout for name in pj.chip_names())
