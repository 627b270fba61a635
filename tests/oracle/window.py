"""Where a sliding window lies on an image: shared by convolution and pooling."""

import operator


def pair(name: str, value) -> tuple[int, int]:
    """(vertical, horizontal) from an int or a pair; each at least 1."""
    try:
        both = (operator.index(value),) * 2
    except TypeError:
        both = tuple(operator.index(item) for item in value)
    if len(both) != 2 or min(both) < 1:
        raise ValueError(f"{name} is {value!r}; a positive int or a pair of them is needed")
    return both


def axis_geometry(size: int, kernel: int, stride: int, dilation: int, padding) -> tuple[int, int]:
    """(outputs, low padding) of one axis; padding "SAME" (TensorFlow's rule), "VALID" or a pair."""
    extent = (kernel - 1) * dilation + 1
    if padding == "SAME":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + extent - size, 0)
        return outputs, total // 2
    low, high = (0, 0) if padding == "VALID" else map(operator.index, padding)
    if low < 0 or high < 0:
        raise ValueError(f"padding ({low}, {high}) is negative")
    return max((size + low + high - extent) // stride + 1, 0), low


def window_positions(size, kernel, stride=1, padding="VALID", dilation=1):
    """positions[oh][ow]: for each output the image coordinates (row, column) of its taps.

    Taps come row by row of the kernel; a tap on the padding is None. `size` is (h, w).
    """
    paddings = (padding, padding) if isinstance(padding, str) else padding
    axes = []
    for axis in range(2):
        step, spread = pair("stride", stride)[axis], pair("dilation", dilation)[axis]
        outputs, low = axis_geometry(size[axis], kernel[axis], step, spread, paddings[axis])
        taps = []
        for output in range(outputs):
            places = [output * step - low + tap * spread for tap in range(kernel[axis])]
            taps.append([place if 0 <= place < size[axis] else None for place in places])
        axes.append(taps)
    return [
        [
            [
                None if row is None or column is None else (row, column)
                for row in rows
                for column in columns
            ]
            for columns in axes[1]
        ]
        for rows in axes[0]
    ]
