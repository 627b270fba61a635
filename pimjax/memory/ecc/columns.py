"""Syndromes of single errors in the data bits: what makes one linear code differ from another."""

from __future__ import annotations


def odd_weight(parity_bits: int, count: int) -> tuple[int, ...]:
    """The data columns of a Hsiao code: different numbers with 3, 5, ... ones, lowest first.

    Numbers of equal weight come by rotation: the smallest number, its rotations to the left, then
    the smallest number not yet met. A full run of rotations has as many ones in every row; with
    part of one, the rows of the three codes here differ by at most one. No choice of different
    odd columns has fewer ones in all.

    *Source:* M. Y. Hsiao, "A class of optimal minimum odd-weight-column SEC-DED codes", IBM J. Res.
    Dev. 14(4), 1970: odd columns, minimum weight, balanced rows. *Assumption:* the order, which the
    paper leaves open; for 8 parity bits the columns are all 56 of weight 3 and the rotations of
    0b00011111.
    """
    found: dict[int, None] = {}
    for weight in range(3, parity_bits + 1, 2):
        for number in range(1 << parity_bits):
            if number.bit_count() == weight:
                for turn in range(parity_bits):
                    found[_rotated(number, turn, parity_bits)] = None
    return tuple(found)[:count]


def _rotated(number: int, turn: int, bits: int) -> int:
    return (number << turn | number >> (bits - turn)) & ((1 << bits) - 1)


def counting(count: int) -> tuple[int, ...]:
    """The data columns of a Hamming code: 3, 5, 6, 7, 9, ...: numbers with more than one 1.

    A syndrome is then the place of the error in Hamming's own numbering, where the parity bits
    stand at the powers of two. *Source:* R. W. Hamming, Bell Syst. Tech. J. 29(2), 1950.
    """
    numbers = (number for number in range(3, 2 * count + 2) if number.bit_count() > 1)
    return tuple(number for number, _ in zip(numbers, range(count), strict=False))


def remainders(generator: int, count: int) -> tuple[int, ...]:
    """The data columns of a cyclic code: x^(r + i) modulo `generator`, whose degree is r.

    Polynomials over GF(2) are integers, bit i the coefficient of x^i. Data bit i is thus the
    coefficient of x^(r + i) and parity bit i that of x^i, in a code word divisible by `generator`.
    """
    degree = generator.bit_length() - 1
    found = []
    power = 1 << degree
    for _ in range(count):
        power ^= generator if power >> degree else 0
        found.append(power)
        power <<= 1
    return tuple(found)
