"""`pimjax run` on a die: what a scenario leaves is what the library leaves."""

import json

import numpy as np
import pytest

import pimjax as pj
from pimjax import cli
from tests.run_support import Site

AS_BEFORE = "--normalize", "unit"
"""A saved program does not say what its pixels stand for."""

SCENARIO = """
name = "rough"
uncorrectable = "zero"

[[event]]
fault = "BitFlip"
rate = 0.02
"""


@pytest.fixture
def site(tmp_path, capsys, monkeypatch) -> Site:
    monkeypatch.setattr(cli, "use_compilation_cache", lambda: None)
    return Site(tmp_path, capsys)


def saved(site) -> pj.Program:
    return pj.load_program(site.folder / "ran.pim")


def test_a_scenario_on_a_die(site):
    path = site.folder / "rough.toml"
    path.write_text(SCENARIO)
    plain = site.folder / "plain.pim"
    assert site.run(None, "--save", plain)[0] == 0
    arguments = "--die", 7, "--scenario", path, "--save", site.folder / "ran.pim"
    status, out, err = site.run(None, *arguments, "--out", site.folder / "out.json")
    assert status == 0, err
    assert "die 7 after rough\ncells changed by bit flip " in out
    clean = pj.load_program(plain)
    expected = pj.inject(clean, [pj.faults.BitFlip(0.02)], pj.Die(clean.chip, 7))
    for name, codes in pj.weights(saved(site)).items():
        assert (codes == pj.weights(expected)[name]).all()
        assert (codes != pj.weights(clean)[name]).any()
    record = json.loads((site.folder / "out.json").read_text())
    assert record["die"] == 7 and record["scenario"] == str(path)
    # A saved program is put on a die as well; seed 0 where only a scenario is given.
    status, out, err = site.run(plain, "--scenario", path, *AS_BEFORE, chip=None)
    assert status == 0, err
    assert "die 0 after rough" in out


def test_columns_with_errors_need_a_die(site):
    settings = "--set", "adc.gain_sigma=0.05"
    words = "adc.gain_sigma = 0.05", "give its seed with --die"
    site.refused(*words, arguments=settings)
    status, out, err = site.run(None, *settings, "--die", 3, "--save", site.folder / "ran.pim")
    assert status == 0, err
    assert "\ndie 3\n" in out
    arrays = saved(site).image.values()
    assert any(
        np.asarray(params["column_gain"]).any() for params in arrays if "column_gain" in params
    )


def test_words_of_a_code_are_told(site):
    coded = "--set", "array.readout=digital", "--set", "mram.ecc=secded-72-64"
    status, out, err = site.run(None, *coded, "--scenario", "weak-write")
    assert status == 0, err
    assert "cells changed by write " in out
    assert "words of secded-72-64: clean " in out


def test_scenarios_that_are_refused(site):
    site.refused("nominla", "did you mean", "nominal", arguments=("--scenario", "nominla"))
    sensing = site.folder / "sensing.toml"
    sensing.write_text('name = "s"\n[[event]]\nfault = "SensingErrors"\n')
    site.refused("SensingErrors", "bitline", arguments=("--scenario", sensing))
