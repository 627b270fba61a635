"""The codes once more, in Python integers: slow, plain, and without a line of the library.

A word is one integer: bit i of it is bit i of the word, data first, then parity.
"""

from functools import cache, reduce
from itertools import combinations
from math import comb
from operator import xor

GENERATORS = {
    "bch-44-32": (0x1539, 0x43, 2),
    "bch-78-64": (0x4377, 0x89, 2),
    "bch-144-128": (0x16F63, 0x11D, 2),
    "bch-152-128": (0x1BBA1B5, 0x11D, 3),
}
"""Generator, field polynomial and t of each BCH code."""

HSIAO = ("secded-39-32", "secded-72-64", "secded-137-128")
NAMES = (*HSIAO, "hamming-71-64", *GENERATORS)


def sizes(name: str) -> tuple[int, int]:
    n, k = name.split("-")[1:]
    return int(n), int(k)


def corrects(name: str) -> int:
    return GENERATORS[name][2] if name in GENERATORS else 1


# Polynomials over GF(2) are integers, bit i the coefficient of x^i.


def multiply(a: int, b: int) -> int:
    return reduce(xor, (a << i for i in range(b.bit_length()) if b >> i & 1), 0)


def remainder(a: int, modulus: int) -> int:
    while a.bit_length() >= modulus.bit_length():
        a ^= modulus << (a.bit_length() - modulus.bit_length())
    return a


def field_multiply(a: int, b: int, polynomial: int) -> int:
    return remainder(multiply(a, b), polynomial)


def field_power(a: int, exponent: int, polynomial: int) -> int:
    result = 1
    for _ in range(exponent):
        result = field_multiply(result, a, polynomial)
    return result


def minimal_polynomial(exponent: int, polynomial: int) -> int:
    """The product of x + c over the conjugates c, c^2, c^4, ... of c = a^exponent."""
    root = field_power(2, exponent, polynomial)
    conjugates = []
    while root not in conjugates:
        conjugates.append(root)
        root = field_multiply(root, root, polynomial)
    coefficients = [1]
    for c in conjugates:
        shifted = [0, *coefficients]
        scaled = [*(field_multiply(c, v, polynomial) for v in coefficients), 0]
        coefficients = [a ^ b for a, b in zip(shifted, scaled, strict=True)]
    assert set(coefficients) <= {0, 1}
    return sum(bit << i for i, bit in enumerate(coefficients))


# Encoders


def hsiao_columns(parity_bits: int, count: int) -> list[str]:
    """Columns as text, row 0 last: three ones, then five, by rotations of the smallest unseen."""
    columns: list[str] = []
    for ones in (3, 5):
        numbers = sorted(sum(1 << p for p in c) for c in combinations(range(parity_bits), ones))
        for number in numbers:
            text = f"{number:0{parity_bits}b}"
            for _ in range(parity_bits):
                if text not in columns:
                    columns.append(text)
                text = text[1:] + text[0]
    return columns[:count]


def parity(name: str, data: int) -> int:
    n, k = sizes(name)
    bits = [data >> i & 1 for i in range(k)]
    if name in GENERATORS:
        return remainder(data << (n - k), GENERATORS[name][0])
    if name in HSIAO:
        columns = hsiao_columns(n - k, k)
        rows = range(n - k)
        return sum(
            (sum(b for b, c in zip(bits, columns, strict=True) if c[-1 - row] == "1") % 2) << row
            for row in rows
        )
    # Hamming: parity bits at the places that are powers of two, each makes its places even.
    free = [place for place in range(1, n + 1) if place & (place - 1)]
    placed = dict(zip(free, bits, strict=True))
    return sum(
        (sum(bit for place, bit in placed.items() if place >> row & 1) % 2) << row
        for row in range(n - k)
    )


@cache
def parity_of_bit(name: str) -> tuple[int, ...]:
    return tuple(parity(name, 1 << i) for i in range(sizes(name)[1]))


def syndrome(name: str, word: int) -> int:
    """Parity computed from the data as read, against the parity as read; linear in the word."""
    _, k = sizes(name)
    columns = parity_of_bit(name)
    return reduce(xor, (columns[i] for i in range(k) if word >> i & 1), word >> k)


# Decoders


