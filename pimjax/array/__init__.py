"""Bits at work: what wordlines, bitlines, the ADC and the accumulator compute, and the engines."""
