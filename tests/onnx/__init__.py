"""Importing ONNX files, beside ONNX Runtime and the onnx package's own cases."""
