"""Pooling on the CPU (`csrc/pooling.cpp`): x (N, C, *S), one to three spatial axes.

`padding` holds one number, or a (low, high) pair, for each axis. An index is flat over *S; -1
stands for a window that lies wholly in the padding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import _C
from gpudl.errors import IndexRangeError, ShapeError
from gpudl.shapes import windows

from ..layout import Array, empty_channels_last, packed_pixels, takes

Padding = tuple[Any, ...]


def _pairs(padding: Padding) -> tuple[list[int], list[int]]:
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    return [low for low, _ in pairs], [high for _, high in pairs]


def _output(
    op: str,
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    low: list[int],
    high: list[int],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[int, ...]:
    if 0 in x_shape[2:]:
        raise ShapeError(
            op, "an axis without elements", remedy="extents of at least 1", x_shape=x_shape
        )
    pads = zip(low, high, strict=True)
    axes = zip(x_shape[2:], kernel, stride, pads, dilation, strict=True)
    return (*x_shape[:2], *(windows(op, *axis, ceil_mode=ceil_mode) for axis in axes))


def _planes(x: Array) -> Array:
    """(N, pixels, C), C-contiguous."""
    last = packed_pixels(x)
    return last.reshape(x.shape[0], math.prod(x.shape[2:]), x.shape[1])


def max_pool(
    x: Array,
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Any:
    """(y, idx): the maxima and their int64 places. The first maximum wins; NaN propagates."""
    if not takes(x) or not 3 <= x.ndim <= 5:
        return NotImplemented
    low, high = _pairs(padding)
    shape = _output("max_pool", x.shape, kernel, stride, low, high, dilation, ceil_mode)
    y, y_last = empty_channels_last(shape, x.dtype)
    idx, idx_last = empty_channels_last(shape, np.dtype(np.int64))
    _C.max_pool_fwd(
        packed_pixels(x), y_last, idx_last, list(kernel), list(stride), low, list(dilation)
    )
    return y, idx


def max_pool_bwd(g: Array, idx: Array, *, x_shape: tuple[int, ...]) -> Any:
    """gx (N, C, *S): g added up at idx."""
    if not takes(g) or idx.dtype != np.int64 or not 3 <= g.ndim <= 5:
        return NotImplemented
    gx, last = empty_channels_last(tuple(x_shape), g.dtype)
    planes = last.reshape(x_shape[0], math.prod(x_shape[2:]), x_shape[1])
    try:
        _C.max_pool_bwd(_planes(g), _planes(idx), planes)
    except IndexError as error:
        raise IndexRangeError("max_pool_bwd", str(error), g=g, idx=idx, x_shape=x_shape) from None
    return gx


def max_pool_gather(v: Array, idx: Array) -> Any:
    """v (N, C, *S) at idx (N, C, *S'); 0 where idx is -1."""
    if not takes(v) or idx.dtype != np.int64 or not 3 <= v.ndim <= 5:
        return NotImplemented
    out, last = empty_channels_last(idx.shape, v.dtype)
    planes = last.reshape(idx.shape[0], math.prod(idx.shape[2:]), idx.shape[1])
    try:
        _C.max_pool_gather(_planes(v), _planes(idx), planes)
    except IndexError as error:
        raise IndexRangeError("max_pool_gather", str(error), v=v, idx=idx) from None
    return out


def avg_pool(
    x: Array,
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """(N, C, *S'): means; with `count_include_pad` a window counts its padding, nothing beyond."""
    if not takes(x) or not 3 <= x.ndim <= 5:
        return NotImplemented
    low, high = _pairs(padding)
    ones = (1,) * len(kernel)
    shape = _output("avg_pool", x.shape, kernel, stride, low, high, ones, ceil_mode)
    y, last = empty_channels_last(shape, x.dtype)
    _C.avg_pool_fwd(
        packed_pixels(x), last, list(kernel), list(stride), low, high, count_include_pad
    )
    return y


def avg_pool_bwd(
    g: Array,
    *,
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """gx (N, C, *S): each output's gradient shared out over its window."""
    if not takes(g) or not 3 <= g.ndim <= 5:
        return NotImplemented
    low, high = _pairs(padding)
    gx, last = empty_channels_last(tuple(x_shape), g.dtype)
    _C.avg_pool_bwd(
        packed_pixels(g), last, list(kernel), list(stride), low, high, count_include_pad
    )
    return gx
