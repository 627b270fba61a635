"""Convolution: one dot product per output pixel, group and channel (SEMANTICS 3)."""

import numpy as np

from .codes import act_range, check_codes, to_ints, weight_codes
from .config import OracleChip
from .matmul import Stats, dot_products
from .window import window_positions


def row_order(kh: int, kw: int, cin: int, chip: OracleChip) -> list[tuple[int, int]]:
    """(tap, channel) of each dot-product index k, where tap = i * kw + j."""
    taps, channels = range(kh * kw), range(cin)
    if chip.row_order == "kernel_channel":
        return [(tap, c) for tap in taps for c in channels]
    return [(tap, c) for c in channels for tap in taps]


def conv2d(
    x,
    w,
    chip: OracleChip,
    stride=1,
    padding="SAME",
    dilation=1,
    groups: int = 1,
    errors=None,
    image_numbers=None,
) -> tuple[np.ndarray, Stats]:
    """(y, stats): x (b, h, w, cin), w (kh, kw, cin / groups, n), y (b, h', w', n) int64.

    `padding` is "SAME", "VALID" or ((top, bottom), (left, right)); it feeds code 0 and its
    conversions count. Output channel o belongs to group o // (n / groups). `errors`:
    `OracleColumns`; `image_numbers` (b,): what the images are called, by default 0, 1, ...
    """
    images, (b, height, width, channels) = to_ints("x", x, 4)
    kernel, (kh, kw, cin, n) = to_ints("w", w, 4)
    if groups < 1 or channels != cin * groups or n % groups:
        raise ValueError(
            f"{channels} input and {n} output channels do not form {groups} groups of {cin} inputs"
        )
    lowest, highest = act_range(chip)
    check_codes("x", images, range(lowest, highest + 1))
    check_codes("w", kernel, weight_codes(chip))
    order = row_order(kh, kw, cin, chip)
    positions = window_positions((height, width), (kh, kw), stride, padding, dilation)
    windows = [taps for line in positions for taps in line]

    stats = Stats()
    outputs = [[] for _ in range(b * len(windows))]
    for group in range(groups):
        first = group * cin
        vectors = []
        for image in images:
            for taps in windows:
                pixels = [[0] * channels if at is None else image[at[0]][at[1]] for at in taps]
                vectors.append([pixels[tap][first + c] for tap, c in order])
        columns = [
            [kernel[tap // kw][tap % kw][c][o] for tap, c in order]
            for o in range(group * (n // groups), (group + 1) * (n // groups))
        ]
        numbers = range(b) if image_numbers is None else image_numbers
        places = [(number, pixel) for number in numbers for pixel in range(len(windows))]
        first_output = group * (n // groups)
        y, counted = dot_products(vectors, columns, chip, None, errors, places, first_output)
        stats += counted
        for pixel, values in zip(outputs, y, strict=True):
            pixel.extend(values)
    shape = (b, len(positions), len(positions[0]) if positions else 0, n)
    return np.array(outputs, dtype=np.int64).reshape(shape), stats
