"""pimjax: a bit-accurate functional emulator of an MRAM processing-in-memory CNN accelerator."""

from pimjax.chip.arithmetic import conv2d, engines, matmul
from pimjax.chip.explain import ChipError
from pimjax.chip.load import chip_names, load_chip
from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats

__version__ = "0.1.0"

SEMANTICS = "1.0"
"""Version of the arithmetic: raised with every change that can alter an output bit."""

__all__ = [
    "SEMANTICS",
    "Chip",
    "ChipError",
    "Stats",
    "__version__",
    "chip_names",
    "conv2d",
    "engines",
    "load_chip",
    "matmul",
]
