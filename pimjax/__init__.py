"""pimjax: a bit-accurate functional emulator of an MRAM processing-in-memory CNN accelerator."""

from pimjax.array.spec import SEMANTICS
from pimjax.chip.arithmetic import conv2d, engines, matmul
from pimjax.chip.explain import ChipError
from pimjax.chip.load import chip_names, load_chip
from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats
from pimjax.die.die import Die
from pimjax.die.inject import inject
from pimjax.die.scenario import load_scenario, scenario_names
from pimjax.frontend.compile import compile
from pimjax.frontend.flax import from_flax
from pimjax.frontend.load import load_model
from pimjax.frontend.model import Model, ModelError
from pimjax.memory import faults
from pimjax.network.program import Program, weights
from pimjax.network.run import run
from pimjax.network.save import load_program

__version__ = "0.1.0"

__all__ = [
    "SEMANTICS",
    "Chip",
    "ChipError",
    "Die",
    "Model",
    "ModelError",
    "Program",
    "Stats",
    "__version__",
    "chip_names",
    "compile",
    "conv2d",
    "engines",
    "faults",
    "from_flax",
    "inject",
    "load_chip",
    "load_model",
    "load_program",
    "load_scenario",
    "matmul",
    "run",
    "scenario_names",
    "weights",
]
