"""Scenario files: what they mean, and one clear sentence for every mistake in one."""

import tomllib

import pytest

import pimjax as pj
from pimjax.chip.configs import ConfigNotFoundError
from pimjax.die.scenario import (
    Scenario,
    ScenarioError,
    load_scenario,
    scenario_names,
    scenario_of,
)

F = pj.faults
YEAR = 365.25 * 24 * 3600


def of(text: str) -> Scenario:
    return scenario_of(tomllib.loads(text))


def event(text: str) -> Scenario:
    return of(f"[[event]]\n{text}")


@pytest.mark.parametrize("name", scenario_names())
def test_shipped_scenarios_say_what_they_assume_and_load_back(name):
    scenario = load_scenario(name)
    assert scenario.name == name and scenario.description and scenario.faults
    assert any("assumption" in source for source in scenario.sources)
    assert of(scenario.to_toml()) == scenario


def test_the_promised_ones_are_shipped():
    promised = {"nominal", "five-years-85c", "reflow-then-ten-years", "defects", "weak-write"}
    assert promised <= set(scenario_names())
    assert load_scenario("nominal").faults == (F.BitFlip(rate=1e-6),)
    assert load_scenario("five-years-85c").faults == (
        F.WriteErrors(),
        F.Retention(time_s=5 * YEAR, temperature_k=358.15),
        F.ReadDisturb(inferences=1e9, temperature_k=358.15),
    )
    write, rest = load_scenario("reflow-then-ten-years").faults
    assert write == F.WriteErrors(thermal_stability=146.4)
    assert rest.thermal_stability == 146.4 and rest.profile == ((533.15, 90.0), (358.15, 10 * YEAR))


@pytest.mark.parametrize(("unit", "seconds"), [("years", YEAR), ("days", 86400), ("hours", 3600)])
def test_plain_units_of_time(unit, seconds):
    (fault,) = event(f'fault = "Retention"\n{unit} = 3\ntemperature_k = 300.0').faults
    assert fault == F.Retention(time_s=3 * seconds, temperature_k=300.0)


def test_device_values_hold_for_all_events_but_their_own():
    scenario = of(
        """
        mram = { thermal_stability = 60.0, thermal_stability_sigma = 0.1 }
        event = [
            { fault = "Retention", hours = 1, temperature_k = 300.0 },
            { fault = "Retention", hours = 1, temperature_k = 300.0, sigma = 0.0 },
            { fault = "WriteErrors" },
        ]
        """
    )
    first, second, third = scenario.faults
    assert (first.thermal_stability, first.sigma) == (60.0, 0.1)
    assert (second.thermal_stability, second.sigma) == (60.0, 0.0)
    assert third == F.WriteErrors(thermal_stability=60.0)


