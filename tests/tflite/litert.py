"""LiteRT's reference kernels: every tensor of a file, by name."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def litert_tensors(path: Path, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors (b, ...) of single images `inputs` (b, ...), given as the file takes them."""
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    found: dict[str, list[np.ndarray]] = {}
    for image in inputs:
        interpreter.set_tensor(entry, image[None])
        interpreter.invoke()
        for item in interpreter.get_tensor_details():
            if item["name"] and item["shape"].size and item["shape"][0] == 1:
                tensor = interpreter.get_tensor(item["index"])
                found.setdefault(item["name"], []).append(tensor[0].copy())
    return {name: np.stack(tensors) for name, tensors in found.items()}
