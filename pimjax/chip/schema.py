"""The fields of a chip, their units, ranges and defaults.

Frozen, hashable dataclasses. Types and ranges are checked by pydantic, combinations by rules.py;
both when a file is loaded and when a chip is built in Python.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic.dataclasses import dataclass

from pimjax.array.digital import LARGEST_FRACTION
from pimjax.array.spec import Adc as AdcSpec
from pimjax.array.spec import Bitline

_TABLE = ConfigDict(extra="forbid")


def parse_rational(value: Any) -> Fraction:
    """An exact rational from an integer, a Fraction, or text such as "255/63"."""
    if isinstance(value, bool) or not isinstance(value, int | str | Fraction):
        remedy = ""
        if isinstance(value, float) and abs(value) < 1e9:
            remedy = f'; write "{Fraction(value).limit_denominator(10**6)}"'
        raise ValueError(f'an integer or text such as "255/63" expected, to be exact{remedy}')
    if isinstance(value, str) and not value.replace("/", "").lstrip("+-").isdigit():
        raise ValueError('an integer or text such as "255/63" expected')
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError('an integer or text such as "255/63" expected') from None
    if max(abs(number.numerator), number.denominator) > LARGEST_FRACTION:
        raise ValueError(f"numerator and denominator up to {LARGEST_FRACTION} are supported")
    return number


def _positive(number: Fraction) -> Fraction:
    if number <= 0:
        raise ValueError("greater than 0 expected")
    return number


def _in_kelvin(temperature: float) -> float:
    if not 150 <= temperature <= 700:
        raise ValueError("in kelvin, from 150 to 700; 85 C is 358.15 K")
    return temperature


Rational = Annotated[Fraction, BeforeValidator(parse_rational)]
Step = Annotated[Fraction, BeforeValidator(lambda value: _positive(parse_rational(value)))]
Bool = Annotated[bool, Strict()]
Bits12 = Annotated[int, Strict(), Field(ge=1, le=12)]
Bits16 = Annotated[int, Strict(), Field(ge=1, le=16)]
AccumulatorBits = Annotated[int, Strict(), Field(ge=8, le=32)]
WordBits = Annotated[int, Strict(), Field(ge=1, le=1024)]
Count = Annotated[int, Strict(), Field(ge=1, le=1 << 20)]
NotNegative = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
SpareCount = Annotated[int, Strict(), Field(ge=0, le=1 << 20)]
Kelvin = Annotated[float, Strict(), AfterValidator(_in_kelvin)]
CurieKelvin = Annotated[float, Strict(), Field(ge=701, le=2000)]
Stability = Annotated[float, Strict(), Field(ge=1, le=1000)]
Spread = Annotated[float, Strict(), Field(ge=0, le=0.3)]
Overdrive = Annotated[float, Strict(), Field(gt=1, allow_inf_nan=False)]
LogSigma = Annotated[float, Strict(), Field(ge=0, le=5)]
ReadRatio = Annotated[float, Strict(), Field(ge=0, le=0.99)]
DisturbExponent = Annotated[int, Strict(), Field(ge=1, le=2)]

Ecc = Literal[
    "none",
    "secded-39-32",
    "secded-72-64",
    "secded-137-128",
    "hamming-71-64",
    "bch-44-32",
    "bch-78-64",
    "bch-144-128",
    "bch-152-128",
]


@dataclass(frozen=True, config=_TABLE)
class Precision:
    """Number formats: how activations are driven, weights stored, results accumulated.

    `differential_readout` matters only with the encodings "differential" and "ternary".
    """

    act_bits: Bits12 = 8
    act_signed: Bool = False
    weight_bits: Bits12 = 8
    weight_encoding: Literal[
        "twos_complement", "offset_binary", "differential", "binary", "ternary"
    ] = "twos_complement"
    differential_readout: Literal["separate", "paired"] = "separate"
    input_slice_bits: Bits12 = 1
    cell_bits: Bits12 = 1
    accumulator_bits: AccumulatorBits = 32
    accumulator_overflow: Literal["wrap", "saturate", "error"] = "error"


@dataclass(frozen=True, config=_TABLE)
class Array:
    """Geometry of a macro and of the chip, and how dot products are laid on wordlines.

    `spare_wordlines` and `spare_bitlines` of every macro stand beside its `wordlines` and
    `bitlines` and hold nothing until a repair puts them in the place of bad ones.
    """

    readout: Literal["bitline", "digital"] = "bitline"
    wordlines: Count = 256
    bitlines: Count = 512
    active_wordlines: Count = 128
    row_order: Literal["kernel_channel", "channel_kernel"] = "kernel_channel"
    banks: Count = 40
    macros_per_bank: Count = 64
    spare_wordlines: SpareCount = 0
    spare_bitlines: SpareCount = 0


@dataclass(frozen=True, config=_TABLE)
class Adc:
    """The converter at a bitline.

    `step` and `offset` are exact rationals in units of one active cell. `columns_per_adc` bitlines
    share one converter (time only, never a result). The four spreads of non-ideal columns are in
    parts of the gain (`gain_sigma`) or in units of the step (the `_lsb` ones).
    """

    kind: Literal["uniform", "none"] = "uniform"
    bits: Bits16 = 6
    step: Step = Fraction(1)
    offset: Rational = Fraction(0)
    rounding: Literal["half_even", "half_up", "floor"] = "half_even"
    symmetric: Bool = False
    columns_per_adc: Count = 8
    gain_sigma: NotNegative = 0.0
    offset_sigma_lsb: NotNegative = 0.0
    inl_lsb: NotNegative = 0.0
    noise_sigma_lsb: NotNegative = 0.0


@dataclass(frozen=True, config=_TABLE)
class Mram:
    """The memory that holds the weights. `ecc` names a word code, or "none".

    The device: *Assumption*, where a chip's file gives no source, like all defaults below.
    docs/device.md explains what each does.

    - `thermal_stability`: mean over the cells of the barrier divided by kT, both states, at
      `thermal_stability_temperature_k`; `thermal_stability_sigma` is its spread relative to the
      mean. The default mean meets "10 years at 150 C with 1 ppm of failed bits" at 5 % spread.
    - `attempt_time_ns`, `curie_temperature_k`: the time between attempts over the barrier, and
      where the magnetisation vanishes.
    - `damping`, `anisotropy_field_t` (mu0 Hk, tesla): they set the time scale of switching.
    - `write_pulse_ns`: the current pulse, a part of `timing.mram_write_ns`.
    - `write_overdrive`: write current by critical current of the harder direction, P to AP
      (writing 0); AP to P (writing 1) has `write_asymmetry` times that.
    - `write_sigma`: log-normal sigma, over cells, of the write error rate; the mean is kept.
    - `read_current_ratio`: read current by critical current; `disturb_exponent`: 1 or 2.
    - `tmr`: R_AP / R_P - 1; `resistance_p_kohm`: R_P; `resistance_sigma`: relative spread of a
      cell's resistance at the sense amplifier of the digital readout.
    - `conductance_sigma` (frozen per cell) and `read_noise_sigma` (fresh per read): relative
      spreads of one cell's conductance in the sum of the bitline readout; 0 is ideal.
    """

    capacity_mib: Positive = 40.0
    word_bits: WordBits = 64
    ecc: Ecc = "none"
    thermal_stability: Stability = 113.4
    thermal_stability_temperature_k: Kelvin = 298.15
    thermal_stability_sigma: Spread = 0.05
    attempt_time_ns: Positive = 1.0
    curie_temperature_k: CurieKelvin = 1000.0
    damping: Positive = 0.01
    anisotropy_field_t: Positive = 0.3
    write_pulse_ns: Positive = 18.0
    write_overdrive: Overdrive = 2.0
    write_asymmetry: Positive = 1.15
    write_sigma: LogSigma = 1.0
    read_current_ratio: ReadRatio = 0.3
    disturb_exponent: DisturbExponent = 2
    tmr: Positive = 1.5
    resistance_p_kohm: Positive = 6.0
    resistance_sigma: NotNegative = 0.06
    conductance_sigma: NotNegative = 0.0
    read_noise_sigma: NotNegative = 0.0


@dataclass(frozen=True, config=_TABLE)
class Timing:
    """Clock and latencies. *Assumption* where a chip's file gives no source."""

    clock_mhz: Positive = 200.0
    mram_read_ns: Positive = 10.0
    mram_write_ns: Positive = 50.0
    adc_conversion_ns: Positive = 5.0


