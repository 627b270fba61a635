"""Integers beside the array: pooling, addition, clamps, changes of scale."""
