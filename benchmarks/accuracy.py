"""Accuracy of real networks on the chip: `python -m benchmarks.accuracy [--images N] [--curve]`.

Needs the data beside the repository. The first table: float networks at 8 bits with a lossless ADC,
and quantised ones beside LiteRT. With --curve: ResNet-20 against ADC bits and rows, with the chip's
step and with calibrated ones.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import pimjax as pj
from benchmarks.networks import FLOAT, QUANTISED, Labelled, Network

BITS = (8, 7, 6, 5, 4, 3)
ROWS = (64, 128, 256)
MARGIN = {"resnet20": 0.5, "resnet56": 0.5, "efficientnet-lite0": 1.5}
"""Points of accuracy that 8 bits may cost."""


def accuracy(decisions: np.ndarray, data: Labelled) -> float:
    """Right decisions in percent."""
    return 100 * float(np.mean(decisions == data.labels))


def float_decisions(model: pj.Model, images: np.ndarray, batch: int = 16) -> np.ndarray:
    """Decisions of the float network itself."""
    parts = [model(images[at : at + batch])[0] for at in range(0, len(images), batch)]
    return np.concatenate([np.asarray(part).argmax(axis=1) for part in parts])


def chip_decisions(program: pj.Program, images: np.ndarray) -> np.ndarray:
    """Decisions of a program."""
    scores = pj.run(program, images, batch_size=32, codes=True)
    return scores.reshape(len(scores), -1).argmax(axis=1)


def litert_decisions(network: Network, images: np.ndarray) -> np.ndarray:
    """Decisions of LiteRT's reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    runtime = Interpreter(
        str(network.path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    runtime.allocate_tensors()
    entry, output = runtime.get_input_details()[0], runtime.get_output_details()[0]
    scale, zero = entry["quantization"]
    limits = np.iinfo(entry["dtype"])
    decisions = []
    for image in images:
        codes = np.clip(np.rint(image / np.float32(scale)) + zero, limits.min, limits.max)
        runtime.set_tensor(entry["index"], codes.astype(entry["dtype"])[None])
        runtime.invoke()
        decisions.append(int(runtime.get_tensor(output["index"]).reshape(-1).argmax()))
    return np.array(decisions)


def eight_bits(name: str, images: int | None) -> tuple[float, float, float, int]:
    """(float accuracy, on the lossless chip, share of equal decisions, images), in percent."""
    data = FLOAT[name].data().first(images)
    model = pj.load_model(FLOAT[name].path)
    exact = float_decisions(model, data.images)
    program = pj.compile(model, pj.load_chip("mram-pim-lossless"), data.calibration)
    got = chip_decisions(program, data.images)
    agreement = 100 * float(np.mean(got == exact))
    return accuracy(exact, data), accuracy(got, data), agreement, len(data.labels)


def beside_litert(name: str, images: int | None) -> tuple[float, float, float, int]:
    """(LiteRT's accuracy, on the lossless chip, share of equal decisions, images), in percent."""
    data = QUANTISED[name].data().first(images)
    right = litert_decisions(QUANTISED[name], data.images)
    program = pj.compile(pj.load_model(QUANTISED[name].path), pj.load_chip("mram-pim-lossless"))
    got = chip_decisions(program, data.images)
    agreement = 100 * float(np.mean(got == right))
    return accuracy(right, data), accuracy(got, data), agreement, len(data.labels)


def curve(images: int | None) -> Table:
    """ResNet-20 against ADC bits and rows: the chip's step, and steps of least squared error."""
    data = FLOAT["resnet20"].data().first(images)
    model = pj.load_model(FLOAT["resnet20"].path)
    table = Table("rows", "ADC step", *(f"{bits} bits" for bits in BITS), box=None)
    for rows in ROWS:
        for adc in ("chip", "mse"):
            cells = []
            for bits in BITS:
                chip = pj.load_chip(
                    "mram-pim-8b", {"array.active_wordlines": rows, "adc.bits": bits}
                )
                program = pj.compile(model, chip, data.calibration, adc=adc)
                cells.append(f"{accuracy(chip_decisions(program, data.images), data):.1f}")
            table.add_row(str(rows), "1" if adc == "chip" else "calibrated", *cells)
    table.caption = f"top-1 % of {len(data.labels)} CIFAR-10 test images"
    return table


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="only the first images of each set")
    parser.add_argument("--curve", action="store_true", help="ResNet-20 against ADC bits and rows")
    parser.add_argument("--only", choices=[*FLOAT, *QUANTISED], help="one network")
    options = parser.parse_args()
    console = Console(width=120)
    if options.curve:
        console.print(curve(options.images))
        return
    table = Table("network", "images", "beside", "its top-1 %", "chip top-1 %", "equal %", "s")
    for name in [options.only] if options.only else [*FLOAT, *QUANTISED]:
        started = time.perf_counter()
        measure = eight_bits if name in FLOAT else beside_litert
        beside, chip, equal, count = measure(name, options.images)
        cells = (f"{beside:.2f}", f"{chip:.2f}", f"{equal:.2f}")
        seconds = f"{time.perf_counter() - started:.0f}"
        table.add_row(name, str(count), "float" if name in FLOAT else "LiteRT", *cells, seconds)
    console.print(table)


if __name__ == "__main__":
    main()
