"""Scenarios: what happens to a chip in the course of time, as a named file.

A TOML file with `name`, `description`, `sources`, `uncorrectable`, a table `[mram]` of device
values that hold for all its events, and one table `[[event]]` after the other: `fault`, and the
parameters of that fault by name. `years`, `days` or `hours` may stand for `time_s`.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import tomli_w

from pimjax.chip.configs import config_names, find_config, read_table
from pimjax.chip.explain import ChipError
from pimjax.chip.load import build_chip
from pimjax.memory.device.limits import YEAR_S
from pimjax.memory.ecc import POLICIES
from pimjax.memory.faults import FAULTS, Fault

_TIMES = {"years": YEAR_S, "days": 86400.0, "hours": 3600.0}
_BY_NAME = {fault.__name__: fault for fault in FAULTS}
_TOP = ("name", "description", "sources", "uncorrectable", "mram", "event")

_DEVICE: dict[str, dict[str, str]] = {
    "thermal_stability": dict.fromkeys(
        ("WriteErrors", "Retention", "ReadDisturb"), "thermal_stability"
    ),
    "thermal_stability_sigma": dict.fromkeys(("Retention", "ReadDisturb"), "sigma"),
    "write_overdrive": {"WriteErrors": "overdrive"},
    "write_pulse_ns": {"WriteErrors": "pulse_ns"},
    "write_sigma": {"WriteErrors": "sigma"},
    "read_current_ratio": {"ReadDisturb": "current_ratio"},
    "disturb_exponent": {"ReadDisturb": "exponent"},
    "tmr": {"SensingErrors": "tmr"},
    "resistance_sigma": {"SensingErrors": "resistance_sigma"},
}
"""Device values that a scenario may set, and the parameter of each fault that takes them."""


class ScenarioError(ValueError):
    """A scenario that cannot be; the message says where, what, and the remedy."""


@dataclass(frozen=True)
class Scenario:
    """What happens to a chip: `pj.inject(program, scenario.faults, die)`.

    `faults` in the order of the file, with its device values in their parameters; they act in the
    order of their stages. `uncorrectable` is for `pj.inject` too.
    """

    name: str
    faults: tuple[Fault, ...]
    description: str = ""
    sources: tuple[str, ...] = ()
    uncorrectable: str = "raw"

    def to_toml(self) -> str:
        """The scenario as TOML text; loading it gives an equal scenario."""
        events = [{"fault": type(fault).__name__, **_given(fault)} for fault in self.faults]
        table = {
            "name": self.name,
            "description": self.description,
            "sources": list(self.sources),
            "uncorrectable": self.uncorrectable,
            "event": events,
        }
        return tomli_w.dumps(table, multiline_strings=False)


def scenario_names() -> tuple[str, ...]:
    """Names of the shipped scenarios, in alphabetical order."""
    return config_names("scenario")


def load_scenario(name_or_path: str | os.PathLike[str]) -> Scenario:
    """The scenario of that name or TOML file.

    Raises ScenarioError (a ValueError) with the place of a mistake, and ConfigNotFoundError.
    """
    path = find_config("scenario", name_or_path)
    try:
        return scenario_of(read_table(path, ScenarioError), path.stem)
    except ScenarioError as error:
        text = str(error)
        whole = text if text.startswith(str(path)) else f"{_shown(name_or_path)}: {text}"
        raise ScenarioError(whole) from None


def scenario_of(table: Mapping[str, Any], name: str = "scenario") -> Scenario:
    """The scenario of a nested table. Raises ScenarioError."""
    for key in table:
        _require_known(key, _TOP, "")
    texts = {}
    for key, default in (("name", name), ("description", ""), ("uncorrectable", "raw")):
        texts[key] = table.get(key, default)
        if not isinstance(texts[key], str):
            raise ScenarioError(f"{key} = {texts[key]!r}: text expected")
    if texts["uncorrectable"] not in POLICIES:
        raise ScenarioError(
            f"uncorrectable = {texts['uncorrectable']!r}: {', '.join(POLICIES)} expected"
        )
    sources = table.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(item, str) for item in sources):
        raise ScenarioError(f"sources = {sources!r}: a list of texts expected")
    device = _device_values(table.get("mram", {}))
    events = table.get("event", [])
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ScenarioError("event: tables [[event]] expected, one for each event")
    faults, used = [], set[str]()
    for number, event in enumerate(events):
        fault, keys = _fault(f"event[{number}]", event, device)
        faults.append(fault)
        used |= keys
    for key in device:
        if key not in used:
            raise ScenarioError(f"mram.{key}: no event of this scenario takes it; leave it out")
    return Scenario(
        texts["name"],
        tuple(faults),
        texts["description"],
        tuple(sources),
        texts["uncorrectable"],
    )


def _device_values(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ScenarioError(f"mram = {table!r}: a table expected")
    try:
        build_chip({"name": "scenario", "mram": table}, "scenario")
    except ChipError as error:
        raise ScenarioError(str(error).removeprefix("scenario: ")) from None
    for key in table:
        if key not in _DEVICE:
            raise ScenarioError(
                f"mram.{key}: not for a scenario, which may set {', '.join(_DEVICE)}; set it in "
                f"the chip"
            )
    return table


def _fault(where: str, event: dict[str, Any], device: dict[str, Any]) -> tuple[Fault, set[str]]:
    """The fault of an event, and the device values that it took."""
    values = dict(event)
    kind = values.pop("fault", None)
    if kind is None:
        raise ScenarioError(f"{where}.fault: missing; one of {', '.join(_BY_NAME)} expected")
    if kind not in _BY_NAME:
        near = difflib.get_close_matches(str(kind), _BY_NAME, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_BY_NAME)}"
        raise ScenarioError(f"{where}.fault = {kind!r}: no such fault; {hint}")
    model = _BY_NAME[kind]
    known = [field.name for field in fields(model)]
    allowed = [*known, *(_TIMES if "time_s" in known else ())]
    for key, value in values.items():
        _require_known(key, allowed, f"{where}.")
        _require_plain(f"{where}.{key}", value)
    for field in fields(model):
        if field.default is MISSING and field.name not in values:
            raise ScenarioError(f"{where}.{field.name}: missing; {kind} has no default for it")
    values = _with_seconds(where, values)
    used = set()
    for key, value in device.items():
        parameter = _DEVICE[key].get(kind)
        if parameter is not None:
            used.add(key)
            values.setdefault(parameter, value)
    try:
        return model(**values), used
    except (TypeError, ValueError) as error:
        text = str(error)
        for begin in (f"{kind}.", f"{kind}: "):
            if text.startswith(begin):
                raise ScenarioError(f"{where}{begin[len(kind) :]}{text[len(begin) :]}") from None
        raise ScenarioError(f"{where}: {text}") from None


def _with_seconds(where: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values with `years`, `days` or `hours` as `time_s`."""
    given = [key for key in ("time_s", *_TIMES) if key in values]
    if len(given) > 1:
        raise ScenarioError(f"{where}: {' and '.join(given)} given; give one of them")
    if not given or given == ["time_s"]:
        return values
    (unit,) = given
    value = values[unit]
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ScenarioError(f"{where}.{unit} = {value!r}: a number from 0 expected")
    return {key: v for key, v in values.items() if key != unit} | {"time_s": value * _TIMES[unit]}


def _require_known(key: str, known: Any, where: str) -> None:
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{where}{near[0]}'?" if near else f"known are {', '.join(known)}"
        raise ScenarioError(f"{where}{key}: unknown key; {hint}")


def _require_plain(path: str, value: Any) -> None:
    """Refuses what no parameter is: truth values, dates and tables; lists that are none."""
    if path.endswith((".addresses", ".profile")) and not (
        isinstance(value, list) and all(isinstance(item, list) for item in value)
    ):
        raise ScenarioError(f"{path} = {value!r}: a list of lists expected")
    if isinstance(value, list):
        for item in value:
            _require_plain(f"{path}[]", item)
    elif isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ScenarioError(f"{path} = {value!r}: a number, text or a list expected")


def _given(fault: Fault) -> dict[str, Any]:
    """The parameters that are not left to their defaults, as TOML has them."""
    values = {}
    for field in fields(fault):
        value = getattr(fault, field.name)
        if value is not None and (field.default is MISSING or value != field.default):
            values[field.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _shown(name_or_path: str | os.PathLike[str]) -> str:
    return str(Path(os.fspath(name_or_path)))
