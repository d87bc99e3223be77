"""Scaled dot-product attention, one row with the weights as a further result.

A query whose keys are all masked (its scores are all -inf) gets weights, result and gradients of
zero, never NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import check_kind
from ..errors import ShapeError
from ._rules import same_dtype
from .activation import softmax
from .create import arange, device_of, scalar_like
from .elementwise import where, widen, zero
from .matmul import matmul, swap
from .reduce import max_, sum_
from .shape import expand


def _batch(q: Spec, k: Spec, v: Spec, *mask: Spec) -> tuple[int, ...]:
    return shapes.broadcast("attention", *[x.shape[:-2] for x in (q, k, v, *mask)])


def _attention_rule(
    q: Spec, k: Spec, v: Spec, *mask: Spec, scale: float, causal: bool
) -> tuple[Spec, Spec]:
    op = "attention"
    dtype = same_dtype(op, q, k, v, *mask)
    check_kind(op, dtype, "f")
    if min(q.ndim, k.ndim, v.ndim, *(m.ndim for m in mask)) < 2:
        raise ShapeError(op, "operands have two axes or more", query=q, key=k, value=v)
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            op,
            "queries and keys differ in features, or keys and values in number",
            remedy="(..., L, E), (..., S, E) and (..., S, V)",
            query=q,
            key=k,
            value=v,
        )
    batch = _batch(q, k, v, *mask)
    L, S = q.shape[-2], k.shape[-2]
    if mask and shapes.broadcast(op, mask[0].shape[-2:], (L, S)) != (L, S):
        raise ShapeError(op, f"the mask does not broadcast to (..., {L}, {S})", mask=mask[0])
    shapes.count(op, (*batch, L, S), dtype.itemsize)
    shapes.count(op, (*batch, L, v.shape[-1]), dtype.itemsize)
    return Spec((*batch, L, v.shape[-1]), dtype), Spec((*batch, L, S), dtype)


def _attention_ref(
    xp: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, Any]:
    y, p = _attention_rule(
        *[Spec(x.shape, x.dtype) for x in (q, k, v, *mask)], scale=scale, causal=causal
    )
    L, S = p.shape[-2:]
    if S == 0:
        return xp.zeros(y.shape, y.dtype), xp.zeros(p.shape, p.dtype)
    wide = widen(xp, q)
    low = wide.dtype.type(-np.inf)
    scores = xp.matmul(wide, widen(xp, k).swapaxes(-1, -2)) * wide.dtype.type(scale)
    for m in mask:
        scores = scores + widen(xp, m)
    if causal:
        scores = xp.where(xp.arange(L)[:, None] >= xp.arange(S), scores, low)
    top = scores.max(-1, keepdims=True)
    e = xp.exp(scores - xp.where(top == low, wide.dtype.type(0), top))
    total = e.sum(-1, keepdims=True)
    weights = xp.broadcast_to(e / xp.where(total == 0, wide.dtype.type(1), total), p.shape)
    out = xp.matmul(weights, widen(xp, v))
    return out.astype(q.dtype, copy=False), weights.astype(q.dtype)


def probabilities(q: Any, k: Any, *mask: Any, scale: float, causal: bool) -> Any:
    """softmax(q k^T scale + mask) (..., L, S), made of rows: what is recorded where the weights
    themselves are wanted."""
    scores = matmul(q, swap(k)) * scale
    for m in mask:
        scores = scores + m
    L, S = scores.shape[-2:]
    low = scalar_like(scores, -np.inf)
    if causal:
        at = {"start": 0, "step": 1, "dtype": np.dtype("int64"), "device": device_of(q)}
        past = expand(arange(length=L, **at), axis=(1,)) >= arange(length=S, **at)
        scores = where(past, scores, low)
    if not mask or S == 0:
        return softmax(scores)
    dead = max_(scores, axis=(scores.ndim - 1,), keepdims=True) == low
    return where(dead, zero(scores), softmax(where(dead, zero(scores), scores)))


def _attention_vjp(
    g: Any, ys: Any, needs: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, ...]:
    p = probabilities(q, k, *mask, scale=scale, causal=causal)
    gp = matmul(g, swap(v))
    gs = p * (gp - sum_(gp * p, axis=(gp.ndim - 1,), keepdims=True))
    return (
        matmul(gs, k) * scale if needs[0] else None,
        matmul(swap(gs), q) * scale if needs[1] else None,
        matmul(swap(p), g) if needs[2] else None,
        *[gs for _ in mask],
    )


def _attention_fused(
    g: Any, ys: Any, needs: Any, q: Any, k: Any, v: Any, *mask: Any, scale: float, causal: bool
) -> tuple[Any, ...]:
    if any(needs[3:]):
        return _attention_vjp(g, ys, needs, q, k, v, *mask, scale=scale, causal=causal)
    return *attention_bwd(g, q, k, v, ys[1], scale=scale), *[None for _ in mask]


def _attention_bwd_rule(
    g: Spec, q: Spec, k: Spec, v: Spec, p: Spec, *, scale: float
) -> tuple[Spec, Spec, Spec]:
    dtype = same_dtype("attention_bwd", g, q, k, v, p)
    check_kind("attention_bwd", dtype, "f")
    batch = p.shape[:-2]
    return tuple(Spec((*batch, *x.shape[-2:]), dtype) for x in (q, k, v))  # type: ignore[return-value]


def _attention_bwd_ref(
    xp: Any, g: Any, q: Any, k: Any, v: Any, p: Any, *, scale: float
) -> tuple[Any, Any, Any]:
    dtype = q.dtype
    g, q, k, v, p = (widen(xp, x) for x in (g, q, k, v, p))
    gv = xp.matmul(p.swapaxes(-1, -2), g)
    gp = xp.matmul(g, v.swapaxes(-1, -2))
    gs = p * (gp - (gp * p).sum(-1, keepdims=True)) * p.dtype.type(scale)
    gq, gk = xp.matmul(gs, k), xp.matmul(gs.swapaxes(-1, -2), q)
    gq, gk, gv = (x.astype(dtype, copy=False) for x in (gq, gk, gv))
    return gq, gk, gv


attention_bwd: Row = row(
    "attention_bwd",
    _attention_bwd_ref,
    _attention_bwd_rule,
    n_out=3,
    kernel="attention_bwd",
    why="the fused backward of attention; attention's own rule differentiates to any order",
)
# (y, weights). A mask is added to the scores; -inf hides a key.
attention: Row = row(
    "attention",
    _attention_ref,
    _attention_rule,
    vjp=_attention_vjp,
    joint=True,
    fused=_attention_fused,
    saves=(0, 1, 2, 3, "y1"),
    n_out=2,
    n_diff=1,
    broadcasts=True,
    kernel="attention",
    flops=lambda q, k, v, *mask, **_: (
        2
        * math.prod(_batch(q, k, v, *mask))
        * q.shape[-2]
        * k.shape[-2]
        * (q.shape[-1] + v.shape[-1])
    ),
)
