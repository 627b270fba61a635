"""Every operator that can be imported, by domain and name."""

from __future__ import annotations

from pimjax.frontend.onnx import convolution, elementwise, quantized, reshape
from pimjax.frontend.onnx.state import Handler

HANDLERS: dict[tuple[str, str], Handler] = {
    **quantized.HANDLERS,
    ("", "Conv"): convolution.conv,
    ("", "Flatten"): reshape.flatten,
    ("", "Relu"): elementwise.relu,
    ("", "Reshape"): reshape.reshape,
}
"""To import one more operator: a handler (see `state`), and a line here."""

KEPT: frozenset[tuple[str, str]] = frozenset()
"""Operators whose handler is called even where all inputs are constants."""