@cache
def nearest(name: str) -> dict[int, int]:
    """Errors by syndrome, for all patterns of at most t errors; no two share a syndrome."""
    n, k = sizes(name)
    singles = [*parity_of_bit(name), *(1 << i for i in range(n - k))]
    found = {0: 0}
    count = 1
    for errors in range(1, corrects(name) + 1):
        for bits in combinations(range(n), errors):
            value = 0
            for bit in bits:
                value ^= singles[bit]
            found[value] = sum(1 << bit for bit in bits)
        count += comb(n, errors)
    assert len(found) == count
    return found


def decode(name: str, word: int) -> tuple[int, str]:
    """Data and flag of the decoder that flips the nearest pattern of at most t errors."""
    _, k = sizes(name)
    errors = nearest(name).get(syndrome(name, word))
    mask = (1 << k) - 1
    if errors is None:
        return word & mask, "DETECTED"
    return (word ^ errors) & mask, "CORRECTED" if errors else "CLEAN"


class Field:
    """GF(2^m) by tables made with the slow product."""

    def __init__(self, polynomial: int) -> None:
        self.order = (1 << (polynomial.bit_length() - 1)) - 1
        self.powers = [1]
        for _ in range(self.order - 1):
            self.powers.append(field_multiply(self.powers[-1], 2, polynomial))
        assert len(set(self.powers)) == self.order
        self.logs = {value: i for i, value in enumerate(self.powers)}

    def times(self, a: int, b: int) -> int:
        return self.powers[(self.logs[a] + self.logs[b]) % self.order] if a and b else 0

    def over(self, a: int, b: int) -> int:
        return self.powers[(self.logs[a] - self.logs[b]) % self.order] if a else 0

    def at_power(self, polynomial: int, exponent: int) -> int:
        """A polynomial over GF(2) at a^exponent."""
        places = [i for i in range(polynomial.bit_length()) if polynomial >> i & 1]
        return reduce(xor, (self.powers[exponent * i % self.order] for i in places), 0)


@cache
def field(name: str) -> Field:
    return Field(GENERATORS[name][1])


def exponents(name: str, remains: int) -> list[int] | None:
    """Places of the errors in a cyclic word with that remainder; None where it is uncorrectable.

    Two errors from x^2 + S1 x + (S3/S1 + S1^2); three by Berlekamp's and Massey's iteration and a
    search of all places.
    """
    n, _ = sizes(name)
    gf = field(name)
    t = corrects(name)
    sums = [gf.at_power(remains, i) for i in range(1, 2 * t + 1)]
    if not any(sums):
        return []
    found = _quadratic(gf, sums[0], sums[2]) if t == 2 else _iterate(gf, sums)
    return None if found is None or any(place >= n for place in found) else found


def _quadratic(gf: Field, s1: int, s3: int) -> list[int] | None:
    if not s1:
        return None
    cube = gf.times(s1, gf.times(s1, s1))
    if s3 == cube:
        return [gf.logs[s1]]
    constant = gf.over(s3, s1) ^ gf.times(s1, s1)
    # x (x + S1) = constant
    roots = [x for x in gf.logs if gf.times(x, x ^ s1) == constant]
    return [gf.logs[x] for x in roots] if len(roots) == 2 else None


def _iterate(gf: Field, sums: list[int]) -> list[int] | None:
    locator, last = [1], [1]
    length, shift, last_discrepancy = 0, 1, 1
    for step in range(len(sums)):
        terms = (
            gf.times(c, sums[step - i]) for i, c in enumerate(locator) if i <= min(step, length)
        )
        discrepancy = reduce(xor, terms, 0)
        if not discrepancy:
            shift += 1
            continue
        factor = gf.over(discrepancy, last_discrepancy)
        moved = [0] * shift + [gf.times(factor, c) for c in last]
        size = max(len(moved), len(locator))
        before = locator
        locator = [
            (locator[i] if i < len(locator) else 0) ^ (moved[i] if i < len(moved) else 0)
            for i in range(size)
        ]
        if 2 * length <= step:
            length, last, last_discrepancy, shift = step + 1 - length, before, discrepancy, 1
        else:
            shift += 1
    while locator[-1] == 0:
        locator.pop()
    if len(locator) - 1 != length or length > 3:
        return None
    places = [
        place
        for place in range(gf.order)
        if not reduce(
            xor,
            (gf.times(c, gf.powers[-place * i % gf.order]) for i, c in enumerate(locator)),
        )
    ]
    return places if len(places) == length else None
