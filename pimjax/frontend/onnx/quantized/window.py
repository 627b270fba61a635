"""What part of a window lies on the image."""

from __future__ import annotations

import numpy as np

from pimjax.frontend.onnx.window import Window


def taps_inside(found: Window, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(h', kh) and (w', kw) bool: whether an output's tap lies on the image (h, w)."""
    along = []
    for axis in (0, 1):
        starts = np.arange(found.out[axis]) * found.stride[axis] - found.pad[axis][0]
        taps = starts[:, None] + np.arange(found.kernel[axis]) * found.dilation[axis]
        along.append((taps >= 0) & (taps < size[axis]))
    return along[0], along[1]
