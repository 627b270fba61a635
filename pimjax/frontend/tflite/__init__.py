"""TensorFlow Lite files as models."""

from pimjax.frontend.tflite.load import load_tflite

__all__ = ["load_tflite"]
