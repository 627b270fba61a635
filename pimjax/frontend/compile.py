"""From a model to a program for a chip: quantise where needed, then map."""

from __future__ import annotations

from typing import Any

from pimjax.chip.arithmetic import require_supported
from pimjax.chip.schema import Chip
from pimjax.frontend.bind import bind
from pimjax.frontend.model import Model, ModelError
from pimjax.network.program import Program


def compile(model: Model, chip: Chip, calibration: Any = None, *, engine: str = "auto") -> Program:
    """The program that runs `model` on `chip`."""
    require_supported(chip)
    if not model.is_quantized:
        raise ModelError("not yet")
    return bind(model, chip, engine=engine)
