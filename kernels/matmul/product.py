"""The launch of a matrix product (`matmul.cu`): in any layout of which one axis of a matrix lies
side by side, without copies; batches broadcast; bias and activation in the epilogue."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpudl.runtime import launch

from ..gpu import Array, contiguous, ctype, empty
from ..strided import merged
from .specs import ACTIVATIONS, MATMUL, MATRIX_VECTOR, SUM_PARTS, variant
from .tiles import DEPTH, Tile, choose, split

BATCH_AXES = 4  # of matmul.cu
LIMIT = 2**31 - 2 * DEPTH  # of M, N and K, which are int32_t there
WIDTH = 16  # bytes of the widest access
LONG = 4096  # depth from which a few rows are better split than given a warp each
FEW = 256


@dataclass(frozen=True)
class Side:
    """An operand as the kernel reads it. `ld` is the stride of the axis that does not lie side by
    side, `along` whether the one that does is that of C."""

    array: Array
    ld: int
    along: bool
    batch: tuple[int, ...]
    quads: bool


def _side(x: Array, own: int, shape: tuple[int, ...]) -> Side:
    """`x` (..., matrix) with the axis `own` of C, -2 or -1, broadcast to the batch axes `shape`."""
    depth = -3 - own
    unit = x.itemsize

    def beside(axis: int) -> bool:
        return bool(x.strides[axis] == unit) or x.shape[axis] == 1

    if any(s % unit for s in x.strides) or not (beside(own) or beside(depth)):
        x = contiguous(x)
    along = beside(own) and not (x.strides[depth] == unit and x.shape[depth] > 1)
    other = depth if along else own
    ld = x.strides[other] // unit if x.shape[other] > 1 else 0
    missing = len(shape) - (x.ndim - 2)
    strides = [
        0 if n == 1 else stride // unit
        for n, stride in zip(x.shape[:-2], x.strides[:-2], strict=True)
    ]
    batch = (0,) * missing + tuple(strides)
    quads = x.data.ptr % WIDTH == 0 and all(s * unit % WIDTH == 0 for s in (ld, *batch))
    return Side(x, ld, along, batch, quads)


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a C-ordered array, in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def product(
    a: Array,
    b: Array,
    bias: Array | None = None,
    *,
    activation: str = "none",
    tile: Tile | None = None,
) -> Any:
    """activation(a (..., M, K) @ b (..., K, N) + bias (N,)), batch axes broadcast.

    activation: "none", "relu", "gelu", "gelu_tanh" or "silu". `tile` is chosen by shape if None.
    """
    M, K, N = a.shape[-2], a.shape[-1], b.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = empty(a, (*batch, M, N))
    if not out.size:
        return out
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        # One matrix with the rows of all batches.
        a, M, batch = a.reshape(out.size // N, K), out.size // N, ()
    left, right = _side(a, -2, batch), _side(b, -1, batch)
    axes = merged(batch, (_strides(batch), left.batch, right.batch))
    if len(axes) > BATCH_AXES or max(M, N, K) >= LIMIT:
        return NotImplemented

    kind = ACTIVATIONS.index(activation)
    rows = max(M, N)
    beside = not (left.along or right.along)
    if tile is None and not batch and min(M, N) == 1 and beside and (rows >= FEW or K < LONG):
        matrix, vector = (left, right) if N == 1 else (right, left)
        vec = WIDTH // a.itemsize
        whole = K % vec == 0 and matrix.quads and vector.quads
        launch(
            MATRIX_VECTOR,
            {"T": ctype(out.dtype), "VEC": str(vec if whole else 1)},
            (matrix.array, vector.array, bias, out, matrix.ld, rows, K, int(N > 1), kind),
            rows=rows,
        )
        return out

    batches = math.prod(batch)
    tile = tile or choose(M, N, batches, a.itemsize)
    tiles = tile.count(M, N)
    chunk, parts = split(tiles * batches, K)
    if tiles * batches * parts >= 2**31:
        return NotImplemented
    to = out if parts == 1 else empty(out, (parts, *out.shape))
    slow = [(0, 0, 1)] * (BATCH_AXES - len(axes))
    fast = [(axis.strides[1], axis.strides[2], axis.extent) for axis in reversed(axes)]
    a_batch, b_batch, extents = zip(*slow, *fast, strict=True)
    ends = kind if parts == 1 else 0
    layout = struct.pack(
        f"<2q{2 * BATCH_AXES}q{BATCH_AXES}i10i",
        *(left.ld, right.ld, *a_batch, *b_batch, *extents),
        *(M, N, K, chunk, parts, tiles),
        *(left.quads, right.quads, N * out.itemsize % WIDTH == 0, ends),
    )
    launch(
        MATMUL,
        variant(ctype(out.dtype), tile, left.along, right.along),
        (left.array, right.array, bias if parts == 1 else None, to, layout),
        tiles=tiles,
        matrices=batches * parts,
        threads=tile.threads,
        shared=tile.shared(out.itemsize),
    )
    if parts > 1:
        args = (to, bias, out, out.size, parts, N, kind)
        launch(SUM_PARTS, {"T": ctype(out.dtype)}, args, size=out.size)
    return out
