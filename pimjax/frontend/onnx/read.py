"""An ONNX file as a protocol buffer, its opsets and its stored tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pimjax.extras import require
from pimjax.frontend.model import ModelError


def read(path: Path) -> Any:
    """The ModelProto of a file, local functions inlined; stored tensors stay as they are.

    Raises ModelError for what is no ONNX file.
    """
    onnx = require("onnx", extra="import")
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DecodeError:
        raise ModelError(
            f"{path}: not an ONNX file, or one that was cut short; export it again"
        ) from None
    if not model.graph.node:
        raise ModelError(f"{path}: an ONNX file without a graph; export it again")
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    return model


def check(model: Any, path: Path) -> None:
    """Raises ModelError where the model breaks ONNX's own rules."""
    from onnx import checker

    try:
        checker.check_model(model)
    except Exception as error:  # of a model that it cannot even look through, anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: not a valid ONNX model: {reason}") from None


def opsets(model: Any, path: Path) -> dict[str, int]:
    """The opset of each domain, "" for ONNX's own. Raises ModelError for one that is too new."""
    from onnx import defs

    found = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    newest = defs.onnx_opset_version()
    if found.get("", 1) > newest:
        raise ModelError(
            f"{path}: opset {found['']}, the installed onnx package knows {newest} at most: "
            "install a newer onnx, or export with an opset of 9 to 21"
        )
    return found


def stored(tensor: Any, folder: Path) -> np.ndarray:
    """The array of a stored tensor. Raises ModelError for one that is not all there."""
    from onnx import numpy_helper
    from onnx.checker import ValidationError

    try:
        return numpy_helper.to_array(tensor, str(folder))
    except (OSError, ValidationError) as error:
        entries = {item.key: item.value for item in tensor.external_data}
        raise ModelError(
            f"tensor {tensor.name!r} lies in the file {entries.get('location')!r} beside the model,"
            f" which cannot be read: {error}"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"tensor {tensor.name!r} is damaged: {error}") from None
