"""TRANSPOSE_CONV: a convolution of the input with gaps between its pixels."""

from __future__ import annotations

from dataclasses import replace

from pimjax.frontend.tflite.arrays import channels_of, convolution, padding_of
from pimjax.frontend.tflite.node import Lowered, Node, UnsupportedError, is_float, spec_of
from pimjax.network.ops import Spread


def transposed_conv(node: Node) -> Lowered:
    """The kernel turned by half a circle, over the spread input, padded to the file's output."""
    inputs = node.operator.inputs
    if len(inputs) < 3:
        raise UnsupportedError(f"{len(inputs)} inputs; output size, weights and input expected")
    node = replace(node, operator=replace(node.operator, inputs=(*inputs[2:0:-1], *inputs[3:])))
    stored, channels = node.constant(1, "its weight tensor"), channels_of(node)
    if stored.ndim != 4 or stored.shape[3] != channels or len(node.output.shape) != 4:
        raise UnsupportedError(f"weights of size {stored.shape} for {channels} input channels")
    stride = node.setting("StrideH"), node.setting("StrideW")
    if min(stride) < 1:
        raise UnsupportedError(f"stride {stride}")
    same = padding_of(node) == "SAME"
    (top, bottom), (left, right) = (
        _sides(node.tensor(0).shape[i], node.output.shape[i], stored.shape[i], stride[i - 1], same)
        for i in (1, 2)
    )
    zero = 0 if is_float(node.tensor(0)) else spec_of(node.tensor(0)).zero_point
    gaps = stride[0] - 1, stride[1] - 1
    spread = node.helper("spread", Spread(gaps, zero), node.source(), tensor=node.tensor(0))
    weights = stored[:, ::-1, ::-1].transpose(1, 2, 3, 0)
    settings = (1, 1), ((top, bottom), (left, right)), (1, 1), 1
    lowered = convolution(node, spread.name, weights, settings)
    return Lowered((spread, *lowered.layers), lowered.params)


def _sides(size: int, made: int, kernel: int, stride: int, same: bool) -> tuple[int, int]:
    """Padding before and after the spread input, for an output of `made` pixels.

    The output starts where the convolution that this one transposes would have started.
    """
    forward = -(-made // stride) if same else (made - kernel) // stride + 1
    cut = max((forward - 1) * stride + kernel - made, 0) // 2
    before = kernel - 1 - cut
    after = made - ((size - 1) * stride + 1 + before - kernel + 1)
    if before < 0 or after < 0:
        raise UnsupportedError(f"an output of {made} pixels from {size} with stride {stride}")
    return before, after
