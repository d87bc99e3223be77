"""Matrix products on the CPU (`csrc/matmul.cpp`): any strides, broadcast batches, the same bits for
any number of threads. Without the extension NumPy's BLAS computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import _C

from ..layout import FLOATS, Array, aligned, contiguous


def matmul(a: Array, b: Array) -> Any:
    """a (..., M, K) @ b (..., K, N)."""
    dtype, shape, other = a.dtype, a.shape, b.shape
    if dtype not in FLOATS or b.dtype != dtype or len(shape) < 2 or len(other) < 2:
        return NotImplemented
    if shape[-1] != other[-2]:
        return NotImplemented
    if len(shape) == len(other) == 2:
        out = _C.empty((shape[0], other[1]), dtype)
    else:
        try:
            batch = np.broadcast_shapes(shape[:-2], other[:-2])
        except ValueError:
            return NotImplemented
        out = _C.empty((*batch, shape[-2], other[-1]), dtype)
    _C.matmul(aligned(a), aligned(b), out)
    return out


def linear(x: Array, w: Array, *bias: Array) -> Any:
    """x (..., K) times the transpose of w (N, K), plus a bias (N,)."""
    dtype = x.dtype
    if dtype not in FLOATS or w.dtype != dtype or w.ndim != 2 or x.ndim < 1:
        return NotImplemented
    if x.shape[-1] != w.shape[1]:
        return NotImplemented
    row = None
    if bias:
        row = bias[0]
        if row.shape != w.shape[:1] or row.dtype != dtype:
            return NotImplemented
        row = contiguous(row)
    out = _C.empty((*x.shape[:-1], w.shape[0]), dtype)
    rows = x if x.ndim > 1 else x[None]
    _C.matmul(aligned(rows), aligned(w).T, out if x.ndim > 1 else out[None], row)
    return out
