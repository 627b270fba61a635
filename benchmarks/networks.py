"""The real networks and labelled images that lie beside the repository, as they are used here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Labelled:
    """Images as a network takes them (real numbers), labels, and images to calibrate with."""

    images: np.ndarray
    labels: np.ndarray
    calibration: np.ndarray

    def first(self, count: int | None) -> Labelled:
        """The same with only the first images."""
        return Labelled(self.images[:count], self.labels[:count], self.calibration)


def cifar10() -> Labelled:
    """The test images, normalised as the ResNets expect; 64 training images for calibration."""
    with np.load(ROOT / "cifar10" / "cifar10_part.npz", allow_pickle=False) as file:
        x, y, train = file["x_test"], file["y_test"], file["x_train"][:64]

    def normalise(pixels: np.ndarray) -> np.ndarray:
        return (pixels.astype(np.float32) / np.float32(255) - IMAGENET_MEAN) / IMAGENET_DEVIATION

    return Labelled(normalise(x), y.ravel().astype(np.int64), normalise(train))


def cifar10_pixels() -> Labelled:
    """The test images as pixels 0..255."""
    with np.load(ROOT / "cifar10" / "cifar10_part.npz", allow_pickle=False) as file:
        x, y, train = file["x_test"], file["y_test"], file["x_train"][:64]
    return Labelled(x.astype(np.float32), y.ravel().astype(np.int64), train.astype(np.float32))


def imagenet(mean: float = 127, deviation: float = 128, offset: int = 0) -> Labelled:
    """All pictures, every seventh first; 64 of them, evenly spread, for calibration."""
    files = sorted((ROOT / "imagenet224").glob("*.jpg"))
    files = [file for start in range(7) for file in files[start::7]]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    images = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(deviation)
    labels = np.array([int(file.name[:4]) for file in files], np.int64) + offset
    chosen = np.linspace(0, len(images) - 1, 64).astype(int)
    return Labelled(images, labels, images[chosen])


def keywords() -> Labelled:
    """Keyword features of the speech commands: codes with scale 0.5847029 and zero point 83."""
    with np.load(ROOT / "kws01" / "kws01.npz", allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    real = (x.astype(np.float32) - np.float32(83)) * np.float32(0.5847029)
    return Labelled(real, y.astype(np.int64), real[:64])


@dataclass(frozen=True)
class Network:
    """A model's file and the images that belong to it."""

    file: str
    data: Callable[[], Labelled]

    @property
    def path(self) -> Path:
        """Where the model lies."""
        return ROOT / "models" / self.file


FLOAT = {
    "resnet20": Network("resnet20_cifar10.onnx", cifar10),
    "resnet56": Network("resnet56_cifar10.onnx", cifar10),
    "efficientnet-lite0": Network("efficientnet_lite0.onnx", imagenet),
}

QUANTISED = {
    "resnet8-int8": Network("resnet8_cifar10_int8.tflite", cifar10_pixels),
    "dscnn-int8": Network("dscnn_kws_int8.tflite", keywords),
    "mobilenet-v2-int8": Network(
        "mobilenet_v2_224_int8.tflite", lambda: imagenet(127, 127.5, offset=1)
    ),
    "mobilenet-v2-uint8": Network(
        "mobilenet_v2_224_uint8.tflite", lambda: imagenet(128, 128, offset=1)
    ),
}
