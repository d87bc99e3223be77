"""The layout rule of elementwise operations, the same on every device.

The result is channels-last (or any other dense permutation) if an operand of the full shape is,
judged on the dimensions larger than 1; else it is in C order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..shapes import Shape


def axis_order(array: Any) -> tuple[int, ...] | None:
    """The axes from slowest to fastest if `array` is dense in another order than C's, else None."""
    if array.flags.c_contiguous:
        return None
    axes = [i for i, n in enumerate(array.shape) if n > 1]
    axes.sort(key=lambda i: -array.strides[i])
    expected = array.itemsize
    for i in reversed(axes):
        if array.strides[i] != expected:
            return None
        expected *= array.shape[i]
    # Extents of 1 go where they leave the order of the others alone: in front.
    return tuple(i for i, n in enumerate(array.shape) if n == 1) + tuple(axes)


def result_order(shape: Shape, operands: Iterable[Any]) -> tuple[int, ...] | None:
    """The axis order of an elementwise result of `shape`; None means C order."""
    for operand in operands:
        if operand.shape == shape:
            order = axis_order(operand)
            if order is not None:
                return order
    return None
