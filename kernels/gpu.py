"""What the wrappers of `<family>/gpu.py` share: new arrays, C types, layouts, copies.

One implementation for the kinds "cuda" and "emu". An array `x` given beside a shape only says on
which device the new one is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import devices
from gpudl.dtypes import DType, bool_, float32, float64
from gpudl.notices import notice
from gpudl.runtime import launch

from .copy.specs import COPY, FILL, TRANSPOSE
from .strided import Plan, Tiles, plan, tiles

Array = Any  # a cupy.ndarray or an EmulatedArray

FLOATS: tuple[DType, ...] = (float32, float64)
BITS = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t", 8: "uint64_t", 16: "uint4"}
_CTYPES: dict[DType, str] = {
    bool_: "bool",
    float32: "float",
    float64: "double",
    **{np.dtype(f"{sign}int{n}"): f"{sign}int{n}_t" for sign in ("", "u") for n in (8, 16, 32, 64)},
}


def ctype(dtype: DType) -> str:
    """The C++ type of a dtype: "float", "int64_t", "bool", ...; `KeyError` if kernels have none."""
    return _CTYPES[dtype]


def has_ctype(dtype: DType) -> bool:
    """Whether kernels compute with `dtype`."""
    return dtype in _CTYPES


def takes(*arrays: Array) -> bool:
    """Whether floating-point kernels take these: all float32 or all float64."""
    first = arrays[0].dtype
    return first in FLOATS and all(x.dtype == first for x in arrays)


def empty(x: Array, shape: tuple[int, ...], dtype: DType | None = None) -> Array:
    """An uninitialised array in C order, with the dtype of `x` unless given."""
    return devices.of(x).empty(shape, x.dtype if dtype is None else dtype)


def empty_elementwise(shape: tuple[int, ...], dtype: DType, operands: tuple[Array, ...]) -> Array:
    """An uninitialised elementwise result, in the layout that the rule gives it."""
    return devices.of(operands[0]).empty_elementwise(shape, dtype, operands)


# ----- layouts -----
def channels_last(x: Array) -> Array:
    """The (N, *S, C) view of `x` (N, C, *S)."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_first(x: Array) -> Array:
    """The (N, C, *S) view of `x` (N, *S, C)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def empty_channels_last(x: Array, shape: tuple[int, ...], dtype: DType) -> tuple[Array, Array]:
    """An uninitialised (N, C, *S) array in channels-last memory, and its (N, *S, C) view."""
    last = empty(x, (shape[0], *shape[2:], shape[1]), dtype)
    return channels_first(last), last


def contiguous(x: Array) -> Array:
    """`x` in C order, a copy only if it is not."""
    if x.flags.c_contiguous:
        return x
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} strides {x.strides} to C order")
    return copied(x, empty(x, x.shape))


def packed_pixels(x: Array) -> Array:
    """The (N, *S, C) array of `x` (N, C, *S) in C order; a view if the memory is already so."""
    view = channels_last(x)
    if view.flags.c_contiguous:
        return view
    notice("copy", "packed_pixels", lambda: f"{x.dtype.name}{x.shape} to channels-last")
    return copied(view, empty(x, view.shape))


# ----- copies -----
def copied(x: Array, out: Array) -> Array:
    """`out`, after `x` broadcast to its shape was copied into it by our own kernels."""
    if not out.size:
        return out
    turned = tiles(out, x)
    if turned is not None:
        _transpose(x, out, turned)
        return out
    route = plan(out, x)
    if route is None:
        out[...] = x
        return out
    _copy(x, out, route)
    return out


def filled(out: Array, value: complex) -> Array:
    """`out`, dense in any order of its axes, aligned to 16 bytes, all of one value of at most 8."""
    if out.size:
        bits = int(np.array(value, out.dtype).reshape(1).view(f"u{out.itemsize}")[0])
        launch(FILL, {"T": BITS[out.itemsize]}, (out, out.size, bits), nbytes=out.nbytes)
    return out


def _copy(x: Array, out: Array, route: Plan) -> None:
    variant = {"T": BITS[x.itemsize], "V": str(route.vector)}
    for piece in route.pieces:
        launch(COPY, variant, (x, out, piece.layout), size=piece.size, vector=route.vector)


def _transpose(x: Array, out: Array, turned: Tiles) -> None:
    launch(
        TRANSPOSE,
        {"T": BITS[x.itemsize]},
        (x, out, turned.x_pitch, turned.y_pitch, turned.rows, turned.columns, turned.batch.layout),
        rows=turned.rows,
        columns=turned.columns,
        batch=turned.batch.size,
    )
