"""The named shapes and the named kinds of codes that everything here is measured on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

import pimjax as pj

CHIP = pj.load_chip("mram-pim-8b")
"""8 x 8 bits, 128 rows, 6-bit ADC."""

KINDS = ("random", "sparse")
"""random: uniform over all codes. sparse: ReLU of a normal (half the activation codes are zero,
few are large), weights normal; what a quantised network looks like."""


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution with padding "SAME" on a square image."""

    batch: int
    size: int
    c: int
    n: int

    @property
    def binary_macs(self) -> int:
        """One-bit multiply-adds: one per multiply-add, input slice and weight plane."""
        planes = CHIP.precision.act_bits * CHIP.precision.weight_bits
        return planes * self.batch * self.size**2 * 9 * self.c * self.n

    def codes(self, kind: str = "random") -> tuple[np.ndarray, np.ndarray]:
        """x (b, h, w, c) uint8 and w (3, 3, c, n) int8; the same on every call."""
        rng = np.random.default_rng(0)
        x_shape, w_shape = (self.batch, self.size, self.size, self.c), (3, 3, self.c, self.n)
        if kind == "random":
            x = rng.integers(0, 256, x_shape, np.uint8)
            return x, rng.integers(-128, 128, w_shape, np.int8)
        x = np.rint(40 * rng.standard_normal(x_shape, np.float32)).clip(0, 255)
        w = np.rint(20 * rng.standard_normal(w_shape, np.float32)).clip(-128, 127)
        return x.astype(np.uint8), w.astype(np.int8)


@dataclass(frozen=True)
class Workload:
    """Layers that are run one after the other, each with codes of its own."""

    name: str
    title: str
    layers: tuple[Layer, ...]

    @property
    def images(self) -> int:
        return self.layers[0].batch

    @property
    def binary_macs(self) -> int:
        return sum(layer.binary_macs for layer in self.layers)

    @property
    def counted_layers(self) -> list[tuple[Layer, int]]:
        """Each distinct layer, and how often it occurs."""
        return list(Counter(self.layers).items())


def vgg16(batch: int) -> tuple[Layer, ...]:
    """The 13 convolutions of VGG-16 on 224x224 images. *Source:* arXiv 1409.1556, table 1, D."""
    stages = ((224, 64, 2), (112, 128, 2), (56, 256, 3), (28, 512, 3), (14, 512, 3))
    layers, channels = [], 3
    for size, outputs, depth in stages:
        for _ in range(depth):
            layers.append(Layer(batch, size, channels, outputs))
            channels = outputs
    return tuple(layers)


WORKLOADS = (
    Workload("a1", "3x3 64->64 at 56x56", (Layer(1, 56, 64, 64),)),
    Workload("a8", "the same, batch 8", (Layer(8, 56, 64, 64),)),
    Workload("b", "3x3 256->256 at 28x28", (Layer(1, 28, 256, 256),)),
    Workload("vgg16", "13 convolutions at 224x224", vgg16(1)),
)