def test_every_fault_can_be_written_down():
    faults = (
        F.WriteErrors(retries=2, before="random", formula="butler"),
        F.BitFlip(p01=0.1, p10=0.0, layers=("a", "b"), planes=(7,), banks=(0, 3)),
        F.FlipCount(5),
        F.FlipCells([(0, 1, 2, 3), (0, 1, 2, 4, 1)]),
        F.Retention(profile=[(300.0, 1e3), (400.0, 10.0)], field_t=-0.01),
        F.ReadDisturb(1e6, exponent=1),
        F.StuckAt(1),
        F.BrokenWordlines(0.1),
        F.BrokenBitlines(0.1, 1),
        F.DeadMacros(0.0),
        F.Clusters(1e-3, 3.0, 0.0),
        F.SensingErrors(read=4),
    )
    scenario = Scenario("all", faults, "every one", ("assumption",), "zero")
    assert of(scenario.to_toml()) == scenario


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fault = "Retentoin"', r"event\[0\]\.fault = 'Retentoin': .* did you mean 'Retention'"),
        ("fault = 3", r"event\[0\]\.fault = 3: no such fault; there are WriteErrors"),
        ("rate = 0.1", r"event\[0\]\.fault: missing; one of WriteErrors"),
        (
            'fault = "Retention"\ntemperature_c = 85.0\nyears = 1',
            r"event\[0\]\.temperature_c: unknown key; did you mean 'event\[0\]\.temperature_k'\?",
        ),
        (
            'fault = "Retention"\nyears = 5\ntemperature_k = 85.0',
            r"event\[0\]\.temperature_k = 85: from 150 to 700 expected; in kelvin; 85 C is 358\.15",
        ),
        (
            'fault = "Retention"\nyears = -5\ntemperature_k = 300.0',
            r"event\[0\]\.years = -5: a number from 0",
        ),
        (
            'fault = "Retention"\ntime_s = -5\ntemperature_k = 300.0',
            r"event\[0\]\.time_s = -5: from 0",
        ),
        (
            'fault = "Retention"\ntime_s = 5\ndays = 1\ntemperature_k = 300.0',
            r"event\[0\]: time_s and days given",
        ),
        ('fault = "Retention"', r"event\[0\]: give time_s and temperature_k, or a profile"),
        ('fault = "Retention"\nprofile = [300.0, 5.0]', r"event\[0\]\.profile = .* list of lists"),
        ('fault = "BitFlip"\nrate = 1.5', r"event\[0\]\.rate = 1\.5: a probability in 0\.\.1"),
        ('fault = "BitFlip"\nrate = -0.1', r"event\[0\]\.rate = -0\.1: a probability in 0\.\.1"),
        ('fault = "BitFlip"\nrate = nan', r"event\[0\]\.rate = nan"),
        ('fault = "BitFlip"\nrate = true', r"event\[0\]\.rate = True: a number, text or a list"),
        ('fault = "BitFlip"\nrate = "high"', r"event\[0\]\.rate = 'high': a number expected"),
        ('fault = "BitFlip"\nyears = 1', r"event\[0\]\.years: unknown key; did you mean"),
        ('fault = "StuckAt"', r"event\[0\]\.value: missing; StuckAt has no default"),
        ('fault = "FlipCells"\naddresses = 5', r"event\[0\]\.addresses = 5: a list of lists"),
        (
            'fault = "BitFlip"\nrate = 0.1\n[[event]]\nfault = "StuckAt"\nvalue = 2',
            r"event\[1\]\.value = 2: a stored bit",
        ),
    ],
)
def test_mistakes_in_an_event(text, message):
    with pytest.raises(ScenarioError, match=message) as error:
        event(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nam = 'x'", r"nam: unknown key; did you mean 'name'\?"),
        ("name = 5", "name = 5: text expected"),
        ("uncorrectable = 'ignore'", "uncorrectable = 'ignore': raw, zero, trap expected"),
        ("sources = 'me'", "sources = 'me': a list of texts"),
        ("event = 5", "event: tables"),
        ("mram = 5", "mram = 5: a table"),
        ("mram = {thermal_stabilty = 60.0}", r"mram\.thermal_stabilty: unknown key; did you mean"),
        ("mram = {thermal_stability = 5000.0}", r"mram\.thermal_stability = 5000\.0: out of range"),
        ("mram = {damping = 0.1}", r"mram\.damping: not for a scenario"),
        ("mram = {tmr = 1.0}", r"mram\.tmr: no event of this scenario takes it"),
    ],
)
def test_mistakes_at_the_top(text, message):
    with pytest.raises(ScenarioError, match=message):
        of(text)


def test_files_that_are_no_scenario(tmp_path):
    with pytest.raises(ConfigNotFoundError, match="'nominl'; did you mean 'nominal'"):
        load_scenario("nominl")
    with pytest.raises(ConfigNotFoundError, match=r"none\.toml' does not exist"):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(ConfigNotFoundError, match="is a folder"):
        load_scenario(tmp_path)
    (tmp_path / "a.toml").write_text("name =")
    with pytest.raises(ScenarioError, match="not a TOML file"):
        load_scenario(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text('[[event]]\nfault = "None"')
    with pytest.raises(ScenarioError, match=r"b\.toml: event\[0\]\.fault = 'None'"):
        load_scenario(tmp_path / "b.toml")
    with pytest.raises(TypeError, match="scenario: int given"):
        load_scenario(3)


def test_a_scenario_is_injected():
    from tests.models import dense, model_of, numbers

    chip = pj.load_chip("mram-pim-8b")
    model = model_of(dense(0, 64, 40), shape=(64,))
    program = pj.compile(model, chip, calibration=numbers(1, 4, 64))
    scenario = event('fault = "BitFlip"\nrate = 0.01')
    faulty = pj.inject(program, scenario.faults, pj.Die(chip, 1))
    assert (pj.weights(faulty)["t0"] != pj.weights(program)["t0"]).any()
