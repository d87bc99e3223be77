"""Attention on the CPU (`csrc/attention.cpp`, rotary positions in `csrc/rows.cpp`): a head is a
task, its scores stay in the cache.

Operands are read where they lie as long as the last axis is contiguous; results lie as (L, heads,
V), which is how the projection after them reads them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import _C

from ..layout import Array, aligned, contiguous, empty_rows, strided_rows, takes


def _heads(x: Array, batch: tuple[int, ...]) -> Array:
    """(N, H, M, K) of `x` (..., M, K) broadcast to `batch`, a view where its layout allows it."""
    if x.shape[:-2] != batch:
        x = np.broadcast_to(x, batch + x.shape[-2:])
    if len(batch) < 2:
        x = x.reshape((1,) * (2 - len(batch)) + x.shape)
    elif len(batch) > 2:
        x = x.reshape(math.prod(batch[:-1]), batch[-1], *x.shape[-2:])
    return x


def _operand(x: Array, batch: tuple[int, ...]) -> Array:
    x = _heads(x, batch)
    return aligned(x) if x.strides[-1] == x.itemsize else contiguous(x)


def _mask(mask: tuple[Array, ...], batch: tuple[int, ...], L: int, S: int) -> Array | None:
    if not mask:
        return None
    return aligned(_heads(np.broadcast_to(mask[0], batch + (L, S)), batch))


def _result(batch: tuple[int, ...], rows: int, width: int, dtype: Any) -> Array:
    """(..., H, rows, width) whose memory is (..., rows, H, width)."""
    if not batch:
        return _C.empty((rows, width), dtype)
    return _C.empty((*batch[:-1], rows, batch[-1], width), dtype).swapaxes(-2, -3)


def _batch(*operands: Array) -> tuple[int, ...]:
    return np.broadcast_shapes(*[x.shape[:-2] for x in operands])


def attention(q: Array, k: Array, v: Array, *mask: Array, scale: float, causal: bool) -> Any:
    """(y, lse): the result (..., L, V), and the logarithm (..., L) of each query's sum."""
    if not takes(q, k, v, *mask) or min(q.size, k.size, v.size) == 0:
        return NotImplemented
    batch, (L, S) = _batch(q, k, v, *mask), (q.shape[-2], k.shape[-2])
    y = _result(batch, L, v.shape[-1], q.dtype)
    lse = _C.empty((*batch, L), q.dtype)
    operands = [_operand(x, batch) for x in (q, k, v)]
    outs = _heads(y, batch), _heads(lse[..., None], batch)[..., 0]
    _C.attention_fwd(*operands, _mask(mask, batch, L, S), scale, causal, *outs)
    return y, lse


def attention_bwd(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    *mask: Array,
    scale: float,
    causal: bool,
) -> Any:
    """The gradients of q, k and v, over the whole batch, from that of y and what came of it."""
    if not takes(g, q, k, v, y, lse, *mask) or min(q.size, k.size, v.size) == 0:
        return NotImplemented
    batch, (L, S) = lse.shape[:-1], (q.shape[-2], k.shape[-2])
    grads = [_result(batch, x.shape[-2], x.shape[-1], q.dtype) for x in (q, k, v)]
    operands = [_operand(x, batch) for x in (g, q, k, v)]
    sums = contiguous(_heads(lse[..., None], batch)[..., 0])
    _C.attention_bwd(
        *operands,
        _mask(mask, batch, L, S),
        _operand(y, batch),
        sums,
        scale,
        causal,
        *[_heads(x, batch) for x in grads],
    )
    return tuple(grads)


def rotary(x: Array, turns: Array) -> Any:
    """The halves of the rows of x (..., T, D) turned by the angles of their places, whose cosines
    and sines are given, (2, T, D / 2)."""
    if not takes(x, turns):
        return NotImplemented
    rows = strided_rows(x)
    y, (cos, sin) = empty_rows(rows), contiguous(turns)
    _C.rotary(rows, cos, sin, y)
    return y.reshape(x.shape)
