"""Metrics of classification, from labels."""

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
