"""Sliding windows as nodes describe them: kernel, strides, dilations, padding."""

from __future__ import annotations

from dataclasses import dataclass

from pimjax.array.geometry import Pair
from pimjax.frontend.onnx.node import Node, UnsupportedError
from pimjax.frontend.onnx.state import Axes, Importer, Value

Sides = tuple[Pair, Pair]


@dataclass(frozen=True)
class Window:
    """A window over (h, w), `pad` ((top, bottom), (left, right)) and the output's (h', w').

    `tail` (bottom, right) is the part of the padding that only rounding the output's size up
    added.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    pad: Sides
    out: Pair
    tail: Pair = (0, 0)


def as_image(importer: Importer, node: Node, x: Value) -> Value:
    """A tensor (b, c, h, w), or (b, c, w) as an image of height 1, lying channels last."""
    orders: dict[int, Axes] = {3: (None, 2, 1), 4: (2, 3, 1)}
    if len(x.shape) not in orders:
        raise UnsupportedError(
            f"{len(x.shape) - 2} spatial axes ({list(x.shape)}); 1 or 2 can be, (b, c, w) or"
            " (b, c, h, w)"
        )
    return importer.arrange(node, x, orders[len(x.shape)])


def window(node: Node, x: Value, kernel: tuple[int, ...]) -> Window:
    """The node's window over an image `x`, with `kernel` the length along each of its axes."""
    rank = len(kernel)
    if rank != len(x.shape) - 2:
        raise UnsupportedError(f"a kernel {list(kernel)} over {list(x.shape)}")
    stride = as_pair(node.get("strides"), rank)
    dilation = as_pair(node.get("dilations"), rank)
    ceil_mode = node.get("ceil_mode", 0)
    size, reach_of = as_pair(kernel, rank), zip(as_pair(kernel, rank), dilation, strict=True)
    reach = [(length - 1) * spread + 1 for length, spread in reach_of]
    pads = padding(node, rank, x.lengths[:2], reach, stride)
    out, tail = [], []
    for length, span, step, (before, after) in zip(x.lengths[:2], reach, stride, pads, strict=True):
        free = length + before + after - span
        count = (-(-free // step) if ceil_mode else free // step) + 1
        if ceil_mode and (count - 1) * step >= length + before:
            count -= 1  # a window must begin inside the image or the padding before it
        if free < 0 or count < 1:
            raise UnsupportedError(f"a window of {span} does not fit {length} with padding")
        out.append(count)
        tail.append(max((count - 1) * step - free, 0))
    pad = tuple((before, after + extra) for (before, after), extra in zip(pads, tail, strict=True))
    return Window(size, stride, dilation, pad, (out[0], out[1]), (tail[0], tail[1]))  # type: ignore[arg-type]


def padding(
    node: Node, rank: int, size: tuple[int, ...], reach: list[int], stride: Pair
) -> list[Pair]:
    """(before, after) along h and w, from "pads" or "auto_pad"."""
    mode, pads = node.get("auto_pad", "NOTSET"), node.get("pads")
    if mode in ("NOTSET", "", "VALID"):
        pads = list(pads) if pads is not None and mode != "VALID" else [0] * (2 * rank)
        if min(pads) < 0:
            raise UnsupportedError(f"pads = {pads}; amounts of 0 and more can be")
        pairs = [(int(pads[i]), int(pads[i + rank])) for i in range(rank)]
        return [(0, 0)] * (2 - rank) + pairs
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedError(
            f"auto_pad = {mode!r}; NOTSET, VALID, SAME_UPPER and SAME_LOWER can be"
        )
    found = []
    for length, span, step in zip(size, reach, stride, strict=True):
        total = max((-(-length // step) - 1) * step + span - length, 0)
        small, large = total // 2, total - total // 2
        found.append((small, large) if mode == "SAME_UPPER" else (large, small))
    return found


def as_pair(values: object, rank: int) -> Pair:
    """One number for h and w each; 1 for what is not given."""
    numbers = [int(v) for v in values] if values is not None else [1] * rank  # type: ignore[attr-defined]
    full = [1] * (2 - rank) + numbers
    if len(full) != 2 or min(full) < 1:
        raise UnsupportedError(f"strides, dilations or a kernel {numbers} over {rank} axes")
    return full[0], full[1]
