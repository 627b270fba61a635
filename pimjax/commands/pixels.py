"""Stored pixels as the real numbers that a network takes: named rules, which the command prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pimjax.network.graph import Input
from pimjax.network.tensor import TensorSpec

Rule = Callable[[np.ndarray], np.ndarray]

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def as_float32(x: np.ndarray) -> np.ndarray:
    """The numbers as they are; what float32 cannot hold becomes infinite, which `run` refuses."""
    with np.errstate(over="ignore"):
        return x.astype(np.float32)


RULES: dict[str, tuple[str, Rule]] = {
    "none": ("as they are", as_float32),
    "unit": ("x / 255", lambda x: as_float32(x) / np.float32(255)),
    "signed": ("(x - 127) / 128", lambda x: (as_float32(x) - 127) / np.float32(128)),
    "imagenet": (
        "(x / 255 - mean) / deviation of ImageNet",
        lambda x: (as_float32(x) / np.float32(255) - _IMAGENET_MEAN) / _IMAGENET_DEVIATION,
    ),
}
"""How stored pixels become real numbers, in words and as a function."""


def pixel_rule(
    name: str, stored: np.dtype[Any], entry: Input, saved: bool = False
) -> tuple[str, Rule]:
    """The rule of that name for pixels of type `stored`, in words and as a function.

    A name of RULES; "codes": whole numbers are the input codes themselves (unsigned ones count
    from the lowest code); "MEAN,DEVIATION" in pixel units; or "auto": floats stay as they are,
    whole numbers are codes where the network takes codes and become (x - 127) / 128 where it takes
    real numbers. `saved`: the network is a saved program, in which a network that was quantised
    here takes codes too, so that "auto" cannot tell.

    Raises ValueError.
    """
    if name == "auto":
        name = _automatic(stored, entry, saved)
    if name == "codes":
        return _codes_rule(entry.tensor, stored)
    if name == "imagenet" and entry.shape[-1] != 3:
        raise ValueError(
            f"--normalize imagenet: for 3 channels (red, green, blue), but the network takes "
            f"{entry.shape}"
        )
    return RULES[name] if name in RULES else _scaled(name)


def _automatic(stored: np.dtype[Any], entry: Input, saved: bool) -> str:
    if np.issubdtype(stored, np.floating):
        return "none"
    if saved:
        raise ValueError(
            f"--normalize auto: a saved program does not say what its pixels of type {stored} "
            f"stand for; give the rule that it was compiled with, or codes where the model came "
            f"quantised"
        )
    return "signed" if entry.tensor is None else "codes"


def _scaled(text: str) -> tuple[str, Rule]:
    first, comma, second = text.partition(",")
    try:
        mean, deviation = float(first), float(second)
    except ValueError:
        mean = deviation = 0.0
    # Negated, so that NaN is refused as well; the ends are those of float32.
    if not comma or not abs(mean) < 1e30 or not 1e-30 < deviation < 1e30:
        names = ", ".join(("auto", "codes", *RULES))
        raise ValueError(f"--normalize {text!r}: {names} or MEAN,DEVIATION expected")

    def function(x: np.ndarray) -> np.ndarray:
        return (as_float32(x) - np.float32(mean)) / np.float32(deviation)

    return f"(x - {first}) / {second}", function


def _codes_rule(tensor: TensorSpec | None, stored: np.dtype[Any]) -> tuple[str, Rule]:
    if tensor is None:
        raise ValueError("--normalize codes: this network takes real numbers, not codes")
    if not np.issubdtype(stored, np.integer):
        raise ValueError(f"--normalize codes: whole numbers expected, but pixels are {stored}")
    shift = tensor.low if np.issubdtype(stored, np.unsignedinteger) else 0
    words = f"x - {-shift} as input codes" if shift else "x as input codes"

    def function(x: np.ndarray) -> np.ndarray:
        codes = x.astype(np.int64) + shift
        if codes.min() < tensor.low or codes.max() > tensor.high:
            raise ValueError(
                f"images: codes {codes.min()}..{codes.max()}, but the network takes "
                f"{tensor.low}..{tensor.high}; give real numbers or choose --normalize"
            )
        return tensor.values_of(codes)

    return words, function
