"""Non-ideal columns in Python integers: docs/columns.md read literally, nothing shared."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor
from statistics import NormalDist

from .adc import code_range
from .codes import conversion_weights, slice_weights
from .config import OracleChip

WORD = 2**32


@dataclass(frozen=True)
class OracleColumns:
    """Errors as nested lists [t][j][n], or None.

    With separate differential readout j counts P and N in turn, plane by plane. gain in 1/65536;
    offset, bow and noise_sigma in 1/256 cell; noise_key two words.
    """

    gain: list | None = None
    offset: list | None = None
    bow: list | None = None
    noise_sigma: int | None = None
    noise_variance: list | None = None
    noise_root: list | None = None
    noise_key: list | None = None


def rounded(value: Fraction) -> int:
    """Half up."""
    return floor(value + Fraction(1, 2))


def effective_sum(
    columns: OracleColumns,
    chip: OracleChip,
    where: tuple[int, int, int, int, int, int],
    currents: tuple[int, int, int],
) -> Fraction:
    """What the ADC is given, in cells.

    where: (image, row group, pixel, output, conversion, slice); currents: (S, A, D), the partial
    sum, the sum that flows (both columns of a pair), and the one that could.
    """
    image, t, pixel, n, j, s = where
    total, active, driven = currents
    value = 256 * total
    if columns.gain is not None:
        value += rounded(Fraction(columns.gain[t][j][n] * total, 256))
    if columns.offset is not None:
        value += columns.offset[t][j][n]
    if columns.bow is not None:
        value += rounded(Fraction(columns.bow[t][j][n] * bow_shape(total, chip), 4096))
    sigma = columns.noise_sigma
    if columns.noise_variance is not None:
        fixed, per_driven, per_active = columns.noise_variance
        index = fixed + per_driven * driven + per_active * active
        sigma = columns.noise_root[min(index, 4095)]
    if sigma is not None:
        drawn = deviate(columns.noise_key, image, t, pixel, n, j, s, chip)
        value += rounded(Fraction(drawn * sigma, 4096))
    return Fraction(value, 256)


def bow_shape(total: int, chip: OracleChip) -> int:
    """The parabola over the converter's range in 1/4096."""
    lowest, highest = code_range(chip)
    low = ceil(chip.adc_offset + chip.adc_step * lowest)
    high = floor(chip.adc_offset + chip.adc_step * highest)
    span = max(0, high - low)
    cut = 2 ** max(0, len(f"{span:b}") - 12)
    width = span // cut
    if width < 2:
        return 0
    place = (max(low, min(high, total)) - low) // cut
    return place * (width - place) * (2**32 // width**2) // 2**18


def deviate(key, image, t, pixel, n, j, s, chip: OracleChip) -> int:
    """A normal deviate in 1/4096, by the name of its conversion alone."""
    slices = len(slice_weights(chip))
    draws = ceil(Fraction(slices, 3))
    counter = (n * len(conversion_weights(chip)) + j) * draws + s // 3
    a, b = threefry(threefry(tuple(key), (image, t)), (pixel, counter % WORD))
    if s % 3 == 2:
        index, steps = a // 2**21, b // 2**22
    else:
        word = (a, b)[s % 3]
        index, steps = word % 2048, word // 2048 % 1024
    return table()[index] + 1418 * bin(steps).count("1") - 7090


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """threefry2x32 with 20 rounds."""
    keys = [*key, key[0] ^ key[1] ^ 0x1BD11BDA]
    x, y = (counter[0] + keys[0]) % WORD, (counter[1] + keys[1]) % WORD
    rotations = [13, 15, 26, 6, 17, 29, 16, 24]
    for turn in range(20):
        x = (x + y) % WORD
        places = rotations[turn % 8]
        y = (y * 2**places % WORD + y // 2 ** (32 - places)) ^ x
        if turn % 4 == 3:
            block = turn // 4 + 1
            x = (x + keys[block % 3]) % WORD
            y = (y + keys[(block + 1) % 3] + block) % WORD
    return x, y


@cache
def table() -> list[int]:
    """round(4096 (a q + b q^3)) of 2048 normal quantiles q, by Newton's method on a and b.

    The variance of the table and of ten steps of 1418 is 4096^2, the fourth moment three times
    its square.
    """
    q = [NormalDist().inv_cdf((i + 0.5) / 2048) for i in range(2048)]
    m = {power: sum(value**power for value in q) / 2048 for power in (2, 4, 6, 8, 10, 12)}
    half = 709 / 4096
    second = 1 - 10 * half**2
    fourth = 3 - 6 * 10 * half**2 * second - (3 * 10**2 - 2 * 10) * half**4

    def moments(a: float, b: float) -> tuple[float, float]:
        of_four = (1, 4, 6, 4, 1)
        return (
            a * a * m[2] + 2 * a * b * m[4] + b * b * m[6],
            sum(c * a ** (4 - i) * b**i * m[4 + 2 * i] for i, c in enumerate(of_four)),
        )

    a, b = second**0.5, 0.0
    for _ in range(50):
        here = moments(a, b)
        tiny = 1e-6
        by_a = [(v - w) / tiny for v, w in zip(moments(a + tiny, b), here, strict=True)]
        by_b = [(v - w) / tiny for v, w in zip(moments(a, b + tiny), here, strict=True)]
        miss = second - here[0], fourth - here[1]
        determinant = by_a[0] * by_b[1] - by_b[0] * by_a[1]
        a += (miss[0] * by_b[1] - by_b[0] * miss[1]) / determinant
        b += (by_a[0] * miss[1] - miss[0] * by_a[1]) / determinant
    return [round(4096 * (a * value + b * value**3)) for value in q]


def driven_sum(inputs: list[int], chip: OracleChip, largest_cell: int) -> int:
    """D: what would flow were every cell of the column, or of both of a pair, full."""
    return sum(inputs) * largest_cell * (2 if chip.paired else 1)


__all__ = ["OracleColumns", "driven_sum", "effective_sum", "table", "threefry"]
