"""Matrix products on the CPU, on the micro-kernels of convolution: a product is a 1x1 convolution.

They share the extension's threads. NumPy's BLAS brings threads of its own, which go on spinning
after a product and take the cores from whatever runs next; it is left for what these kernels do
not take: tiny products (one thread there), few rows against a large matrix, and batches.
"""

from __future__ import annotations

from typing import Any

from gpudl import _C

from ..layout import Array, contiguous, takes

TINY = 1 << 17  # M * N * K up to which BLAS stays on one thread and calls cost more than the work
FEW_ROWS, LARGE = 256, 1 << 20  # packing K * N elements does not pay for so few rows


def _rows_contiguous(a: Array) -> Array:
    unit = a.itemsize
    dense = a.strides[1] == unit and a.strides[0] >= a.shape[1] * unit
    return a if dense and a.strides[0] % unit == 0 and a.flags.aligned else contiguous(a)


def matmul(a: Array, b: Array) -> Any:
    """(M, K) @ (K, N)."""
    if a.ndim != 2 or b.ndim != 2:
        return NotImplemented
    (M, K), (rows, N) = a.shape, b.shape
    if M * N * K <= TINY or rows != K or not takes(a, b):
        return NotImplemented
    if a.strides[0] == a.itemsize and a.strides[1] != a.itemsize:
        # a is a transposed matrix, as in the gradient of a weight: sum over its rows as they lie,
        # which packs nothing.
        out = _C.empty((M, 1, N), a.dtype)
        pixels = _rows_contiguous(a.T)[None], _rows_contiguous(b)[None]
        _C.conv_wgrad(*pixels, out, [1], [0], [1], 1)
        return out[:, 0]
    if M < FEW_ROWS and K * N >= LARGE:
        return NotImplemented
    out = _C.empty((1, M, N), a.dtype)
    weight = b if b.flags.aligned else contiguous(b)
    _C.conv_fwd(_rows_contiguous(a)[None], weight.T[:, :, None], out, [1], [0], [1], 1)
    return out[0]


def linear(x: Array, w: Array, *bias: Array) -> Any:
    """x (..., K) times the transpose of w (N, K), plus a bias (N,)."""
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        return NotImplemented
    if bias and (bias[0].shape != w.shape[:1] or bias[0].dtype != w.dtype):
        return NotImplemented
    flat = x if x.ndim == 2 else x.reshape(-1, x.shape[-1] or 1)
    out = matmul(flat, w.T)
    if out is NotImplemented:
        return out
    if bias:
        out += bias[0]
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], w.shape[0])
