"""Scaled dot-product attention, and rotary positions for its queries and keys."""

from __future__ import annotations

import math
from typing import Any

from ... import shapes
from ...dtypes import kind
from ...errors import ArgumentError, ShapeError
from ...ops import attention as ops
from ...ops import elementwise as ew
from ...ops.create import scalar_like
from ...ops.matmul import matmul
from ...ops.rotary import rotary
from ...ops.shape import concat, expand, reshape
from ._check import number, real_float, same_dtype, tensor
from ._dropout import dropout


def additive(op: str, name: str, mask: Any, like: Any, *, hides: bool) -> Any:
    """A mask as numbers to add to scores: a bool one becomes 0 and -inf, -inf where it is
    `hides`."""
    m = tensor(op, mask, name)
    if kind(m.data.dtype) != 0:
        same_dtype(op, like, **{name: m})
        return m
    low, zero = scalar_like(like, -math.inf), scalar_like(like, 0)
    return ew.where(m, low, zero) if hides else ew.where(m, zero, low)


def attend(
    q: Any, k: Any, v: Any, mask: Any, *, dropout_p: float, causal: bool, scale: float
) -> Any:
    """softmax(q k^T scale + mask) v, with the weights dropped out where `dropout_p` says so."""
    masks = () if mask is None else (mask,)
    if dropout_p == 0:
        return ops.attention(q, k, v, *masks, scale=scale, causal=causal)[0]
    p = ops.probabilities(q, k, *masks, scale=scale, causal=causal)
    return matmul(dropout(p, dropout_p), v)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query key^T scale + mask) value: (..., L, E), (..., S, E) and (..., S, V) give
    (..., L, V).

    A bool `attn_mask`, broadcast to (..., L, S), is True where a query attends; a float one is
    added to the scores. `is_causal` hides the keys after a query's own place, and excludes
    `attn_mask`. `scale` is 1 / sqrt(E) unless given. With `enable_gqa` each of the H heads of key
    and value (..., H, S, E) serves as many consecutive heads of the query. A query whose keys are
    all masked gives zeros, with gradients of zero. Raises `ShapeError` and `DTypeError` for
    operands that do not fit. Source: Vaswani et al., NeurIPS 2017; Ainslie et al., EMNLP 2023
    (grouped queries).

    >>> import gpudl as gd
    >>> q = gd.random.normal((2, 4, 5, 8))
    >>> gd.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    (2, 4, 5, 8)
    """
    op = "scaled_dot_product_attention"
    q, k, v = real_float(op, query, "query"), tensor(op, key, "key"), tensor(op, value, "value")
    same_dtype(op, q, key=k, value=v)
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(op, "operands have two axes or more", query=q, key=k, value=v)
    p = number(op, "dropout_p", dropout_p)
    if not 0 <= p <= 1:
        raise ArgumentError(op, f"dropout_p is {p}", remedy="from 0 to 1")
    if is_causal and attn_mask is not None:
        raise ArgumentError(
            op, "is_causal and attn_mask exclude each other", remedy="put both into one mask"
        )
    mask = None if attn_mask is None else additive(op, "attn_mask", attn_mask, q, hides=False)
    E = q.shape[-1]
    factor = 1 / math.sqrt(max(E, 1)) if scale is None else number(op, "scale", scale)
    options: dict[str, Any] = {"dropout_p": p, "causal": bool(is_causal), "scale": factor}
    if not enable_gqa:
        return attend(q, k, v, mask, **options)
    return _grouped(op, q, k, v, mask, options)


def _grouped(op: str, q: Any, k: Any, v: Any, mask: Any, options: dict[str, Any]) -> Any:
    """Heads of the query in groups, an axis of their own, along which keys and values broadcast."""
    if min(q.ndim, k.ndim, v.ndim) < 3:
        raise ShapeError(op, "enable_gqa needs an axis of heads", query=q, key=k, value=v)
    heads, H = q.shape[-3], k.shape[-3]
    if v.shape[-3] != H or H == 0 or heads % H:
        raise ShapeError(
            op,
            f"{heads} heads of the query in groups of {H} heads of key and value",
            remedy="as many heads in key and value, which divide the query's",
            query=q,
            key=k,
            value=v,
        )
    groups = heads // H
    if mask is not None and mask.ndim > 2:
        n = mask.shape[-3]
        if n not in (1, heads):
            raise ShapeError(op, f"the mask has {n} heads, the query {heads}", attn_mask=mask)
        mask = _heads_apart(mask, (1, 1) if n == 1 else (H, groups))
    q, k, v = _heads_apart(q, (H, groups)), _heads_apart(k, (H, 1)), _heads_apart(v, (H, 1))
    y = attend(q, k, v, mask, **options)
    shape = (*y.shape[:-4], heads, *y.shape[-2:])
    shapes.count(op, shape)
    return reshape(y, shape=shape)


def _heads_apart(x: Any, parts: tuple[int, int]) -> Any:
    return reshape(x, shape=(*x.shape[:-3], *parts, *x.shape[-2:]))


def rotary_embedding(input: Any, cos: Any, sin: Any) -> Any:
    """Queries or keys (..., T, D) whose pairs of features (i, i + D / 2) are turned by the angles
    of their place, given by their cosines and sines (T, D / 2).

    Scores between turned queries and keys depend on how far apart they are. Raises `ShapeError` and
    `DTypeError` for operands that do not fit. Source: Su et al., "RoFormer", arXiv:2104.09864.

    >>> import gpudl as gd
    >>> angles = gd.tensor([[0.0], [gd.pi / 2]])
    >>> x = gd.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> gd.round(gd.nn.functional.rotary_embedding(x, gd.cos(angles), gd.sin(angles))) + 0.0
    tensor([[1., 0.],
            [0., 1.]])
    """
    op = "rotary_embedding"
    x = real_float(op, input)
    c, s = tensor(op, cos, "cos"), tensor(op, sin, "sin")
    same_dtype(op, x, cos=c, sin=s)
    if x.ndim < 2 or x.shape[-1] % 2 or {c.shape, s.shape} != {(x.shape[-2], x.shape[-1] // 2)}:
        raise ShapeError(
            op,
            "input is (..., T, D) with an even D, cos and sin are (T, D / 2)",
            input=x, cos=c, sin=s,
        )  # fmt: skip
    turns = concat(expand(c, axis=(0,)), expand(s, axis=(0,)), axis=0, sizes=(1, 1))
    return rotary(x, turns)
