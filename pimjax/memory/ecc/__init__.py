"""Error correction of stored words: real codes, real decoders, and how often they fail."""

from pimjax.memory.ecc.codes import CODES, Code, find_code
from pimjax.memory.ecc.outcome import (
    POLICIES,
    Outcome,
    OutcomeCounts,
    Policy,
    count,
    deliver,
    outcomes,
)
from pimjax.memory.ecc.plot import draw_rates, rates_picture
from pimjax.memory.ecc.rates import data_error_rate, lifetime_word_rate, uncorrectable_word_rate
from pimjax.memory.ecc.residual import wrong_bits
from pimjax.memory.ecc.word import decode, decode_words, encode, encode_words

__all__ = [
    "CODES",
    "POLICIES",
    "Code",
    "Outcome",
    "OutcomeCounts",
    "Policy",
    "count",
    "data_error_rate",
    "decode",
    "decode_words",
    "deliver",
    "draw_rates",
    "encode",
    "encode_words",
    "find_code",
    "lifetime_word_rate",
    "outcomes",
    "rates_picture",
    "uncorrectable_word_rate",
    "wrong_bits",
]
