"""What the benchmarks are to reach, and whether they did."""

from __future__ import annotations

from benchmarks.report import ONE_THREAD, Row, numpy_seconds, seconds

TIMES_NUMPY = {"a1": 20, "a8": 20, "b": 20}
"""popcount alone, at least so many times as fast as NumPy."""

SECONDS_PER_IMAGE = {"vgg16": 1.5}
"""popcount alone, at most."""

PEAK_MB = {"memory-layer": 1000, "memory-vgg16": 6000}


def verdicts(rows: list[Row]) -> list[str]:
    """A line for each goal that was measured."""
    lines = []
    for workload, goal in TIMES_NUMPY.items():
        popcount, numpy = seconds(rows, workload, "popcount"), numpy_seconds(rows, workload)
        if popcount and numpy:
            text = f"{workload}: popcount is {numpy / popcount:.1f} times as fast as NumPy"
            single = seconds(rows, workload, ONE_THREAD)
            if single:
                text += f", {single / popcount:.1f} times as fast as NumPy on one thread"
            lines.append(_line(numpy / popcount >= goal, f"{text}; {goal} wanted"))
    for workload, goal in SECONDS_PER_IMAGE.items():
        popcount = seconds(rows, workload, "popcount")
        if popcount:
            text = f"{workload}: popcount takes {popcount:.2f} s an image; under {goal} wanted"
            lines.append(_line(popcount < goal, text))
    for workload, goal in PEAK_MB.items():
        peaks = [row.peak_mb for row in rows if row.workload == workload and row.peak_mb]
        if peaks:
            text = f"{workload}: peak of {max(peaks):.0f} MB; under {goal} wanted"
            lines.append(_line(max(peaks) < goal, text))
    return lines


def _line(reached: bool, text: str) -> str:
    return f"{'reached' if reached else 'MISSED '}  {text}"
