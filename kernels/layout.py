"""Layouts on the CPU: channels-last memory under logical NC... shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import devices
from gpudl.devices.cpu import _C
from gpudl.notices import notice

Array = np.ndarray[Any, np.dtype[Any]]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def takes(*arrays: Array) -> bool:
    """Whether the native kernels take these: all float32 or all float64, native byte order."""
    first = arrays[0].dtype
    return first in FLOATS and all(x.dtype == first for x in arrays)


def contiguous(x: Array) -> Array:
    """`x` in C order and aligned, a copy only if it is not."""
    if x.flags.c_contiguous and x.flags.aligned:
        return x
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} strides {x.strides} to C order")
    return np.array(x, order="C")


def aligned(x: Array) -> Array:
    """`x` in memory that its dtype can be read from, with any strides; a copy only if it is not."""
    return x if x.flags.aligned else contiguous(x)


def strided_rows(x: Array) -> Array:
    """`x` (*, M, N) as (A, B, M, N) with a contiguous last axis: a view where its layout allows."""
    x = aligned(x) if x.shape[-1] == 1 or x.strides[-1] == x.itemsize else contiguous(x)
    outer, rows = math.prod(x.shape[:-3]), ((1, 1) + x.shape)[-3:-1]
    return x.reshape(outer, *rows, x.shape[-1])


def empty_rows(x: Array) -> Array:
    """An uninitialised array of the shape of `x` (A, B, M, N), its rows in memory in x's order."""
    order = sorted(range(3), key=lambda axis: -abs(x.strides[axis]))
    out: Array = devices.CPU.empty((*(x.shape[i] for i in order), x.shape[3]), x.dtype)
    return out.transpose(*(order.index(i) for i in range(3)), 3)


def channels_last(x: Array) -> Array:
    """The (N, *S, C) view of `x` (N, C, *S)."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_first(x: Array) -> Array:
    """The (N, C, *S) view of `x` (N, *S, C)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def _channels_last_strides(x: Array) -> bool:
    item = x.itemsize
    return (
        x.flags.aligned
        and (x.shape[1] == 1 or x.strides[1] == item)
        and all(stride % item == 0 for stride in x.strides)
    )


def pixels_last(x: Array) -> Array:
    """(N, *S, C) view of `x` (N, C, *S) with contiguous channels; a copy if they are not."""
    if _channels_last_strides(x):
        return channels_last(x)
    return packed_pixels(x)


def packed_pixels(x: Array) -> Array:
    """The (N, *S, C) array of `x` (N, C, *S) in C order; a view if the memory is already so."""
    view = channels_last(x)
    if view.flags.c_contiguous and x.flags.aligned:
        return view
    notice("copy", "packed_pixels", lambda: f"{x.dtype.name}{x.shape} to channels-last")
    out: Array = devices.CPU.empty(view.shape, x.dtype)
    native = _C is not None and x.itemsize in (4, 8)
    if native and x.flags.c_contiguous and x.flags.aligned:
        # The copy moves bits: integers pass as floats of their size.
        bits = FLOATS[x.itemsize // 8]
        pixels = math.prod(x.shape[2:])
        planes = x.reshape(x.shape[0], x.shape[1], pixels).view(bits)
        _C.to_channels_last(planes, out.reshape(x.shape[0], pixels, x.shape[1]).view(bits))
    else:
        out[...] = view
    return out


def empty_channels_last(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """An uninitialised (N, C, *S) array in channels-last memory, and its (N, *S, C) view."""
    last = devices.CPU.empty((shape[0], *shape[2:], shape[1]), dtype)
    return channels_first(last), last
