"""Wrong bits that a decoder leaves behind, measured by decoding words with j random errors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from pimjax.memory.ecc.codes import Code
from pimjax.memory.ecc.word import decode


def wrong_bits(code: Code, most: int, words: int = 4096, seed: int = 0) -> np.ndarray:
    """(most + 1,) float64: mean wrong data bits after decoding words with 0 .. most errors.

    From `words` random patterns of exactly j errors for each j; detected words are delivered as
    read. With `data_error_rate` this is a stratified estimate that has the right power of p at any
    rate, where plain sampling would meet no failure. Exactly 0 up to t errors. Raises ValueError
    for more errors than bits.
    """
    if not 0 <= most <= code.n:
        raise ValueError(f"most = {most}: 0..{code.n} errors in a word of {code.n} bits expected")
    # One order of the bits for each word: its first j bits are wrong, for every j.
    order = np.argsort(np.random.default_rng(seed).random((words, code.n)), axis=1)
    means = []
    for errors in range(most + 1):
        # As the code is linear, the errors stand for the words.
        data, _ = decode(code, jnp.asarray((order < errors).astype(np.uint8)))
        means.append(float(np.mean(np.sum(np.asarray(data), axis=1))))
    return np.array(means)
