"""Normalisation on the CPU (`csrc/norm.cpp`, `csrc/rows.cpp`). Statistics are summed in double."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import _C

from ..layout import (
    Array,
    contiguous,
    empty_channels_last,
    empty_rows,
    packed_pixels,
    strided_rows,
    takes,
)


def _given(*arrays: Array | None) -> list[Array]:
    return [x for x in arrays if x is not None]


def _rows(last: Array, channels: int) -> Array:
    """(pixels, channels) view of a C-ordered (N, *S, C) array."""
    return last.reshape(math.prod(last.shape[:-1]), channels)


def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Any:
    """(y, mean, rstd) of x (N, C, *S) over all axes but 1; the variance is the biased one."""
    if not takes(x, weight, bias) or x.ndim < 2:
        return NotImplemented
    channels = x.shape[1]
    y, last = empty_channels_last(x.shape, x.dtype)
    mean, rstd = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    _C.batch_norm_fwd(
        _rows(packed_pixels(x), channels),
        contiguous(weight),
        contiguous(bias),
        eps,
        _rows(last, channels),
        mean,
        rstd,
    )
    return y, mean, rstd


def batch_norm_bwd(g: Array, x: Array, weight: Array, mean: Array, rstd: Array) -> Any:
    """(gx, gweight, gbias) of `batch_norm`."""
    if not takes(g, x, weight, mean, rstd) or x.ndim < 2:
        return NotImplemented
    channels = x.shape[1]
    gx, last = empty_channels_last(x.shape, x.dtype)
    gweight, gbias = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    _C.batch_norm_bwd(
        _rows(packed_pixels(g), channels),
        _rows(packed_pixels(x), channels),
        contiguous(weight),
        contiguous(mean),
        contiguous(rstd),
        _rows(last, channels),
        gweight,
        gbias,
    )
    return gx, gweight, gbias


def _flat(x: Array) -> Array:
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> Any:
    """(y, mean, rstd) of x (*, N) over its last axis; mean and rstd have x's shape without it."""
    if not takes(x, *_given(weight, bias)) or x.ndim < 1:
        return NotImplemented
    y = _C.empty(x.shape, x.dtype)
    mean, rstd = _C.empty(x.shape[:-1], x.dtype), _C.empty(x.shape[:-1], x.dtype)
    _C.layer_norm_fwd(
        _flat(x),
        None if weight is None else contiguous(weight),
        None if bias is None else contiguous(bias),
        eps,
        _flat(y),
        mean.reshape(-1),
        rstd.reshape(-1),
    )
    return y, mean, rstd


def layer_norm_bwd(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, *, bias: bool = True
) -> Any:
    """(gx, gweight, gbias) of `layer_norm`; gweight only with a weight, gbias only with `bias`."""
    if not takes(g, x, mean, rstd, *_given(weight)) or x.ndim < 1:
        return NotImplemented
    n = x.shape[-1]
    gx = _C.empty(x.shape, x.dtype)
    gweight = None if weight is None else np.empty(n, x.dtype)
    gbias = np.empty(n, x.dtype) if bias else None
    _C.layer_norm_bwd(
        _flat(g),
        _flat(x),
        None if weight is None else contiguous(weight),
        contiguous(mean).reshape(-1),
        contiguous(rstd).reshape(-1),
        _flat(gx),
        gweight,
        gbias,
    )
    return gx, gweight, gbias


def rms_norm(x: Array, weight: Array, *, eps: float) -> Any:
    """(y, rstd) of x (*, N) over its last axis; rstd has x's shape without it."""
    if not takes(x, weight) or x.ndim < 1:
        return NotImplemented
    rows = strided_rows(x)
    y, rstd = empty_rows(rows), _C.empty(x.shape[:-1], x.dtype)
    _C.rms_norm_fwd(rows, contiguous(weight), eps, y, rstd.reshape(-1))
    return y.reshape(x.shape), rstd


def rms_norm_bwd(g: Array, x: Array, weight: Array, rstd: Array) -> Any:
    """(gx, gweight) of `rms_norm`."""
    if not takes(g, x, weight, rstd) or x.ndim < 1:
        return NotImplemented
    rows = strided_rows(x)
    gx, gweight = empty_rows(rows), _C.empty(weight.shape, x.dtype)
    scales = contiguous(rstd).reshape(-1)
    _C.rms_norm_bwd(strided_rows(g), rows, contiguous(weight), scales, gx, gweight)
    return gx.reshape(x.shape), gweight
