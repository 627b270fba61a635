"""Write error rates by the Fokker-Planck equation itself, for one macrospin: slow and plain.

The density of u = cos(angle to the initial easy direction) under a spin-transfer current i (by the
critical current), in time by t / t_D, with thermal stability D:

    dp/dt = -d/du [(1 - u^2) (u - i) p] + 1/(2 D) d/du [(1 - u^2) dp/du]

on finite volumes with exponentially fitted fluxes (Scharfetter-Gummel). The matrix has negative
entries on its diagonal only, so exp(matrix * t) is made of sums and products of positive numbers
and keeps its relative accuracy down to the smallest rates.
"""

import numpy as np


def write_errors(stability: float, overdrive: float, times, cells: int = 500) -> np.ndarray:
    """P(u > 0) at each of `times` (ascending, by t_D), from thermal equilibrium around u = 1."""
    # The angle is what the start resolves evenly: u = cos(angle).
    edges = np.cos(np.linspace(np.pi, 0.0, cells + 1))
    edges[np.abs(edges) < 1e-12] = 0.0
    centres, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    inner, gaps = edges[1:-1], np.diff(centres)
    diffusion = (1 - inner**2) / (2 * stability)
    peclet = (inner - overdrive) * 2 * stability * gaps
    right = diffusion / gaps * bernoulli(-peclet)
    left = diffusion / gaps * bernoulli(peclet)
    # Of probabilities per cell, so that every column sums to zero.
    matrix = np.zeros((cells, cells))
    here = np.arange(cells - 1)
    matrix[here + 1, here] += right / widths[:-1]
    matrix[here, here] -= right / widths[:-1]
    matrix[here, here + 1] += left / widths[1:]
    matrix[here + 1, here + 1] -= left / widths[1:]
    # Equilibrium without current on the side u > 0.
    state = np.where(centres > 0, np.exp(stability * (centres**2 - 1)), 0.0)
    start = state * widths / np.sum(state * widths)
    errors, now = [], 0.0
    for time in times:
        start = positive_exponential(matrix, time - now) @ start
        now = time
        errors.append(start[centres > 0].sum())
    return np.array(errors)


def bernoulli(x):
    """x / (exp(x) - 1)."""
    small = np.abs(x) < 1e-8
    safe = np.where(small, 1.0, x)
    return np.where(small, 1 - x / 2, safe / np.expm1(np.clip(safe, -700, 700)))


def positive_exponential(rates, time):
    """exp(rates * time) for a matrix whose entries off the diagonal are not negative."""
    shift = -np.diag(rates).min()
    halvings = max(0, int(np.ceil(np.log2(shift * time))))
    step = time / 2**halvings
    term = np.eye(len(rates))
    total = term.copy()
    positive = (rates + shift * np.eye(len(rates))) * step
    for order in range(1, 30):
        term = term @ positive / order
        total += term
    total *= np.exp(-shift * step)
    for _ in range(halvings):
        total = total @ total
    return total
