"""Integers and nothing else: codes, digits, packed words, wide sums, exact rounding."""
