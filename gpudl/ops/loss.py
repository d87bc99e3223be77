"""Cross-entropy of logits with class labels, one row so that no probabilities are stored."""

from __future__ import annotations

from typing import Any

from ..autograd import Row, Spec, row
from ..dtypes import accumulator, check_kind, int64
from ..errors import IndexRangeError, ShapeError
from ._rules import like_second
from .activation import log_softmax
from .create import arange, device_of
from .elementwise import cast, equal, exp, not_equal, widen
from .shape import reshape


def _rule(
    logits: Spec, labels: Spec, *, ignore_index: int, label_smoothing: float
) -> tuple[Spec, Spec]:
    check_kind("cross_entropy", logits.dtype, "f")
    check_kind("cross_entropy", labels.dtype, "i")
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ShapeError(
            "cross_entropy", "logits are (N, C) and labels (N,)", logits=logits, labels=labels
        )
    if logits.shape[0] and not logits.shape[1]:
        raise ShapeError("cross_entropy", "there are no classes", logits=logits)
    rows = logits.shape[:1]
    return Spec(rows, logits.dtype), Spec(rows, accumulator(logits.dtype))


def _target(xp: Any, labels: Any, classes: int, ignore_index: int) -> tuple[Any, Any]:
    """Labels made safe to index with, and which rows count."""
    valid = labels != ignore_index
    wrong = valid & ((labels < 0) | (labels >= classes))
    if bool(wrong.any()):
        raise IndexRangeError(
            "cross_entropy", f"label {int(labels[wrong][0])} for {classes} classes",
            remedy=f"labels are from 0 to {classes - 1}, or ignore_index",
        )  # fmt: skip
    return xp.where(valid, labels, 0), valid


def _ref(
    xp: Any, logits: Any, labels: Any, *, ignore_index: int, label_smoothing: float
) -> tuple[Any, Any]:
    wide = widen(xp, logits)
    N, C = wide.shape
    safe, valid = _target(xp, labels, C, ignore_index)
    if N == 0:
        return xp.zeros((0,), logits.dtype), xp.zeros((0,), wide.dtype)
    top = wide.max(1, keepdims=True)
    lse = xp.log(xp.exp(wide - top).sum(1)) + top[:, 0]
    loss = lse - xp.take_along_axis(wide, safe[:, None], 1)[:, 0]
    if label_smoothing:
        loss = (1 - label_smoothing) * loss + label_smoothing * (lse - wide.mean(1))
    return xp.where(valid, loss, 0).astype(logits.dtype), lse


def _bwd_ref(
    xp: Any,
    g: Any,
    logits: Any,
    labels: Any,
    lse: Any,
    *,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    wide = widen(xp, logits)
    N, C = wide.shape
    safe, valid = _target(xp, labels, C, ignore_index)
    p = xp.exp(wide - lse[:, None]) - label_smoothing / max(C, 1)
    p[xp.arange(N), safe] -= 1 - label_smoothing
    return (p * xp.where(valid, g, 0)[:, None]).astype(logits.dtype)


def _vjp(
    g: Any,
    ys: Any,
    needs: Any,
    logits: Any,
    labels: Any,
    *,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Any, None]:
    N, C = logits.shape
    classes = arange(start=0, step=1, length=C, dtype=int64, device=device_of(g))
    column = reshape(cast(labels, dtype=int64), shape=(N, 1))
    hit = cast(equal(column, classes), dtype=logits.dtype)
    target = hit * (1 - label_smoothing) + label_smoothing / max(C, 1)
    counts = cast(not_equal(labels, labels * 0 + ignore_index), dtype=logits.dtype)
    return (exp(log_softmax(logits)) - target) * reshape(g * counts, shape=(N, 1)), None


cross_entropy_bwd: Row = row(
    "cross_entropy_bwd",
    _bwd_ref,
    like_second("cross_entropy_bwd"),
    kernel="cross_entropy_bwd",
    why="the fused backward of cross_entropy; its own rule differentiates to any order",
)
cross_entropy: Row = row(
    "cross_entropy",
    _ref,
    _rule,
    vjp=_vjp,
    joint=True,
    fused=lambda g, ys, needs, logits, labels, **o: (
        cross_entropy_bwd(g, logits, labels, ys[1], **o),
        None,
    ),
    saves=(0, 1, "y"),
    n_out=2,
    n_diff=1,
    kernel="cross_entropy",
)