@dataclass(frozen=True, config=_TABLE)
class Energy:
    """Energy per event. *Assumption* where a chip's file gives no source."""

    mram_read_pj_per_bit: NotNegative = 0.23
    mram_write_pj_per_bit: NotNegative = 4.5
    adc_conversion_pj: NotNegative = 1.3
    mac_pj: NotNegative = 0.1
    sram_pj_per_bit: NotNegative = 0.15


@dataclass(frozen=True, config=_TABLE)
class Chip:
    """One chip design: everything its TOML file says."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    sources: tuple[str, ...] = ()
    precision: Precision = Precision()
    array: Array = Array()
    adc: Adc = Adc()
    mram: Mram = Mram()
    timing: Timing = Timing()
    energy: Energy = Energy()

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        from pimjax.chip.rules import broken_rules

        broken = broken_rules(self)
        if broken:
            raise ValueError("\n".join(broken))
        return self

    def bitline(self) -> Bitline:
        """The arithmetic of the array, as the engines take it.

        The digital readout has no ADC: words are read, and their products summed exactly.
        """
        precision, adc = self.precision, self.adc
        return Bitline(
            act_bits=precision.act_bits,
            act_signed=precision.act_signed,
            weight_bits=precision.weight_bits,
            weight_encoding=precision.weight_encoding,
            differential_readout=precision.differential_readout,
            input_slice_bits=precision.input_slice_bits,
            cell_bits=precision.cell_bits,
            accumulator_bits=precision.accumulator_bits,
            accumulator_overflow=precision.accumulator_overflow,
            active_wordlines=self.array.active_wordlines,
            row_order=self.array.row_order,
            adc=AdcSpec(
                kind="none" if self.array.readout == "digital" else adc.kind,
                bits=adc.bits,
                step=adc.step,
                offset=adc.offset,
                rounding=adc.rounding,
                symmetric=adc.symmetric,
            ),
        )

    @property
    def has_column_errors(self) -> bool:
        """Whether bitlines or converters are not ideal: then a program needs a die to run on."""
        return any(value != 0 for _, value in self.column_errors)

    @property
    def column_errors(self) -> tuple[tuple[str, float], ...]:
        """The fields that make columns of the bitline readout non-ideal, with their values."""
        adc, mram = self.adc, self.mram
        return (
            ("adc.gain_sigma", adc.gain_sigma),
            ("adc.offset_sigma_lsb", adc.offset_sigma_lsb),
            ("adc.inl_lsb", adc.inl_lsb),
            ("adc.noise_sigma_lsb", adc.noise_sigma_lsb),
            ("mram.conductance_sigma", mram.conductance_sigma),
            ("mram.read_noise_sigma", mram.read_noise_sigma),
        )

    def with_ideal_columns(self) -> Chip:
        """The same design without any error of a column."""
        adc = replace(
            self.adc, gain_sigma=0.0, offset_sigma_lsb=0.0, inl_lsb=0.0, noise_sigma_lsb=0.0
        )
        mram = replace(self.mram, conductance_sigma=0.0, read_noise_sigma=0.0)
        return replace(self, adc=adc, mram=mram)

    def to_toml(self) -> str:
        """The complete config as TOML text; loading it gives an equal chip."""
        from pimjax.chip.load import chip_to_toml

        return chip_to_toml(self)
