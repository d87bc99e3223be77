"""Softmax, log-softmax and cross-entropy on the GPU, over the last axis (`softmax.cu`,
`cross_entropy.cu`)."""

from __future__ import annotations

import math
from typing import Any

from gpudl.dtypes import int64
from gpudl.errors import IndexRangeError
from gpudl.runtime import ErrorSite, launch

from ..gpu import Array, contiguous, empty, takes
from ..rows import choose, long_variant, vector
from .specs import (
    CROSS_ENTROPY_BWD,
    CROSS_ENTROPY_BWD_LONG,
    CROSS_ENTROPY_FWD,
    CROSS_ENTROPY_FWD_LONG,
    SOFTMAX_BWD,
    SOFTMAX_BWD_LONG,
    SOFTMAX_FWD,
    SOFTMAX_FWD_LONG,
)

_TEXT = "label {value} for {extent} classes, which are counted from 0"
_LABEL = ErrorSite("cross_entropy", _TEXT, IndexRangeError)
_LABEL_BWD = ErrorSite("cross_entropy_bwd", _TEXT, IndexRangeError)


def _forward(x: Array, logarithm: bool) -> Any:
    if not takes(x) or x.ndim < 1:
        return NotImplemented
    y = empty(x, x.shape)
    if not y.size:
        return y
    x = contiguous(x)
    rows, cols = math.prod(x.shape[:-1]), x.shape[-1]
    tile = choose(cols, x, y)
    if tile is None:
        variant = long_variant(x.dtype, vector(cols, x, y))
        launch(SOFTMAX_FWD_LONG, variant, (x, y, cols, int(logarithm)), rows=rows)
    else:
        args = (x, y, rows, cols, int(logarithm))
        launch(SOFTMAX_FWD, tile.variant(x.dtype), args, rows=rows, lanes=tile.lanes)
    return y


def _backward(g: Array, y: Array, logarithm: bool) -> Any:
    if not takes(g, y) or y.ndim < 1 or g.shape != y.shape:
        return NotImplemented
    gx = empty(y, y.shape)
    if not gx.size:
        return gx
    g, y = contiguous(g), contiguous(y)
    rows, cols = math.prod(y.shape[:-1]), y.shape[-1]
    tile = choose(cols, g, y, gx)
    if tile is None:
        variant = long_variant(y.dtype, vector(cols, g, y, gx))
        launch(SOFTMAX_BWD_LONG, variant, (g, y, gx, cols, int(logarithm)), rows=rows)
    else:
        args = (g, y, gx, rows, cols, int(logarithm))
        launch(SOFTMAX_BWD, tile.variant(y.dtype), args, rows=rows, lanes=tile.lanes)
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
    """(loss, lse), both (N,), of logits (N, C) and int64 labels (N,); an ignored row has loss 0.

    The kernel reports a label that is no class, and gives that row the loss 0.
    """
    if not takes(logits) or labels.dtype != int64 or logits.ndim != 2:
        return NotImplemented
    rows, cols = logits.shape
    loss, lse = empty(logits, (rows,)), empty(logits, (rows,))
    if not rows:
        return loss, lse
    x, labels = contiguous(logits), contiguous(labels)
    given = (x, labels, ignore_index, label_smoothing, loss, lse)
    tile = choose(cols, x)
    if tile is None:
        variant = long_variant(x.dtype, vector(cols, x))
        launch(CROSS_ENTROPY_FWD_LONG, variant, (*given, cols, _LABEL), rows=rows)
    else:
        args = (*given, rows, cols, _LABEL)
        launch(CROSS_ENTROPY_FWD, tile.variant(x.dtype), args, rows=rows, lanes=tile.lanes)
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
    if not takes(g, logits, lse) or labels.dtype != int64 or logits.ndim != 2:
        return NotImplemented
    gx = empty(logits, logits.shape)
    if not gx.size:
        return gx
    rows, cols = logits.shape
    g, x, labels, lse = map(contiguous, (g, logits, labels, lse))
    options = (ignore_index, label_smoothing)
    tile = choose(cols, x, gx)
    if tile is None:
        variant = long_variant(x.dtype, vector(cols, x, gx))
        given = (g, x, labels, lse, *options, gx, cols, _LABEL_BWD)
        launch(CROSS_ENTROPY_BWD_LONG, variant, given, rows=rows)
    else:
        args = (g, x, labels, lse, *options, gx, rows, cols, _LABEL_BWD)
        launch(CROSS_ENTROPY_BWD, tile.variant(x.dtype), args, rows=rows, lanes=tile.lanes)
    return gx
