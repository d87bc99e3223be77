"""Pooling on the GPU (`pooling.cu`): x (N, C, *S), one to three spatial axes.

As in `cpu.py`, an index is flat over *S, and -1 stands for a window wholly in the padding.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

from gpudl.dtypes import int64
from gpudl.errors import IndexRangeError, ShapeError
from gpudl.runtime import ErrorSite, launch
from gpudl.shapes import windows

from ..gpu import Array, ctype, empty_channels_last, packed_pixels, takes
from ..rows import vector
from .specs import AVG_POOL, AVG_POOL_BWD, BANDS, LANES, MAX_POOL, MAX_POOL_BWD, MAX_POOL_GATHER

Ints = tuple[int, ...]
Padding = tuple[Any, ...]

_TEXT = "index {value} is outside the plane of {extent} pixels"
_BWD_PLACE = ErrorSite("max_pool_bwd", _TEXT, IndexRangeError)
_GATHER_PLACE = ErrorSite("max_pool_gather", _TEXT, IndexRangeError)
_LIMIT = 2**31  # of the indices in a kernel
_BLOCKS = 1024  # about what fills a card
_LEAST_PIXELS = 16  # of a band


class _Pool(ctypes.Structure):
    """The struct of the kernels."""

    _fields_ = (
        *[
            (name, ctypes.c_int32 * 3)
            for name in ("input", "out", "kernel", "stride", "dilation", "low", "high")
        ],
        ("packs", ctypes.c_int32),
    )


def _three(values: Ints, missing: int) -> Any:
    return (ctypes.c_int32 * 3)(*(missing,) * (3 - len(values)), *values)


def _pairs(padding: Padding) -> tuple[Ints, Ints]:
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


def _output(
    op: str, x_shape: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints, ceil: bool
) -> Ints:
    if 0 in x_shape[2:]:
        raise ShapeError(
            op, "an axis without elements", remedy="extents of at least 1", x_shape=x_shape
        )
    pads = zip(*_pairs(padding), strict=True)
    axes = zip(x_shape[2:], kernel, stride, pads, dilation, strict=True)
    return (*x_shape[:2], *(windows(op, *axis, ceil_mode=ceil) for axis in axes))


def _pool(
    x_shape: Ints,
    y_shape: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    vec: int,
) -> _Pool:
    low, high = _pairs(padding)
    return _Pool(
        _three(x_shape[2:], 1),
        _three(y_shape[2:], 1),
        _three(kernel, 1),
        _three(stride, 1),
        _three(dilation, 1),
        _three(low, 0),
        _three(high, 0),
        x_shape[1] // vec,
    )


def _fits(*sizes: int) -> bool:
    return all(size < _LIMIT for size in sizes)


def _reach(x_shape: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> int:
    """The largest number that a kernel makes of the numbers of an axis."""
    low, high = _pairs(padding)
    axes = zip(x_shape[2:], kernel, stride, low, high, dilation, strict=True)
    reach: int = max(n + k * d + s + a + b for n, k, s, a, b, d in axes)
    return reach


def max_pool(
    x: Array, *, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints, ceil_mode: bool
) -> Any:
    """(y, idx): the maxima and their int64 places. The first maximum wins; NaN propagates."""
    if not takes(x) or not 3 <= x.ndim <= 5:
        return NotImplemented
    shape = _output("max_pool", x.shape, kernel, stride, padding, dilation, ceil_mode)
    reach = _reach(x.shape, kernel, stride, padding, dilation)
    if not _fits(math.prod(shape), math.prod(x.shape[2:]), reach):
        return NotImplemented
    y, last = empty_channels_last(x, shape, x.dtype)
    index, index_last = empty_channels_last(x, shape, int64)
    if not y.size:
        return y, index
    pixels = packed_pixels(x)
    vec = vector(x.shape[1], pixels, last)
    pool = _pool(x.shape, shape, kernel, stride, padding, dilation, vec)
    size = y.size // vec
    variant = {"T": ctype(x.dtype), "VEC": str(vec)}
    launch(MAX_POOL, variant, (pixels, last, index_last, pool, size), size=size)
    return y, index


def max_pool_bwd(g: Array, idx: Array, *, x_shape: Ints) -> Any:
    """gx (N, C, *S): g added up at idx, in the order of the outputs."""
    if not takes(g) or idx.dtype != int64 or not 3 <= g.ndim <= 5:
        return NotImplemented
    N, C = x_shape[:2]
    pixels, outs = math.prod(x_shape[2:]), math.prod(g.shape[2:])
    if not _fits(pixels, outs):
        return NotImplemented
    gx, last = empty_channels_last(g, tuple(x_shape), g.dtype)
    if not gx.size:
        return gx
    columns = N * C
    groups = min(-(-pixels // (BANDS * _LEAST_PIXELS)), -(-_BLOCKS * LANES // columns))
    band = -(-pixels // (BANDS * groups))
    args = (packed_pixels(g), packed_pixels(idx), last, columns, C, pixels, outs, band, _BWD_PLACE)
    bands = -(-pixels // band)
    launch(MAX_POOL_BWD, {"T": ctype(g.dtype)}, args, columns=columns, bands=bands)
    return gx


def max_pool_gather(v: Array, idx: Array) -> Any:
    """v (N, C, *S) at idx (N, C, *S'); 0 where idx is -1."""
    if not takes(v) or idx.dtype != int64 or not 3 <= v.ndim <= 5 or not _fits(idx.size):
        return NotImplemented
    out, last = empty_channels_last(v, idx.shape, v.dtype)
    if not out.size:
        return out
    C, pixels, outs = v.shape[1], math.prod(v.shape[2:]), math.prod(idx.shape[2:])
    args = (packed_pixels(v), packed_pixels(idx), last, C, outs * C, pixels, out.size)
    launch(MAX_POOL_GATHER, {"T": ctype(v.dtype)}, (*args, _GATHER_PLACE), size=out.size)
    return out


def avg_pool(
    x: Array,
    *,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """(N, C, *S'): means; with `count_include_pad` a window counts its padding, nothing beyond."""
    if not takes(x) or not 3 <= x.ndim <= 5:
        return NotImplemented
    ones = (1,) * len(kernel)
    shape = _output("avg_pool", x.shape, kernel, stride, padding, ones, ceil_mode)
    reach = _reach(x.shape, kernel, stride, padding, ones)
    if not _fits(math.prod(shape), math.prod(x.shape[2:]), reach):
        return NotImplemented
    y, last = empty_channels_last(x, shape, x.dtype)
    if not y.size:
        return y
    pixels = packed_pixels(x)
    vec = vector(x.shape[1], pixels, last)
    pool = _pool(x.shape, shape, kernel, stride, padding, ones, vec)
    size = y.size // vec
    args = (pixels, last, pool, size, int(count_include_pad))
    launch(AVG_POOL, {"T": ctype(x.dtype), "VEC": str(vec)}, args, size=size)
    return y


def avg_pool_bwd(
    g: Array,
    *,
    x_shape: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """gx (N, C, *S): each output's gradient shared out over its window."""
    if not takes(g) or not 3 <= g.ndim <= 5:
        return NotImplemented
    ones = (1,) * len(kernel)
    reach = _reach(tuple(x_shape), kernel, stride, padding, ones)
    if not _fits(math.prod(x_shape), math.prod(g.shape[2:]), reach):
        return NotImplemented
    gx, last = empty_channels_last(g, tuple(x_shape), g.dtype)
    if not gx.size:
        return gx
    up = packed_pixels(g)
    vec = vector(x_shape[1], up, last)
    pool = _pool(tuple(x_shape), g.shape, kernel, stride, padding, ones, vec)
    size = gx.size // vec
    args = (up, last, pool, size, int(count_include_pad))
    launch(AVG_POOL_BWD, {"T": ctype(g.dtype), "VEC": str(vec)}, args, size=size)
    return gx
