"""What an engine must know of a chip: the arithmetic, and nothing that cannot change a result bit.

These are hashable and static under jit, so chips that differ only in name, energy or geometry
share compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from pimjax.numerics.codes import code_range

SEMANTICS = "1.0"
"""Version of the arithmetic: raised with every change that can alter an output bit."""

WEIGHT_ENCODINGS = ("twos_complement", "offset_binary", "differential", "binary", "ternary")
DIFFERENTIAL_READOUTS = ("separate", "paired")
ROW_ORDERS = ("kernel_channel", "channel_kernel")
OVERFLOWS = ("wrap", "saturate", "error")


@dataclass(frozen=True)
class Adc:
    """The converter at a bitline. *Source of the rule:* SEMANTICS section 4.

    `kind` "none" passes partial sums through; then bits, step and offset play no part.
    `step` and `offset` are in units of one active cell.
    """

    kind: str = "uniform"
    bits: int = 6
    step: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    rounding: str = "half_even"
    symmetric: bool = False

    @property
    def effective_step(self) -> Fraction:
        """Partial-sum units per code: `step`, or 1 without an ADC."""
        return self.step if self.kind == "uniform" else Fraction(1)

    @property
    def effective_offset(self) -> Fraction:
        """`offset`, or 0 without an ADC."""
        return self.offset if self.kind == "uniform" else Fraction(0)

    def code_limits(self, signed: bool) -> tuple[int, int]:
        """Smallest and largest code; `symmetric` drops the lowest one of a signed range."""
        low, high = code_range(self.bits, signed)
        return (low + 1 if signed and self.symmetric else low), high


@dataclass(frozen=True)
class Bitline:
    """The arithmetic of a bitline readout; field meanings as in the chip's TOML file."""

    act_bits: int = 8
    act_signed: bool = False
    weight_bits: int = 8
    weight_encoding: str = "twos_complement"
    differential_readout: str = "separate"
    input_slice_bits: int = 1
    cell_bits: int = 1
    accumulator_bits: int = 32
    accumulator_overflow: str = "error"
    active_wordlines: int = 128
    row_order: str = "kernel_channel"
    adc: Adc = field(default_factory=Adc)

    @property
    def act_range(self) -> tuple[int, int]:
        """Smallest and largest activation code."""
        return code_range(self.act_bits, self.act_signed)

    @property
    def weight_range(self) -> tuple[int, int]:
        """Smallest and largest weight code of the encoding (`binary` skips 0)."""
        if self.weight_encoding == "binary":
            return -1, 1
        low, high = code_range(self.weight_bits, signed=True)
        if self.weight_encoding in ("differential", "ternary"):
            low = -high
        return low, high

    @property
    def weight_step(self) -> int:
        """Distance between neighbouring legal weight codes: 2 for `binary`, else 1."""
        return 2 if self.weight_encoding == "binary" else 1

    @property
    def accumulator_range(self) -> tuple[int, int]:
        """Smallest and largest value the accumulator holds."""
        return code_range(self.accumulator_bits, signed=True)

    def row_groups(self, k: int) -> int:
        """Number of row groups that `k` inputs are cut into."""
        return -(-k // self.active_wordlines)

    def rows_per_group(self, k: int) -> int:
        """Rows of the fullest row group of `k` inputs."""
        return min(k, self.active_wordlines)
