"""Softmax, log-softmax and cross-entropy on the CPU (`csrc/softmax.cpp`), over the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import _C
from gpudl.errors import IndexRangeError

from ..layout import Array, contiguous, takes


def _flat(x: Array) -> Array:
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _forward(x: Array, logarithm: bool) -> Any:
    if not takes(x) or x.ndim < 1:
        return NotImplemented
    y = _C.empty(x.shape, x.dtype)
    _C.softmax_fwd(_flat(x), _flat(y), logarithm)
    return y


def _backward(g: Array, y: Array, logarithm: bool) -> Any:
    if not takes(g, y) or y.ndim < 1:
        return NotImplemented
    gx = _C.empty(y.shape, y.dtype)
    _C.softmax_bwd(_flat(g), _flat(y), _flat(gx), logarithm)
    return gx


def softmax(x: Array) -> Any:
    """exp(x) / sum(exp(x)) over the last axis."""
    return _forward(x, False)


def log_softmax(x: Array) -> Any:
    """x - log(sum(exp(x))) over the last axis."""
    return _forward(x, True)


def softmax_bwd(g: Array, y: Array) -> Any:
    """The gradient of `softmax` from its result y."""
    return _backward(g, y, False)


def log_softmax_bwd(g: Array, y: Array) -> Any:
    """The gradient of `log_softmax` from its result y."""
    return _backward(g, y, True)


def cross_entropy(
    logits: Array, labels: Array, *, ignore_index: int, label_smoothing: float
) -> Any:
    """(loss, lse), both (N,), of logits (N, C) and int64 labels (N,); an ignored row has loss 0."""
    if not takes(logits) or labels.dtype != np.int64 or logits.ndim != 2:
        return NotImplemented
    loss = _C.empty(labels.shape, logits.dtype)
    lse = _C.empty(labels.shape, logits.dtype)
    x, label = contiguous(logits), contiguous(labels)
    try:
        _C.cross_entropy_fwd(x, label, ignore_index, label_smoothing, loss, lse)
    except IndexError as error:
        raise _bad_label("cross_entropy", error, logits, labels, ignore_index) from None
    return loss, lse


def cross_entropy_bwd(
    g: Array,
    logits: Array,
    labels: Array,
    lse: Array,
    *,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    """The gradient (N, C) of the losses with respect to the logits; g is (N,)."""
    if not takes(g, logits, lse) or labels.dtype != np.int64 or logits.ndim != 2:
        return NotImplemented
    gx = _C.empty(logits.shape, logits.dtype)
    x, label = contiguous(logits), contiguous(labels)
    up, sums = contiguous(g), contiguous(lse)
    try:
        _C.cross_entropy_bwd(up, x, label, sums, ignore_index, label_smoothing, gx)
    except IndexError as error:
        raise _bad_label("cross_entropy_bwd", error, logits, labels, ignore_index) from None
    return gx


def _bad_label(
    op: str, error: IndexError, logits: Array, labels: Array, ignore_index: int
) -> IndexRangeError:
    return IndexRangeError(
        op,
        str(error),
        remedy=f"labels from 0 to {logits.shape[1] - 1}, or {ignore_index} for rows to ignore",
        logits=logits,
        labels=labels,
    )
