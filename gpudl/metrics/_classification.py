"""Metrics of classification: of predicted labels, and of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._namespace.creation import asarray
from ..devices import allocating
from ..dtypes import kind
from ..errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from ..shapes import as_int, count
from ..tensor import Tensor

Array = np.ndarray[Any, Any]


def _labels(op: str, name: str, x: Any) -> Array:
    tensor = asarray(x)
    if kind(tensor.dtype) != 1:
        raise DTypeError(op, f"{name} are integers", remedy="logits.argmax(axis=1)", **{name: x})
    return np.asarray(tensor.cpu().data)


def _pair(op: str, predictions: Any, labels: Any) -> tuple[Array, Array]:
    a, b = _labels(op, "predictions", predictions), _labels(op, "labels", labels)
    if a.shape != b.shape:
        raise ShapeError(
            op, "predictions and labels differ in shape", predictions=predictions, labels=labels
        )
    return a, b


def _scores(op: str, name: str, x: Any) -> Array:
    """Real scores in float64; NaN has no rank."""
    tensor = asarray(x)
    if kind(tensor.dtype) > 2:
        raise DTypeError(op, f"{name} are real", **{name: x})
    with allocating(op, tensor.shape, np.dtype(np.float64)):
        scores = np.asarray(tensor.cpu().data).astype(np.float64)
    if np.isnan(scores).any():
        raise ArgumentError(op, f"some {name} are NaN", **{name: x})
    return scores


def accuracy(predictions: Any, labels: Any) -> float:
    """The share of `predictions` that equal `labels`, integers of one shape.

    Raises `ArgumentError` for none at all, `ShapeError` or `DTypeError` for others.

    >>> import gpudl as gd
    >>> gd.metrics.accuracy(gd.asarray([1, 2, 3, 4]), gd.asarray([1, 2, 0, 4]))
    0.75
    """
    a, b = _pair("accuracy", predictions, labels)
    if not a.size:
        raise ArgumentError("accuracy", "there are no predictions")
    return float(np.mean(a == b))


def confusion_matrix(predictions: Any, labels: Any, classes: int) -> Tensor:
    """Counts, int64 (classes, classes): row = label, column = prediction.

    `predictions` and `labels` are integers of one shape from 0 to `classes - 1`; others raise
    `IndexRangeError`.

    >>> import gpudl as gd
    >>> gd.metrics.confusion_matrix(gd.asarray([0, 1, 1]), gd.asarray([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    op = "confusion_matrix"
    n = as_int(op, "classes", classes)
    if n < 1:
        raise ArgumentError(op, f"classes is {n}", remedy="at least 1")
    a, b = _pair(op, predictions, labels)
    for name, x in (("prediction", a), ("label", b)):
        if x.size and not 0 <= int(x.min()) <= int(x.max()) < n:
            raise IndexRangeError(op, f"a {name} is outside 0..{n - 1}")
    count(op, (n, n), 8)
    with allocating(op, (n, n), np.dtype(np.int64)):
        counts = np.bincount((b.astype(np.int64) * n + a.astype(np.int64)).ravel(), minlength=n * n)
    return asarray(counts.reshape(n, n).astype(np.int64, copy=False))


def top_k_accuracy(scores: Any, labels: Any, k: int = 5) -> float:
    """The share of rows of `scores`, real (N, C), whose label, integer (N,), is among the `k`
    highest. Of equal scores the first ones count as higher.

    Raises `ArgumentError` for no rows, for NaN and for a `k` outside 1..C, `IndexRangeError` for a
    label outside 0..C-1, `ShapeError` or `DTypeError` for others.

    >>> import gpudl as gd
    >>> scores = gd.asarray([[0.1, 0.5, 0.4], [0.6, 0.3, 0.1]])
    >>> gd.metrics.top_k_accuracy(scores, gd.asarray([2, 2]), k=2)
    0.5
    """
    op = "top_k_accuracy"
    x, b = _scores(op, "scores", scores), _labels(op, "labels", labels)
    if x.ndim != 2 or b.shape != x.shape[:1]:
        raise ShapeError(op, "needs scores (N, C) and labels (N,)", scores=scores, labels=labels)
    n, classes = x.shape
    if not n:
        raise ArgumentError(op, "there are no scores")
    if not 1 <= as_int(op, "k", k) <= classes:
        raise ArgumentError(op, f"k is {k}", remedy=f"1 to {classes}", scores=scores)
    if not 0 <= int(b.min()) <= int(b.max()) < classes:
        raise IndexRangeError(op, f"a label is outside 0..{classes - 1}")
    own = x[np.arange(n), b][:, None]
    earlier = np.arange(classes) < b[:, None]
    higher = (x > own) | ((x == own) & earlier)
    return float(np.mean(higher.sum(axis=1) < k))


def f1_score(predictions: Any, labels: Any, classes: int, average: str | None = "macro") -> Any:
    """F1, the harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    `predictions`, `labels`: integers of one shape from 0 to `classes - 1`; `average`: `"macro"`,
    the mean over the classes that occur in either; `"micro"`, from the sums over the classes; None,
    a float64 tensor (classes,), 0 where a class does not occur. Raises as `confusion_matrix` does,
    and `ArgumentError` for none at all.

    >>> import gpudl as gd
    >>> predictions, labels = gd.asarray([0, 1, 1, 1]), gd.asarray([0, 0, 1, 1])
    >>> gd.metrics.f1_score(predictions, labels, 2, average=None).tolist()
    [0.6666666666666666, 0.8]
    >>> gd.metrics.f1_score(predictions, labels, 2, average="micro")
    0.75
    """
    op = "f1_score"
    if average not in ("macro", "micro", None):
        raise ArgumentError(op, f"average is {average!r:.60}", remedy="'macro', 'micro' or None")
    counts = np.asarray(confusion_matrix(predictions, labels, classes).data)
    if not counts.sum():
        raise ArgumentError(op, "there are no predictions")
    hits = np.diag(counts).astype(np.float64)
    both = (counts.sum(axis=0) + counts.sum(axis=1)).astype(np.float64)  # 2 TP + FP + FN
    if average == "micro":
        return float(2 * hits.sum() / both.sum())
    occurs = both > 0
    scores = np.divide(2 * hits, both, out=np.zeros_like(hits), where=occurs)
    return asarray(scores) if average is None else float(scores[occurs].mean())


def roc_auc(scores: Any, labels: Any) -> float:
    """The area under the ROC curve: how likely a positive has a higher score than a negative; a tie
    counts half.

    `scores`: real; `labels`: booleans, or integers 0 and 1, of the same shape. Raises
    `ArgumentError` for NaN, for other labels, and where positives or negatives are missing.

    >>> import gpudl as gd
    >>> gd.metrics.roc_auc(gd.asarray([0.1, 0.4, 0.4, 0.8]), gd.asarray([0, 0, 1, 1]))
    0.875
    """
    op = "roc_auc"
    x, tensor = _scores(op, "scores", scores), asarray(labels)
    if kind(tensor.dtype) > 1:
        raise DTypeError(op, "labels are booleans or integers", labels=labels)
    b = np.asarray(tensor.cpu().data)
    if x.shape != b.shape:
        raise ShapeError(op, "scores and labels differ in shape", scores=scores, labels=labels)
    if not np.isin(b, (0, 1)).all():
        raise ArgumentError(op, "a label is neither 0 nor 1", labels=labels)
    positive = b.ravel().astype(bool)
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        raise ArgumentError(op, f"{n} positives and {m} negatives", remedy="some of both")
    # Mann and Whitney: ranks from 1, equal scores share the mean of theirs.
    _, place, count_ = np.unique(x.ravel(), return_inverse=True, return_counts=True)
    last = np.cumsum(count_)
    ranks = (last - (count_ - 1) / 2)[place.ravel()]
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def perplexity(logits: Any, labels: Any, ignore_index: int = -100) -> float:
    """The exponential of the mean cross-entropy: as if the model chose among so many at random.

    `logits`: real (..., C), classes last; `labels`: integers (...) from 0 to C - 1, or
    `ignore_index`, which does not count. Raises `ArgumentError` where nothing counts or a logit is
    NaN, `IndexRangeError` for other labels, `ShapeError` or `DTypeError` for others.

    >>> import gpudl as gd
    >>> round(gd.metrics.perplexity(gd.zeros((2, 3, 7)), gd.asarray([[0, 1, 2], [3, 4, -100]])), 6)
    7.0
    """
    op = "perplexity"
    x, b = _scores(op, "logits", logits), _labels(op, "labels", labels)
    if not x.ndim or x.shape[:-1] != b.shape:
        raise ShapeError(op, "needs logits (..., C) and labels (...)", logits=logits, labels=labels)
    counted = b != as_int(op, "ignore_index", ignore_index)
    x, b = x[counted], b[counted]
    if not b.size:
        raise ArgumentError(op, "there are no labels that count", labels=labels)
    if not 0 <= int(b.min()) <= int(b.max()) < x.shape[-1]:
        raise IndexRangeError(op, f"a label is outside 0..{x.shape[-1] - 1}")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        top = x.max(axis=-1)
        total = top + np.log(np.exp(x - top[:, None]).sum(axis=-1))
        return float(np.exp(np.mean(total - x[np.arange(len(b)), b])))
