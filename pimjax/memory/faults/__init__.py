"""Fault models, one file each."""

from pimjax.memory.faults.bit_flip import flip_stored_bits, flip_words

__all__ = ["flip_stored_bits", "flip_words"]
