"""Numba twins of the matrix products: packed panels, blocks of rows as tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import devices
from gpudl.runtime.numba_cpu import Compiled

from ..layout import Array, contiguous, takes
from ..numba_blocks import HEIGHT, LANES, ROWS, STEP, WIDTH, pack_panels, product_panel, rounded

SERIAL = 1 << 19  # M * N * K up to which starting threads costs more than the work
ONE_TAP = np.zeros(1, np.int64)


def _multiply(begin: int, end: int, a: Any, packed: Any, bias: Any, out: Any, parts: int) -> None:
    """Tasks [begin, end) of a @ b + bias: a block of rows, one of `parts` ranges of panels."""
    total, inner = a.shape
    columns = out.shape[1]
    depth = rounded(inner, STEP)
    panels = (columns + WIDTH - 1) // WIDTH
    rows = np.zeros(ROWS * depth, out.dtype)
    tile = np.empty(ROWS * WIDTH, out.dtype)
    held = -1
    for task in range(begin, end):
        block = task // parts
        part = task - block * parts
        first = block * ROWS
        count = min(ROWS, total - first)
        if block != held:
            for i in range(count):
                line = rows[i * depth : i * depth + inner]
                values = a[first + i]
                for k in range(inner):
                    line[k] = values[k]
            held = block
        for panel in range(panels * part // parts, panels * (part + 1) // parts):
            column = panel * WIDTH
            used = min(WIDTH, columns - column)
            b = packed[panel * depth * WIDTH : (panel + 1) * depth * WIDTH]
            height = rounded(count, HEIGHT)
            product_panel(rows, b, tile, height, depth, rounded(used, LANES))
            for i in range(count):
                line = out[first + i, column : column + used]
                values = tile[i * WIDTH : i * WIDTH + used]
                if bias.size:
                    offset = bias[column : column + used]
                    for j in range(used):
                        line[j] = values[j] + offset[j]
                else:
                    for j in range(used):
                        line[j] = values[j]


_pack = Compiled(pack_panels, "i i A4 I1 W1 i i")
_product = Compiled(_multiply, "i i A2 R1 R1 W2 i")


def _matmul(a: Array, b: Array, bias: Array) -> Array:
    (M, K), N = a.shape, b.shape[1]
    dtype = a.dtype
    out: Array = devices.CPU.empty((M, N), dtype)
    if not out.size:
        return out
    panels, depth = -(-N // WIDTH), rounded(K, STEP)
    packed = devices.CPU.empty((panels * depth * WIDTH,), dtype)
    blocks = -(-M // ROWS)
    parts = min(panels, max(1, 16 // blocks))  # few rows: the columns are shared out too
    if M * N * K <= SERIAL:
        _pack(dtype)(0, panels, b[None, None], ONE_TAP, packed, panels, depth)
        _product(dtype)(0, blocks, a, packed, bias, out, 1)
    else:
        _pack.run(dtype, panels, b[None, None], ONE_TAP, packed, panels, depth)
        _product.run(dtype, blocks * parts, a, packed, bias, out, parts)
    return out


def _aligned(x: Array) -> Array:
    return x if x.flags.aligned else contiguous(x)


def matmul(a: Array, b: Array) -> Any:
    """(M, K) @ (K, N) in any layout."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or not takes(a, b):
        return NotImplemented
    return _matmul(_aligned(a), _aligned(b), np.empty(0, a.dtype))


def linear(x: Array, w: Array, *bias: Array) -> Any:
    """x (..., K) times the transpose of w (N, K), plus a bias (N,)."""
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1] or not takes(x, w, *bias):
        return NotImplemented
    if bias and bias[0].shape != w.shape[:1]:
        return NotImplemented
    flat = x if x.ndim == 2 else contiguous(x).reshape(-1, x.shape[-1] or 1)
    if x.ndim != 2 and not x.shape[-1]:
        return NotImplemented
    offset = contiguous(bias[0]) if bias else np.empty(0, x.dtype)
    out = _matmul(_aligned(flat), _aligned(w).T, offset)
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], w.shape[0])
