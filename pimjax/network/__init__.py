"""Whole networks: a static plan, an image of the bits in memory, and one operation per file."""
