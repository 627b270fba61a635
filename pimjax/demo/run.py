"""The main job on the data that ships inside: real digits through a whole network, bit by bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from pimjax.chip.load import load_chip
from pimjax.chip.schema import Chip
from pimjax.chip.stats import Stats
from pimjax.demo.data import load_calibration_images, load_test_images
from pimjax.demo.float_reference import forward_float, load_weights
from pimjax.demo.network import quantize_digits
from pimjax.die.die import Die
from pimjax.die.inject import inject
from pimjax.memory.faults import BitFlip
from pimjax.network.program import Program
from pimjax.network.run import batches

BATCH = 250
SEED = 2026
RATES = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Setting:
    """One row of the demo: a chip, an engine, and the rate of flipped stored bits."""

    label: str
    chip: Chip
    engine: str = "auto"
    bit_error_rate: float = 0.0


@dataclass(frozen=True)
class Row:
    """What a setting gave on the test images. `images_per_s` leaves compilation out."""

    setting: Setting
    codes: np.ndarray
    stats: dict[str, Stats]
    accuracy: float
    agreement: float
    images_per_s: float

    @property
    def clipped_shares(self) -> dict[str, float]:
        """Clipped conversions per conversion, by layer."""
        return {name: stat.clipped_share for name, stat in self.stats.items()}


def settings() -> tuple[Setting, ...]:
    """The rows of the demo, in order.

    The lossless ADC is run bit-serially, conversion by conversion, not by the integer convolution
    it could be collapsed to: its equality with the row before is then a finding.
    """
    six = load_chip("mram-pim-8b")
    return (
        Setting("no ADC", load_chip("mram-pim-digital")),
        Setting("lossless ADC", load_chip("mram-pim-lossless"), engine="popcount"),
        Setting("6-bit ADC", six),
        Setting("5-bit ADC", load_chip("mram-pim-8b", {"adc.bits": 5})),
        Setting("4-bit ADC", load_chip("mram-pim-8b", {"adc.bits": 4})),
        *(Setting(f"6-bit ADC, BER {rate:g}", six, bit_error_rate=rate) for rate in RATES),
    )


@dataclass(frozen=True)
class Baseline:
    """The float network on the test images, and its 8-bit form."""

    images: np.ndarray
    labels: np.ndarray
    decisions: np.ndarray
    program: Program

    @property
    def accuracy(self) -> float:
        """Share of test images that the float network gets right."""
        return float(np.mean(self.decisions == self.labels))


def prepare(images: int) -> Baseline:
    """Loads the first `images` test images and quantises the shipped network to 8 bits."""
    pixels, labels = load_test_images()
    pixels, labels = pixels[:images], labels[:images]
    calibration, _ = load_calibration_images()
    weights = load_weights()
    real = pixels.astype(np.float32) / np.float32(255)
    logits = forward_float({k: jnp.asarray(v) for k, v in weights.items()}, jnp.asarray(real))
    program = quantize_digits(
        weights, calibration.astype(np.float32) / np.float32(255), load_chip("mram-pim-digital")
    )
    return Baseline(real, labels, np.argmax(np.asarray(logits), axis=1), program)


def program_for(setting: Setting, program: Program) -> Program:
    """The same weights on the setting's chip, with stored bits flipped on one die of it."""
    plan = replace(program.plan, spec=setting.chip.bitline(), engine=setting.engine)
    moved = replace(program, plan=plan, chip=setting.chip)
    if not setting.bit_error_rate:
        return moved
    return inject(moved, [BitFlip(setting.bit_error_rate)], Die(setting.chip, SEED))


def compile_all(baseline: Baseline, done: Callable[[int], None]) -> None:
    """Compiles the programs of all settings, two at a time, so that the rows measure running."""
    distinct = {setting.label.split(",")[0]: setting for setting in reversed(settings())}

    def first_batch(setting: Setting) -> None:
        size = min(BATCH, len(baseline.images))
        next(batches(program_for(setting, baseline.program), baseline.images[:size], size))
        done(1)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(first_batch, distinct.values()))


def run_setting(setting: Setting, baseline: Baseline, done: Callable[[int], None]) -> Row:
    """All test images through the setting's chip; `done` hears of every finished batch."""
    program = program_for(setting, baseline.program)
    size = min(BATCH, len(baseline.images))
    started = time.perf_counter()
    codes, stats = [], dict[str, Stats]()
    for batch in batches(program, baseline.images, size):
        codes.append(batch.codes)
        stats = {n: stats[n] + s if n in stats else s for n, s in batch.stats.items()}
        done(len(batch.codes))
    seconds = time.perf_counter() - started
    outputs = np.concatenate(codes)
    decisions = outputs.argmax(axis=1)
    return Row(
        setting,
        outputs,
        stats,
        accuracy=float(np.mean(decisions == baseline.labels)),
        agreement=float(np.mean(decisions == baseline.decisions)),
        images_per_s=len(outputs) / seconds,
    )


def differing_images(one: Row, other: Row) -> int:
    """Number of test images whose output codes differ anywhere between two rows."""
    return int(np.any(one.codes != other.codes, axis=1).sum())
