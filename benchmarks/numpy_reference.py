"""The same work in plain NumPy: what the engines are compared with.

One float32 matrix product per row group, input slice and weight plane, then the ADC and the
shift-and-add. The fastest of the plain ways that were tried: planes carry their power of two, so
that shift-and-add is one addition, and pixels are cut into blocks that stay in the cache.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np

from benchmarks.timing import measure, total
from benchmarks.workloads import CHIP, WORKLOADS

BLOCK = 1024
"""Pixels at a time; 128 to 2048 took about as long, all pixels at once up to half as long again."""


def conv2d(x: np.ndarray, w: np.ndarray, count: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Accumulators (b, h, w, n) int32, and conversions clipped high (b, h) if `count`, else zeros.

    x (b, h, w, c) uint8 and w (kh, kw, c, n) int8, "SAME" padding with odd kernels, arithmetic of
    `CHIP`: unsigned activations, two's complement weights, one bit each, ADC of step 1.
    """
    wordlines, roof = CHIP.array.active_wordlines, (1 << CHIP.adc.bits) - 1
    # Exact in float32: every sum is an integer below 2^24.
    assert (wordlines << 14) < 1 << 24 and roof * 255 * 128 < 1 << 24
    batch, height, width, _ = x.shape
    pixels = im2col(x, *w.shape[:2])
    rows = w.reshape(-1, w.shape[3])
    y = np.zeros((len(pixels), w.shape[3]), np.int32)
    clipped = np.zeros(len(pixels), np.int32)
    for t in range(0, len(rows), wordlines):
        columns = [scaled_plane(rows[t : t + wordlines], j) for j in range(8)]
        for p in range(0, len(pixels), BLOCK):
            driven = pixels[p : p + BLOCK, t : t + wordlines]
            group = np.zeros((len(driven), len(y[0])), np.float32)
            sums = np.empty_like(group)
            for s in range(8):
                inputs = scaled_plane(driven, s)
                for j in range(8):
                    np.matmul(inputs, columns[j], out=sums)
                    largest = np.float32(roof << (s + j))
                    if count:
                        clipped[p : p + BLOCK] += (sums > largest).sum(1, dtype=np.int32)
                    np.minimum(sums, largest, out=sums)
                    if j == 7:
                        group -= sums
                    else:
                        group += sums
            y[p : p + BLOCK] += group.astype(np.int32)
    counts = clipped.reshape(batch, height, width).sum(2)
    return y.reshape(batch, height, width, -1), counts


def im2col(x: np.ndarray, kh: int, kw: int) -> np.ndarray:
    """Inputs of every pixel in dot-product order, (b h w, kh kw c)."""
    padded = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kh * kw * x.shape[3])


def scaled_plane(codes: np.ndarray, bit: int) -> np.ndarray:
    """Bit `bit` of each code, worth 2^bit."""
    return (codes.view(np.uint8) & np.uint8(1 << bit)).astype(np.float32)


def main() -> None:
    """Prints the timing of one workload as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("workload", choices=[workload.name for workload in WORKLOADS])
    parser.add_argument("repetitions", type=int)
    parser.add_argument("budget_s", type=float)
    options = parser.parse_args()
    workload = next(w for w in WORKLOADS if w.name == options.workload)
    timings = []
    for layer, times in workload.counted_layers:
        x, w = layer.codes()
        timing, _ = measure(
            lambda x=x, w=w: conv2d(x, w), options.repetitions, options.budget_s, warm_up=False
        )
        timings.append((timing, times))
    print(json.dumps(asdict(total(timings))))


if __name__ == "__main__":
    main()
