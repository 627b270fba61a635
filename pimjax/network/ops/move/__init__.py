"""Codes or real numbers that only change place: exact on both, and part of neither."""
