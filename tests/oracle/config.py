"""The fields of a chip that decide the arithmetic, and nothing else."""

from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational

_CHOICES = {
    "weight_encoding": ("twos_complement", "offset_binary", "differential", "binary", "ternary"),
    "differential_readout": ("separate", "paired"),
    "accumulator_overflow": ("wrap", "saturate", "error"),
    "row_order": ("kernel_channel", "channel_kernel"),
    "adc_kind": ("uniform", "none"),
    "adc_rounding": ("half_even", "half_up", "floor"),
}
_POSITIVE = (
    "act_bits",
    "weight_bits",
    "input_slice_bits",
    "cell_bits",
    "accumulator_bits",
    "active_wordlines",
    "adc_bits",
)
_FIXED_WEIGHT_BITS = {"binary": 1, "ternary": 2}


@dataclass(frozen=True)
class OracleChip:
    """A chip as the arithmetic sees it; the defaults are those of `mram-pim-8b`.

    `adc_step` and `adc_offset` are exact rationals in units of one active cell. They and
    the other `adc_` fields have no meaning when `adc_kind` is "none".
    """

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
    adc_kind: str = "uniform"
    adc_bits: int = 6
    adc_step: Fraction = Fraction(1)
    adc_offset: Fraction = Fraction(0)
    adc_rounding: str = "half_even"
    adc_symmetric: bool = False

    def __post_init__(self):
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {allowed}")
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be at least 1")
        for name in ("adc_step", "adc_offset"):
            if not isinstance(getattr(self, name), Rational):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be an exact rational")
        if self.adc_step <= 0:
            raise ValueError(f"adc_step is {self.adc_step}; it must be positive")
        needed = _FIXED_WEIGHT_BITS.get(self.weight_encoding, self.weight_bits)
        if self.weight_bits != needed:
            raise ValueError(f"{self.weight_encoding} weights need weight_bits = {needed}")

    @property
    def paired(self) -> bool:
        """True when P and N columns are subtracted before one signed conversion."""
        return (
            self.weight_encoding in ("differential", "ternary")
            and self.differential_readout == "paired"
        )


def from_chip(chip) -> OracleChip:
    """The `OracleChip` with the values of a `pimjax` chip, read by attribute name only.

    Rationals may be int, Fraction or text like "255/63". Raises `ValueError` for a chip
    with non-ideal columns: those thresholds are not the oracle's.
    """
    precision, array, adc = chip.precision, chip.array, chip.adc
    for name in ("gain_sigma", "offset_sigma_lsb", "inl_lsb", "noise_sigma_lsb"):
        if getattr(adc, name, 0):
            raise ValueError(f"adc.{name} is not 0; the oracle knows ideal columns only")
    return OracleChip(
        act_bits=int(precision.act_bits),
        act_signed=bool(precision.act_signed),
        weight_bits=int(precision.weight_bits),
        weight_encoding=str(precision.weight_encoding),
        differential_readout=str(precision.differential_readout),
        input_slice_bits=int(precision.input_slice_bits),
        cell_bits=int(precision.cell_bits),
        accumulator_bits=int(precision.accumulator_bits),
        accumulator_overflow=str(precision.accumulator_overflow),
        active_wordlines=int(array.active_wordlines),
        row_order=str(array.row_order),
        adc_kind=str(adc.kind),
        adc_bits=int(adc.bits),
        adc_step=Fraction(adc.step),
        adc_offset=Fraction(adc.offset),
        adc_rounding=str(adc.rounding),
        adc_symmetric=bool(adc.symmetric),
    )
