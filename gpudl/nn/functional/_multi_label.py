"""Losses of classification by margins, for one label and for several."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import shapes
from ..._namespace.convert import cast
from ...dtypes import int64, kind
from ...errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from ...ops import elementwise as ew
from ...ops.reduce import sum_
from ...ops.shape import broadcast_to, expand, gather_axis, reshape
from ._activation import logsigmoid
from ._check import (
    clamp_min,
    common,
    constant,
    number,
    on_host,
    placed,
    real_float,
    reduced,
    same_dtype,
    same_shape,
    tensor,
)
from ._loss import refuse


def _rows(op: str, input: Any) -> tuple[Any, bool]:
    """(N, C) from (N, C) or (C,), and whether there was no batch."""
    x = real_float(op, input)
    if x.ndim not in (1, 2) or x.shape[-1] == 0:
        raise ShapeError(op, "needs (N, C) or (C,), with a class at least", input=x)
    return (x, False) if x.ndim == 2 else (reshape(x, shape=(1, *x.shape)), True)


def _labels(op: str, target: Any) -> Any:
    t = tensor(op, target, "target")
    if kind(t.data.dtype) != 1:
        raise ArgumentTypeError(op, f"labels of dtype {t.dtype.name}", remedy="integers", target=t)
    return cast(t, int64)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over the wrong classes c of max(0, margin - x[label] + x[c])^p, times
    `weight[label]`; x (N, C) or (C,), labels (N,) or (), p 1 or 2.

    >>> import gpudl as gd
    >>> x = gd.tensor([[0.5, 0.0, 1.0, 0.5]])
    >>> gd.nn.functional.multi_margin_loss(x, gd.tensor([2])).item()
    0.25
    """
    op = "multi_margin_loss"
    refuse(op, size_average, reduce)
    power = number(op, "p", p)
    if power not in (1, 2):
        raise ArgumentError(op, f"p is {p}", remedy="1 or 2")
    x, alone = _rows(op, input)
    t = _labels(op, target)
    N, C = x.shape
    if t.shape != ((N,) if not alone else ()) and t.shape != (N,):
        raise ShapeError(op, "a label for each row", input=input, target=t)
    column = reshape(t, shape=(N, 1))
    if N and not bool(((t >= 0) & (t < C)).all()):
        raise IndexRangeError(op, f"a label outside 0 .. {C - 1}", target=t)
    right = gather_axis(x, column, axis=1)
    gap = clamp_min(op, x - right + number(op, "margin", margin), 0)
    terms = gap if power == 1 else ew.square(gap)
    if weight is not None:
        same_dtype(op, x, weight=tensor(op, weight, "weight"))
        if weight.shape != (C,):
            raise ShapeError(op, f"weight is ({C},), one entry per class", weight=weight)
        terms = terms * reshape(gather_axis(weight, reshape(t, shape=(N,)), axis=0), shape=(N, 1))
    wrong = placed(np.arange(C), x) != column
    terms = ew.where(wrong, terms, constant(op, x, 0))
    loss = sum_(terms, axis=(1,), keepdims=False) / C
    return reduced(op, reshape(loss, shape=()) if alone else loss, reduction)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over labels l and classes c that are none of max(0, 1 - x[l] + x[c]) / C; the labels
    of a row are those before its first -1. Both (N, C) or (C,).

    >>> import gpudl as gd
    >>> x = gd.tensor([0.1, 0.2, 0.4, 0.8])
    >>> loss = gd.nn.functional.multilabel_margin_loss(x, gd.tensor([3, 0, -1, 1]))
    >>> round(loss.item(), 4)
    0.85
    """
    op = "multilabel_margin_loss"
    refuse(op, size_average, reduce)
    x, alone = _rows(op, input)
    t = _labels(op, target)
    same_shape(op, input=input, target=t)
    N, C = x.shape
    shapes.count(op, (N, C, C), 8)
    labels = on_host(reshape(t, shape=(N, C)))
    if labels.size and not (labels.min() >= -1 and labels.max() < C):
        raise IndexRangeError(op, f"a label outside -1 .. {C - 1}", target=t)
    counted = np.cumprod(labels >= 0, axis=1).astype(bool)
    is_label = np.zeros((N, C), bool)
    n, place = np.nonzero(counted)
    is_label[n, labels[n, place]] = True
    pairs = placed(counted[:, :, None] & ~is_label[:, None, :], x)
    own = gather_axis(x, placed(np.where(counted, labels, 0), x), axis=1)
    gap = clamp_min(op, expand(x, axis=(1,)) - expand(own, axis=(2,)) + 1, 0)
    terms = ew.where(pairs, gap, constant(op, x, 0))
    loss = sum_(terms, axis=(1, 2), keepdims=False) / C
    return reduced(op, reshape(loss, shape=()) if alone else loss, reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over the last axis of -(t log sigmoid(x) + (1 - t) log sigmoid(-x)), times `weight`.

    >>> import gpudl as gd
    >>> x, t = gd.zeros(1, 3), gd.ones(1, 3)
    >>> round(gd.nn.functional.multilabel_soft_margin_loss(x, t).item(), 4)
    0.6931
    """
    op = "multilabel_soft_margin_loss"
    refuse(op, size_average, reduce)
    x, t = common(op, real_float(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    if not x.ndim:
        raise ShapeError(op, "needs (..., C)", input=x)
    loss = -(t * logsigmoid(x) + (1 - t) * logsigmoid(-x))
    if weight is not None:
        same_dtype(op, x, weight=tensor(op, weight, "weight"))
        if shapes.broadcast(op, weight.shape, x.shape) != x.shape:
            raise ShapeError(op, "weight does not broadcast to the input", input=x, weight=weight)
        loss = loss * broadcast_to(weight, shape=x.shape)
    loss = sum_(loss, axis=(x.ndim - 1,), keepdims=False) / x.shape[-1]
    return reduced(op, loss, reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-t x)) with t 1 or -1, without overflow.

    >>> import gpudl as gd
    >>> round(gd.nn.functional.soft_margin_loss(gd.zeros(2), gd.ones(2)).item(), 4)
    0.6931
    """
    op = "soft_margin_loss"
    refuse(op, size_average, reduce)
    x, t = common(op, real_float(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    return reduced(op, -logsigmoid(t * x), reduction)
