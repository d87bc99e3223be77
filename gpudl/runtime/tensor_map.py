"""Tensor maps: what the tensor memory accelerator of Hopper and later reads its tiles by.

The driver encodes them for a card, the emulator for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import devices
from ..dtypes import bfloat16, float16, float32, float64
from ..errors import KernelError
from ..settings import settings
from . import cuda_launch, emulated
from .arguments import ByValue
from .spec import KernelSpec

# CUtensorMapDataType and CUtensorMapSwizzle of cuda.h.
_DTYPES = {float16: 6, float32: 7, float64: 8, bfloat16: 9}
_SWIZZLES = {0: 0, 32: 1, 64: 2, 128: 3}
_ALIGNED = 16


def tensor_map(spec: KernelSpec, array: Any, box: Sequence[int], swizzle: int = 0) -> ByValue:
    """The argument "S" by which `spec` loads boxes of `array`, whose last axis lies side by side.

    `box` has the extents of a tile in the order of the axes, at most 256 each; `swizzle` is 0, 32,
    64 or 128 bytes. Raises `KernelError` for an array or a box that the hardware does not take:
    addresses and strides are multiples of 16 bytes.
    """
    unit = array.itemsize
    fits = (
        1 <= array.ndim <= 5
        and array.size > 0
        and len(box) == array.ndim
        and array.dtype in _DTYPES
        and array.strides[-1] == unit
        and all(s > 0 and s % _ALIGNED == 0 for s in array.strides[:-1])
        and array.data.ptr % _ALIGNED == 0
        and all(1 <= extent <= 256 for extent in box)
        and box[-1] * unit % _ALIGNED == 0
        and swizzle in _SWIZZLES
        and (not swizzle or box[-1] * unit <= swizzle)
    )
    if not fits:
        raise KernelError(
            spec.name,
            f"no tensor map with boxes {tuple(box)}, swizzled by {swizzle} bytes, "
            f"for strides {array.strides} at address {array.data.ptr:#x}",
            args=(array,),
            remedy="a dense last axis, addresses and strides that are multiples of 16 bytes",
        )
    # Innermost first, as the driver counts.
    sizes, strides = array.shape[::-1], array.strides[-2::-1] if array.ndim > 1 else ()
    extents = tuple(box)[::-1]
    if devices.of(array).kind == "emu":
        library = emulated.library(spec, settings.emulator == "checked")
        image = library.tensor_map(unit, array.data.ptr, sizes, strides, extents, swizzle)
    else:
        image = cuda_launch.driver().tensor_map(
            dtype=_DTYPES[array.dtype],
            address=array.data.ptr,
            extents=sizes,
            strides=strides,
            box=extents,
            swizzle=_SWIZZLES[swizzle],
        )
    return ByValue(image, (array,))
