"""Bits at rest: what happens to the cells that hold the weights."""
