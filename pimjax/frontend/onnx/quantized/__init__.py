"""Quantised ONNX files: operators on codes, and QDQ files rewritten to them."""
