"""The shape of a convolution, resolved: what is padded, which input a kernel tap meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]
Padding = str | Sequence[Sequence[int]]


@dataclass(frozen=True)
class Geometry:
    """A convolution over NHWC input with everything resolved to integers.

    `pad` is ((top, bottom), (left, right)); `out` the output height and width.
    """

    kernel: Pair
    in_channels: int
    out_channels: int
    stride: Pair
    dilation: Pair
    groups: int
    pad: tuple[Pair, Pair]
    out: Pair

    @property
    def k(self) -> int:
        """Length of one dot product."""
        return self.kernel[0] * self.kernel[1] * self.channels_per_group

    @property
    def channels_per_group(self) -> int:
        """Input channels of one convolution group."""
        return self.in_channels // self.groups

    @property
    def outputs_per_group(self) -> int:
        """Output channels of one convolution group."""
        return self.out_channels // self.groups

    @property
    def reach(self) -> Pair:
        """Input rows and columns that one output sees, dilation included."""
        return tuple(  # type: ignore[return-value]
            (size - 1) * spread + 1 for size, spread in zip(self.kernel, self.dilation, strict=True)
        )


def as_pair(name: str, value: Any) -> Pair:
    """(value, value) of a positive int, or a pair of them. Raises ValueError."""
    items = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(items) != 2 or not all(_is_int(i) and i >= 1 for i in items):
        raise ValueError(f"{name}: {value!r} given; an int >= 1 or a pair of them expected")
    return int(items[0]), int(items[1])


def _is_int(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def resolve_padding(padding: Padding, size: Pair, reach: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """((top, bottom), (left, right)) of "SAME", "VALID" or explicit padding.

    "SAME" is the rule of XLA and TensorFlow: ceil(size / stride) outputs, the odd line at the
    bottom and right. Raises ValueError.
    """
    if isinstance(padding, str):
        if padding == "VALID":
            return (0, 0), (0, 0)
        if padding != "SAME":
            raise ValueError(
                f"padding: {padding!r} given; 'SAME', 'VALID' or ((top, bottom), (left, right))"
            )
        sides = []
        for length, span, step in zip(size, reach, stride, strict=True):
            total = max((-(-length // step) - 1) * step + span - length, 0)
            sides.append((total // 2, total - total // 2))
        return sides[0], sides[1]
    try:
        (top, bottom), (left, right) = padding
    except (TypeError, ValueError):
        top = None
    if top is None or not all(_is_int(amount) for amount in (top, bottom, left, right)):
        raise ValueError(
            f"padding: {padding!r} given; 'SAME', 'VALID' or ((top, bottom), (left, right))"
        )
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding: {padding!r} given; amounts must be >= 0")
    return (int(top), int(bottom)), (int(left), int(right))


def resolve(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: Any,
    padding: Padding,
    dilation: Any,
    groups: int,
) -> Geometry:
    """The geometry of x (b, h, w, c) and w (kh, kw, c/groups, n). Raises ValueError."""
    _, height, width, channels = x_shape
    kh, kw, channels_per_group, outputs = w_shape
    if not _is_int(groups) or groups < 1:
        raise ValueError(f"groups: {groups!r} given; an int >= 1 expected")
    for name, count in (("x has c", channels), ("w has n", outputs)):
        if count % groups:
            raise ValueError(f"groups = {groups} does not divide the channels: {name} = {count}")
    if channels != channels_per_group * groups:
        raise ValueError(
            f"channels differ: x has c = {channels}, but w has c/groups = {channels_per_group} "
            f"with groups = {groups}, that is c = {channels_per_group * groups}"
        )
    strides, dilations = as_pair("stride", stride), as_pair("dilation", dilation)
    reach = (kh - 1) * dilations[0] + 1, (kw - 1) * dilations[1] + 1
    pad = resolve_padding(padding, (height, width), reach, strides)
    padded = height + sum(pad[0]), width + sum(pad[1])
    if padded[0] < reach[0] or padded[1] < reach[1]:
        raise ValueError(
            f"the kernel reaches {reach[0]} x {reach[1]} (h x w), more than the padded input of "
            f"{padded[0]} x {padded[1]}; pad more or use a smaller kernel"
        )
    out = (padded[0] - reach[0]) // strides[0] + 1, (padded[1] - reach[1]) // strides[1] + 1
    return Geometry((kh, kw), channels, outputs, strides, dilations, int(groups), pad, out)
