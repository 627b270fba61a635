"""Model files, by what they are."""

from __future__ import annotations

import os
from pathlib import Path

from pimjax.frontend.model import Model, ModelError

SUFFIXES = (".onnx", ".tflite")


def load_model(path: str | os.PathLike[str]) -> Model:
    """The network in an .onnx file (float or quantised) or a fully quantised .tflite file.

    Raises ModelError (a ValueError) with one sentence for what cannot be imported, and
    FileNotFoundError; MissingExtraError where the extra `import` is not installed.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{file}: a file ending in {' or '.join(SUFFIXES)} expected")
    if not file.exists():
        raise FileNotFoundError(f"{file}: there is no such file")
    if not file.is_file():
        raise ModelError(f"{file}: not a file")
    if file.suffix.lower() == ".onnx":
        from pimjax.frontend.onnx import load_onnx

        return load_onnx(file)
    from pimjax.frontend.tflite import load_tflite

    return load_tflite(file)
