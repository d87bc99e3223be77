"""Products of bfloat16 matrices by the instructions of each generation of tensor cores.

They are conformance kernels, and no row of the table calls them: `matmul` computes the engine's
products. All take a (M, K) and b (N, K), rows of 16 bytes or multiples of that (K a multiple of 8),
and give a @ b.T as float32.
"""

from __future__ import annotations

from typing import Any

from gpudl.dtypes import bfloat16, float32
from gpudl.runtime import launch, runs_on, tensor_map

from ..gpu import Array, contiguous, copied, empty, filled
from .specs import AMPERE, HOPPER, HOPPER_DEPTH, HOPPER_TILE, PLAIN

ALIGNED = 16  # bytes
ROW = 8  # elements of bfloat16 in them


def matmul_plain(a: Array, b: Array) -> Any:
    """An element a thread, without tensor cores."""
    return _product(a, b, _plain)


def matmul_ampere(a: Array, b: Array) -> Any:
    """By cp.async, ldmatrix and mma.sync, of sm_80 and later."""
    return _product(a, b, _ampere)


def matmul_hopper(a: Array, b: Array) -> Any:
    """By the tensor memory accelerator and wgmma, of sm_90a."""
    return _product(a, b, _hopper)


def _product(a: Array, b: Array, run: Any) -> Any:
    """Check and align the operands, and make the result that `run` fills."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or a.shape[1] % ROW:
        return NotImplemented
    if a.dtype != bfloat16 or b.dtype != bfloat16:
        return NotImplemented
    out = empty(a, (a.shape[0], b.shape[0]), float32)
    if not out.size or not a.size:
        return filled(out, 0.0)
    run(_aligned(a), _aligned(b), out)
    return out


def _aligned(x: Array) -> Array:
    """`x` in C order, from an address that 16 divides."""
    x = contiguous(x)
    return x if x.data.ptr % ALIGNED == 0 else copied(x, empty(x, x.shape))


def _plain(a: Array, b: Array, out: Array) -> None:
    (M, K), N = a.shape, b.shape[0]
    launch(PLAIN, {}, (a, b, out, M, N, K), M=M, N=N)


def _ampere(a: Array, b: Array, out: Array) -> None:
    if not runs_on(AMPERE, a):
        _plain(a, b, out)
        return
    (M, K), N = a.shape, b.shape[0]
    launch(AMPERE, {}, (a, b, out, M, N, K), M=M, N=N)


def _hopper(a: Array, b: Array, out: Array) -> None:
    if not runs_on(HOPPER, a):
        _ampere(a, b, out)
        return
    (M, K), N = a.shape, b.shape[0]
    rows, columns = HOPPER_TILE
    left = tensor_map(HOPPER, a, (rows, HOPPER_DEPTH), swizzle=128)
    right = tensor_map(HOPPER, b, (columns, HOPPER_DEPTH), swizzle=128)
    launch(HOPPER, {}, (left, right, out, M, N, K), M=M, N=N)
