"""The demo: handwritten digits, a small network, and how it was trained."""
