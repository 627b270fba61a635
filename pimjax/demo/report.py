"""What the demo leaves behind: a CSV file and a picture, each written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from pimjax.demo.network import ARRAY_LAYERS
from pimjax.demo.run import Baseline, Row
from pimjax.files import write_whole


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion, 95 % for z = 1.96.

    *Source:* Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def csv_text(baseline: Baseline, rows: Sequence[Row]) -> str:
    """One line per setting; shares and rates as plain numbers, the float network first."""
    layers = [f"clipped_{name}" for name in ARRAY_LAYERS]
    header = ["setting", "chip", "engine", "adc_bits", "bit_error_rate", "images", "accuracy"]
    header += ["accuracy_low", "accuracy_high", "agreement_with_float", "images_per_s"]
    header += ["conversions", "clipped_low", "clipped_high", *layers]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    images = len(baseline.labels)
    low, high = wilson_interval(round(baseline.accuracy * images), images)
    blank = [""] * (4 + len(layers))
    float_line = ["float32", "", "", "", "", images, baseline.accuracy]
    table.writerow([*float_line, f"{low:.4f}", f"{high:.4f}", 1.0, *blank])
    for row in rows:
        setting, adc = row.setting, row.setting.chip.adc
        low, high = wilson_interval(round(row.accuracy * images), images)
        stats = row.stats.values()
        table.writerow(
            [
                setting.label,
                setting.chip.name,
                setting.engine,
                "" if adc.kind == "none" else adc.bits,
                setting.bit_error_rate,
                images,
                row.accuracy,
                f"{low:.4f}",
                f"{high:.4f}",
                row.agreement,
                f"{row.images_per_s:.1f}",
                sum(s.conversions for s in stats),
                sum(s.clipped_low for s in stats),
                sum(s.clipped_high for s in stats),
                *(f"{row.clipped_shares[name]:.3g}" for name in ARRAY_LAYERS),
            ]
        )
    return text.getvalue()


def picture(baseline: Baseline, rows: Sequence[Row]) -> bytes:
    """A PNG: accuracy against ADC bits, and against the bit error rate, with 95 % intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = len(baseline.labels)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    clean = [row for row in rows if row.setting.bit_error_rate == 0]
    flipped = [row for row in rows if row.setting.bit_error_rate > 0]
    by_bits = sorted(
        (row for row in clean if row.setting.chip.adc.kind == "uniform"),
        key=lambda row: row.setting.chip.adc.bits,
    )
    reference = next(row for row in clean if row.setting.chip == flipped[0].setting.chip)

    def draw(axes, xs, shown) -> None:  # type: ignore[no-untyped-def]
        shares = [100 * row.accuracy for row in shown]
        ends = [wilson_interval(round(row.accuracy * images), images) for row in shown]
        # Never below zero, though the two sides are rounded differently.
        below = [max(0, share - 100 * low) for share, (low, _) in zip(shares, ends, strict=True)]
        above = [max(0, 100 * high - share) for share, (_, high) in zip(shares, ends, strict=True)]
        axes.errorbar(xs, shares, yerr=[below, above], marker="o", capsize=3, color="#1f5fa8")
        float_line = 100 * baseline.accuracy
        axes.axhline(float_line, color="#777777", linestyle="--", linewidth=1, label="float32")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")

    draw(left, [row.setting.chip.adc.bits for row in by_bits], by_bits)
    left.set_xticks([row.setting.chip.adc.bits for row in by_bits])
    left.set_xlabel("ADC bits (8: lossless), step of one cell, 128 rows")
    left.set_ylabel(f"top-1 accuracy on {images} test digits, %")
    left.set_title("ADC saturation")
    smallest = flipped[0].setting.bit_error_rate / 10
    draw(
        right,
        [smallest, *(row.setting.bit_error_rate for row in flipped)],
        [reference, *flipped],
    )
    right.set_xscale("log")
    ticks = [smallest, *(row.setting.bit_error_rate for row in flipped)]
    right.set_xticks(ticks, ["0", *(f"{tick:g}" for tick in ticks[1:])])
    right.minorticks_off()
    right.set_xlabel("rate of flipped stored weight bits, one die")
    right.set_ylabel("top-1 accuracy, %")
    right.set_title("MRAM bit errors, 6-bit ADC")
    figure.suptitle("vgg-digits, 8-bit weights and activations, bit-exact")
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    return content.getvalue()


def write_results(folder: Path, baseline: Baseline, rows: Sequence[Row]) -> tuple[Path, Path]:
    """Writes demo.csv and demo.png into the existing `folder` and returns their paths."""
    table, image = folder / "demo.csv", folder / "demo.png"
    write_whole(table, csv_text(baseline, rows).encode())
    write_whole(image, picture(baseline, rows))
    return table, image
