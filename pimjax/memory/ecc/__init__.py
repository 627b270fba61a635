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
from pimjax.memory.ecc.word import decode, decode_words, encode, encode_words

__all__ = [
    "CODES",
    "POLICIES",
    "Code",
    "Outcome",
    "OutcomeCounts",
    "Policy",
    "count",
    "decode",
    "decode_words",
    "deliver",
    "encode",
    "encode_words",
    "find_code",
    "outcomes",
]
