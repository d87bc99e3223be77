"""Matrix products on a card in Python: tiles in shared memory, bias and activation in the epilogue.

Wrappers as in `cpu.py`, for arrays of the kinds "cuda" and "emu".
"""

from __future__ import annotations

from typing import Any

from gpudl import devices
from gpudl.runtime.numba_cuda import CudaKernel, cuda

from ..gpu import takes
from ..numba_copy import AXES, contiguous
from ..numba_tiles import ACTIVATIONS, EACH, SIDE, THREADS, TILE, activate, add_tile

Array = Any  # a cupy.ndarray or an EmulatedArray


def multiply(a: Any, b: Any, bias: Any, out: Any, biased: int, activation: int) -> None:
    """out = activation(a @ b + bias): a tile a block, the depth goes through shared memory."""
    left = cuda.shared.array((SIDE, TILE), out.dtype)
    right = cuda.shared.array((SIDE, TILE), out.dtype)
    sums = cuda.local.array((EACH, EACH), out.dtype)
    number = out.dtype.type
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    thread = ty * SIDE + tx
    row0, column0 = cuda.blockIdx.x * TILE, cuda.blockIdx.y * TILE
    rows, depth = a.shape
    columns = b.shape[1]
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = number(0)
    for k0 in range(0, depth, SIDE):
        for part in range(EACH):
            at = thread + part * THREADS
            row, k = row0 + at // SIDE, k0 + at % SIDE
            left[at % SIDE, at // SIDE] = a[row, k] if row < rows and k < depth else number(0)
            k, column = k0 + at // TILE, column0 + at % TILE
            inside = k < depth and column < columns
            right[at // TILE, at % TILE] = b[k, column] if inside else number(0)
        cuda.syncthreads()
        add_tile(left, right, sums, tx, ty)
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            row, column = row0 + ty + i * SIDE, column0 + tx + j * SIDE
            if row < rows and column < columns:
                value = sums[i, j]
                if biased != 0:
                    value += bias[column]
                out[row, column] = activate(value, activation, number)


_multiply = CudaKernel(multiply, "A2 A2 R1 W2 i i")


def product(a: Array, b: Array, bias: Array | None = None, activation: str = "none") -> Array:
    """activation(a (M, K) @ b (K, N) + bias (N,)) in any strides.

    activation: "none", "relu", "sigmoid", "tanh", "silu", "gelu" or "gelu_tanh".
    """
    M, N = a.shape[0], b.shape[1]
    out = devices.of(a).empty((M, N), a.dtype)
    if M and N:
        grid = (-(-M // TILE), -(-N // TILE))
        # A kernel has no optional arrays: without a bias a row of the result stands in.
        offset = out[0] if bias is None else contiguous(bias)
        numbers = (int(bias is not None), ACTIVATIONS[activation])
        _multiply.launch(grid, (SIDE, SIDE), a, b, offset, out, *numbers)
    return out


def matmul(a: Array, b: Array) -> Any:
    """(M, K) @ (K, N) in any strides."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or not takes(a, b):
        return NotImplemented
    return product(a, b)


def linear(x: Array, w: Array, *bias: Array) -> Any:
    """x (..., K) times the transpose of w (N, K), plus a bias (N,)."""
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1] or not takes(x, w, *bias):
        return NotImplemented
    if bias and bias[0].shape != w.shape[:1]:
        return NotImplemented
    if x.ndim != 2 and (x.ndim > AXES or not x.shape[-1]):
        return NotImplemented
    flat = x if x.ndim == 2 else contiguous(x).reshape(-1, x.shape[-1])
    out = product(flat, w.T, *bias)
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], w.shape[0])
