"""Matrix products on the GPU, under the names and parameters of `cpu.py`."""

from __future__ import annotations

from typing import Any

from ..gpu import Array, contiguous, takes
from .product import product


def matmul(a: Array, b: Array) -> Any:
    """(..., M, K) @ (..., K, N), batch axes broadcast."""
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2] or not takes(a, b):
        return NotImplemented
    return product(a, b)


def linear(x: Array, w: Array, *bias: Array) -> Any:
    """x (..., K) times the transpose of w (N, K), plus a bias (N,)."""
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1] or not takes(x, w, *bias):
        return NotImplemented
    if bias and bias[0].shape != w.shape[:1]:
        return NotImplemented
    rows = x if x.ndim > 1 else x[None]
    out = product(rows, w.transpose(), *(contiguous(b) for b in bias))
    return out if x.ndim > 1 or out is NotImplemented else out[0]
