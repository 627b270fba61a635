"""ONNX files as models: float graphs as exporters write them, and quantised ones.

`load_onnx` reads a file. The table of operators is in `operators`, how to add one in `state`. The
package onnx is imported only inside functions.
"""

from pimjax.frontend.onnx.load import load_onnx

__all__ = ["load_onnx"]
