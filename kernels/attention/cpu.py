"""Attention on the CPU: one batch entry at a time, so that its scores stay in the cache.

All heads of an entry are one 1x1 convolution with as many groups, on the extension's threads.
Queries that lie as (L, heads, E), which is how a projection leaves them, are read in place, and
the result is written so. Batched products of NumPy's BLAS are slower here, and its threads go on
spinning after them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import _C

from ..layout import Array, contiguous, takes

_ONE = ([1], [0], [1])  # stride, padding, dilation of a 1x1 convolution


def _batched(x: Array, batch: tuple[int, ...]) -> Array:
    """(N, H, M, K) of `x` (..., M, K) broadcast to `batch`; the last batch axis has the heads."""
    x = np.broadcast_to(x, batch + x.shape[-2:])
    if len(batch) == 2:
        return x
    if len(batch) < 2:
        return x.reshape((1,) * (2 - len(batch)) + x.shape)
    return x.reshape(math.prod(batch[:-1]), batch[-1], *x.shape[-2:])


def _pixels(x: Array) -> Array:
    """(1, M, H * K) of the heads `x` (H, M, K), a view where they lie side by side."""
    H, M, K = x.shape
    side = x.transpose(1, 0, 2)
    unit = x.itemsize
    if x.flags.aligned and side.strides[1:] == (K * unit, unit) and not side.strides[0] % unit:
        shape, strides = (1, M, H * K), (0, side.strides[0], unit)
        return np.lib.stride_tricks.as_strided(side, shape, strides, writeable=False)
    return np.ascontiguousarray(side).reshape(1, M, H * K)


def _rows(x: Array) -> Array:
    """(H * M, K, 1): the heads `x` (H, M, K) as the weight of a grouped 1x1 convolution."""
    H, M, K = x.shape
    return np.ascontiguousarray(x).reshape(H * M, K, 1)


def _empty_heads(N: int, H: int, M: int, K: int, dtype: Any) -> Array:
    """(N, H, M, K) whose memory is (N, M, H, K)."""
    return _C.empty((N, M, H, K), dtype).transpose(0, 2, 1, 3)


def _memory(x: Array, n: int) -> Array:
    """Entry `n` of what `_empty_heads` made, (1, M, H * K)."""
    N, H, M, K = x.shape
    return x.transpose(0, 2, 1, 3).reshape(N, M, H * K)[n : n + 1]


def _unbatched(x: Array, batch: tuple[int, ...]) -> Array:
    return x if len(batch) == 2 else x.reshape(batch + x.shape[-2:])


def _bias(mask: tuple[Array, ...], batch: tuple[int, ...], L: int, S: int) -> Array | None:
    """The mask as (N, H, L, S), a view."""
    if not mask:
        return None
    (m,) = mask
    return _batched(np.broadcast_to(m, batch + (L, S)), batch)


def attention(q: Array, k: Array, v: Array, *mask: Array, scale: float, causal: bool) -> Any:
    """(y, p): the result (..., L, V) and the weights (..., L, S)."""
    if not takes(q, k, v, *mask) or min(q.size, k.size, v.size) == 0:
        return NotImplemented
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    if mask:
        batch = np.broadcast_shapes(batch, mask[0].shape[:-2])
    L, (S, V) = q.shape[-2], v.shape[-2:]
    q, k, v = (_batched(x, batch) for x in (q, k, v))
    bias = _bias(mask, batch, L, S)
    N, H = q.shape[:2]
    future = None
    if causal:
        later = np.arange(S) > np.arange(L)[:, None]
        future = np.where(later, -np.inf, 0).astype(q.dtype)[:, None]
    p = _empty_heads(N, H, L, S, q.dtype)
    y = _empty_heads(N, H, L, V, q.dtype)
    for n in range(N):
        scores = _memory(p, n)
        _C.conv_fwd(_pixels(q[n]), _rows(k[n] * q.dtype.type(scale)), scores, *_ONE, H)
        heads = scores.reshape(L, H, S)
        if future is not None:
            heads += future
        flat = scores.reshape(L * H, S)
        if bias is None:
            _C.softmax_fwd(flat, flat, False)
        else:
            heads += bias[n].transpose(1, 0, 2)
            dead = flat.max(1) == -np.inf
            _C.softmax_fwd(flat, flat, False)
            if dead.any():
                flat[dead] = 0
        _C.conv_fwd(scores, _rows(v[n].swapaxes(1, 2)), _memory(y, n), *_ONE, H)
    return _unbatched(y, batch), _unbatched(p, batch)


def attention_bwd(g: Array, q: Array, k: Array, v: Array, p: Array, *, scale: float) -> Any:
    """The gradients of q, k and v, over the whole batch, from that of y and the weights p."""
    if not takes(g, q, k, v, p) or min(q.size, k.size, v.size) == 0:
        return NotImplemented
    batch = p.shape[:-2]
    (L, E), (S, V) = q.shape[-2:], v.shape[-2:]
    g, q, k, v, p = (_batched(x, batch) for x in (g, q, k, v, p))
    N, H = q.shape[:2]
    gq = _empty_heads(N, H, L, E, q.dtype)
    gk = _C.empty((N, H, S, E), q.dtype)
    gv = _C.empty((N, H, S, V), q.dtype)
    gs = _C.empty((1, L, H * S), q.dtype)
    flat = gs.reshape(L * H, S)
    factor = q.dtype.type(scale)
    for n in range(N):
        up, weights = _pixels(g[n]), contiguous(_pixels(p[n]))
        _C.conv_wgrad(weights, up, gv[n].reshape(H * S, 1, V), *_ONE, H)
        _C.conv_fwd(up, _rows(v[n]), gs, *_ONE, H)
        _C.softmax_bwd(flat, weights.reshape(L * H, S), flat, False)
        _C.conv_fwd(gs, _rows((k[n] * factor).swapaxes(1, 2)), _memory(gq, n), *_ONE, H)
        _C.conv_wgrad(gs, _pixels(q[n]), gk[n].reshape(H * S, 1, E), *_ONE, H)
    gk *= factor
    return _unbatched(gq, batch), _unbatched(gk, batch), _unbatched(gv, batch)
