"""Copies and constants on the GPU (`copy.cu`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import devices
from gpudl.dtypes import DType
from gpudl.notices import notice
from gpudl.runtime import launch
from gpudl.runtime.arguments import extent

from ..gpu import BITS, Array, copied, empty, empty_elementwise
from .specs import FILL


def copy(x: Array) -> Array:
    """x in new memory, in the layout of x where that is dense."""
    return copied(x, empty_elementwise(x.shape, x.dtype, (x,)))


def contiguous(x: Array) -> Array:
    """x in new memory, in C order."""
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} to C order")
    return copied(x, empty(x, x.shape))


def assign(out: Array, value: Any) -> Any:
    """Write `value`, an array of this device and dtype, into `out`, broadcast."""
    if type(value) is not type(out) or value.dtype != out.dtype:
        return NotImplemented
    if devices.of(value) != devices.of(out):
        return NotImplemented  # the library says so
    if value.size and out.size:
        (a, n), (b, m) = extent(out), extent(value)
        if a < b + m and b < a + n:
            return NotImplemented  # memory that overlaps would be read after it was written
    return copied(value, out)


def full(*, shape: tuple[int, ...], value: complex, dtype: DType, device: Any) -> Any:
    """A new array of one value."""
    if dtype.itemsize > 8:
        return NotImplemented
    y = device.empty(shape, dtype)
    if y.size:
        bits = int(np.array(value, dtype).reshape(1).view(f"u{dtype.itemsize}")[0])
        launch(FILL, {"T": BITS[dtype.itemsize]}, (y, y.size, bits), nbytes=y.nbytes)
    return y
