"""A program put on a die, for commands: what happened to its cells, in words."""

from __future__ import annotations

from dataclasses import dataclass

from pimjax.chip.schema import Chip
from pimjax.die.die import Die
from pimjax.die.inject import inject
from pimjax.die.scenario import Scenario, load_scenario
from pimjax.network.program import Program


@dataclass(frozen=True)
class Choice:
    """A die by its seed, and what happened to it; nothing by default."""

    seed: int
    scenario: Scenario | None


def choose(seed: int | None, scenario: str | None) -> Choice | None:
    """The die that was asked for, seed 0 where only a scenario was; None for no die at all.

    Raises ScenarioError for a scenario that cannot be.
    """
    if seed is None and scenario is None:
        return None
    return Choice(seed or 0, None if scenario is None else load_scenario(scenario))


def require_die(chip: Chip, choice: Choice | None) -> None:
    """Refuses a chip whose columns are those of a die where none was chosen. Raises ValueError."""
    for name, value in chip.column_errors:
        if value != 0 and choice is None:
            raise ValueError(
                f"{name} = {value}: columns with errors belong to a die; give its seed with --die, "
                f"or set it to 0"
            )


def put(program: Program, choice: Choice) -> tuple[Program, list[str]]:
    """The program on the die after its scenario, and lines that say what became of its cells.

    Raises ValueError for faults that the program or its chip cannot have.
    """
    scenario = choice.scenario
    faults = () if scenario is None else scenario.faults
    policy = "raw" if scenario is None else scenario.uncorrectable
    die = Die(program.chip, choice.seed)
    faulty, report = inject(program, faults, die, report=True, uncorrectable=policy)
    lines = [f"die {choice.seed}" + ("" if scenario is None else f" after {scenario.name}")]
    if report.changed:
        cells = ", ".join(f"{name} {count:,}" for name, count in report.changed)
        lines.append(f"cells changed by {cells}")
    if report.words:
        kinds = next(iter(report.words.values()))
        totals = {kind: sum(counts[kind] for counts in report.words.values()) for kind in kinds}
        words = ", ".join(f"{kind} {count:,}" for kind, count in totals.items())
        lines.append(f"words of {program.chip.mram.ecc}: {words}")
    return faulty, lines
