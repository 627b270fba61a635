"""Photographs at 224x224: those that the scikit-image package itself contains.

A picture is the largest centred square, resized to 224x224 (linear interpolation after a Gaussian
that keeps it from aliasing: `skimage.transform.resize` with its defaults, order 1), rounded to
whole pixels 0..255, and given to the network as (x - 127) / 128.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pimjax.demo.imagenet.network import SIZE
from pimjax.extras import require

NAMES = ("chelsea", "coffee", "camera", "motorcycle", "rocket")
"""Photographs of a class of ImageNet, in scikit-image's own words; "camera" is grey."""


def pictures() -> tuple[tuple[str, ...], np.ndarray]:
    """The names, and the pictures float32 (n, 224, 224, 3). Raises MissingExtraError."""
    return NAMES, np.stack([normalised(square(_photograph(name))) for name in NAMES])


def calibration_pictures() -> np.ndarray:
    """Other cuts of the same photographs, float32 (2 n, 224, 224, 3): no picture of `pictures`.

    Of each the largest square at the left or top end, and that at the other end mirrored.
    """
    cuts = []
    for name in NAMES:
        photograph = _photograph(name)
        cuts.append(square(photograph, at=0.0, share=0.9))
        cuts.append(square(photograph, at=1.0, share=0.9)[:, ::-1])
    return normalised(np.stack(cuts))


def normalised(pixels: np.ndarray) -> np.ndarray:
    """What the network takes for pixels 0..255: (x - 127) / 128, float32."""
    return (pixels.astype(np.float32) - 127) / np.float32(128)


def square(photograph: np.ndarray, at: float = 0.5, share: float = 1.0) -> np.ndarray:
    """Whole pixels 0..255, uint8 (224, 224, 3), of a photograph (h, w) or (h, w, 3).

    `share` of its shorter side is the square's, which lies `at` 0 (top left) to 1 (bottom right).
    """
    resize = require("skimage.transform", extra="imagenet").resize
    height, width = photograph.shape[:2]
    side = round(share * min(height, width))
    top, left = round(at * (height - side)), round(at * (width - side))
    cut = photograph[top : top + side, left : left + side].astype(np.float64)
    small = resize(cut, (SIZE, SIZE), order=1, anti_aliasing=side > SIZE, preserve_range=True)
    pixels = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


def _photograph(name: str) -> np.ndarray:
    data: Any = require("skimage.data", extra="imagenet")
    if name == "motorcycle":
        return np.asarray(data.stereo_motorcycle()[0])
    return np.asarray(getattr(data, name)())
