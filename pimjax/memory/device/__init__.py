"""The physics of one cell: probabilities from temperature, time, current and field.

Pure functions in float64 on the host. A stored 1 is the parallel state P (low resistance), a
stored 0 the antiparallel state AP; a pair of probabilities is always [p01, p10]: that a 0 becomes
1, and that a 1 becomes 0.
"""
