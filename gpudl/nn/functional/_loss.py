"""Losses of classification: cross-entropy and its kin."""

from __future__ import annotations

from typing import Any

from ... import shapes
from ..._namespace.convert import cast
from ...dtypes import int64, kind
from ...errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)
from ...ops import elementwise as ew
from ...ops import loss as ops
from ...ops.shape import expand, gather_axis, permute, reshape
from ._activation import log_softmax
from ._check import (
    bad_reduction,
    common,
    constant,
    number,
    real_float,
    reduced,
    same_dtype,
    same_shape,
    tensor,
)
from ._linear import linear


def _classes_last(op: str, x: Any) -> Any:
    """(N, C, *d) as (M, C), or (C,) as (1, C)."""
    if x.ndim == 0:
        raise ShapeError(op, "needs (N, C, ...) or (C,)", input=x)
    if x.ndim > 2:
        x = permute(x, axes=(0, *range(2, x.ndim), 1))
    rows = shapes.count(op, x.shape[:-1])
    return x if x.ndim == 2 else reshape(x, shape=(rows, x.shape[-1]))


def _labels(op: str, x: Any, target: Any) -> Any:
    """Labels for `x` (N, C, *d), which are (N, *d), flattened; and their shape."""
    wanted = (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    if kind(target.data.dtype) != 1:
        raise ArgumentTypeError(
            op, f"labels of dtype {target.dtype.name}", remedy="integers", input=x, target=target
        )
    if target.shape != wanted:
        raise ShapeError(op, f"labels for this input are {wanted}", input=x, target=target)
    return reshape(target, shape=(shapes.count(op, wanted),))


def _class_weight(op: str, x: Any, weight: Any, classes: int) -> None:
    if weight is not None:
        same_dtype(op, x, weight=tensor(op, weight, "weight"))
        if weight.shape != (classes,):
            raise ShapeError(
                op, f"weight is ({classes},), one entry per class", input=x, weight=weight
            )


def _picked_weights(
    op: str, x: Any, labels: Any, weight: Any, ignore_index: int
) -> tuple[Any, Any]:
    """Labels safe to index with, and each row's weight, 0 where the label is `ignore_index`."""
    classes = x.shape[1]
    counts = labels != shapes.as_int(op, "ignore_index", ignore_index)
    safe = cast(ew.where(counts, labels, labels * 0), int64)
    if safe.data.size and (bool((safe < 0).any()) or bool((safe >= classes).any())):
        raise IndexRangeError(
            op,
            f"a label outside 0 .. {classes - 1}",
            remedy=f"labels for {classes} classes, or ignore_index",
        )
    counted = cast(counts, x.dtype)
    return safe, counted if weight is None else counted * gather_axis(weight, safe, axis=0)


def _over(op: str, total: Any, weights: Any) -> Any:
    """A mean over rows that count. Of none it is NaN, as in PyTorch, and its gradient zero: a batch
    without labels leaves the parameters as they are."""
    empty = weights == 0
    mean = total / ew.where(empty, constant(op, weights, 1), weights)
    return ew.where(empty, constant(op, mean, float("nan")), mean)


def _gathered_mean(op: str, loss: Any, weights: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """The reductions of losses per row: the mean divides by the weights."""
    if reduction == "none":
        return reshape(loss, shape=shape)
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return _over(op, loss.sum(), weights.sum())
    raise bad_reduction(op, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """-input[i, target[i]] of log-probabilities (N, C, *d), or (C,), with labels (N, *d); the mean
    is weighted."""
    op = "nll_loss"
    refuse(op, size_average, reduce)
    x, t = real_float(op, input), tensor(op, target, "target")
    labels = _labels(op, x, t)
    rows = _classes_last(op, x)
    _class_weight(op, x, weight, rows.shape[1])
    safe, weights = _picked_weights(op, rows, labels, weight, ignore_index)
    picked = reshape(gather_axis(rows, expand(safe, axis=(1,)), axis=1), shape=safe.shape)
    # A log-probability of -inf under weight 0 is no loss.
    loss = ew.where(weights == 0, constant(op, picked, 0), -picked * weights)
    return _gathered_mean(op, loss, weights, reduction, t.shape)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The cross-entropy of logits (N, C, *d), or (C,), with labels (N, *d), or with probabilities
    of the logits' shape.

    With labels the mean divides by the weights of the rows that count; with probabilities by the
    number of rows.
    """
    op = "cross_entropy"
    refuse(op, size_average, reduce)
    x, t = real_float(op, input), tensor(op, target, "target")
    smoothing = number(op, "label_smoothing", label_smoothing)
    if not 0 <= smoothing <= 1:
        raise ArgumentError(op, f"label_smoothing is {label_smoothing}", remedy="from 0 to 1")
    if kind(t.data.dtype) == 2:
        return _with_probabilities(op, x, t, weight, reduction, smoothing)
    labels = _labels(op, x, t)
    rows = _classes_last(op, x)
    _class_weight(op, x, weight, rows.shape[1])
    if weight is not None:
        return _weighted(op, rows, labels, weight, ignore_index, reduction, smoothing, t.shape)
    loss, _ = ops.cross_entropy(rows, labels, ignore_index=ignore_index, label_smoothing=smoothing)
    if reduction == "mean":
        return _over(op, loss.sum(), cast(labels != ignore_index, loss.dtype).sum())
    return _gathered_mean(op, loss, None, reduction, t.shape)


def _weighted(
    op: str,
    rows: Any,
    labels: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    shape: Any,
) -> Any:
    logp = log_softmax(rows, 1)
    safe, weights = _picked_weights(op, rows, labels, weight, ignore_index)
    loss = -reshape(gather_axis(logp, expand(safe, axis=(1,)), axis=1), shape=safe.shape) * weights
    if smoothing:
        spread = -(logp * weight).sum(axis=1) * cast(labels != ignore_index, logp.dtype)
        loss = loss * (1 - smoothing) + spread * (smoothing / rows.shape[1])
    return _gathered_mean(op, loss, weights, reduction, shape)


def _with_probabilities(
    op: str, x: Any, target: Any, weight: Any, reduction: str, smoothing: float
) -> Any:
    if x.shape != target.shape:
        raise ShapeError(
            op,
            "a floating target holds probabilities, in the shape of the input",
            remedy="class indices are integers: target.astype(gd.int64)",
            input=x,
            target=target,
        )
    same_dtype(op, x, target=target)
    logp, p = log_softmax(_classes_last(op, x), 1), _classes_last(op, target)
    classes = logp.shape[1]
    _class_weight(op, x, weight, classes)
    if smoothing:
        p = p * (1 - smoothing) + smoothing / classes
    terms = logp * p
    loss = -(terms if weight is None else terms * weight).sum(axis=1)
    if reduction == "mean":
        return loss.sum() / loss.shape[0]
    return _gathered_mean(
        op, loss, None, reduction, (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    )


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Any:
    """`cross_entropy` of the logits input @ linear_weight.T + linear_bias: input (N, K) or (K,),
    linear_weight (C, K) or (C, *d, K).

    `options`, which split PyTorch's computation into chunks, must be None.

    >>> import gpudl as gd
    >>> x, w = gd.ones(2, 3), gd.zeros(4, 3)
    >>> round(gd.nn.functional.linear_cross_entropy(x, w, gd.tensor([0, 3])).item(), 4)
    1.3863
    """
    op = "linear_cross_entropy"
    if options is not None:
        raise NotSupportedError(op, "options are not there", remedy="options=None")
    x, w = tensor(op, input), tensor(op, linear_weight, "linear_weight")
    if x.ndim not in (1, 2) or w.ndim < 2 or (w.ndim > 2 and x.ndim == 1):
        raise ShapeError(
            op, "input is (N, K) or (K,), linear_weight (C, K) or, for (N, K), (C, *d, K)",
            input=x, linear_weight=w,
        )  # fmt: skip
    rows = shapes.count(op, w.shape[:-1])
    bias = None
    if linear_bias is not None:
        bias = tensor(op, linear_bias, "linear_bias")
        if bias.shape != w.shape[:-1]:
            raise ShapeError(op, f"linear_bias is {w.shape[:-1]}", linear_bias=bias)
        bias = reshape(bias, shape=(rows,))
    logits = linear(x, reshape(w, shape=(rows, w.shape[-1])), bias)
    logits = reshape(logits, shape=(*x.shape[:-1], *w.shape[:-1]))
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def refuse(op: str, size_average: Any, reduce: Any) -> None:
    if size_average is not None or reduce is not None:
        raise ArgumentError(
            op, "size_average and reduce are not there", remedy='reduction="mean", "sum" or "none"'
        )


# ----- two classes -----
# PyTorch's bound of the logarithms in binary_cross_entropy; exp(-100) itself is a float32
# (denormal).
_LOG_FLOOR, _EXP_FLOOR = -100.0, 3.783505853677006e-44


def _bounded_log(op: str, x: Any) -> Any:
    tiny = x <= _EXP_FLOOR
    one, floor = constant(op, x, 1), constant(op, x, _LOG_FLOOR)
    return ew.where(tiny, floor, ew.log(ew.where(tiny, one, x)))


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """-(t log x + (1 - t) log(1 - x)) of probabilities; logarithms end at -100, beyond which there
    is no gradient."""
    op = "binary_cross_entropy"
    refuse(op, size_average, reduce)
    x, t = common(op, real_float(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    if x.data.size and not bool(((x >= 0) & (x <= 1)).all()):
        raise ArgumentError(
            op, "probabilities outside [0, 1]", remedy="binary_cross_entropy_with_logits", input=x
        )
    loss = -(t * _bounded_log(op, x) + (1 - t) * _bounded_log(op, 1 - x))
    return reduced(op, _rescaled(op, loss, weight), reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of sigmoid(x), without overflow; `pos_weight` scales the positive
    term."""
    op = "binary_cross_entropy_with_logits"
    refuse(op, size_average, reduce)
    x, t = common(op, real_float(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    soft = ew.logaddexp(-x, constant(op, x, 0))  # -log sigmoid(x)
    if pos_weight is not None:
        same_dtype(op, x, pos_weight=tensor(op, pos_weight, "pos_weight"))
        soft = soft * (t * (pos_weight - 1) + 1)
    loss = (1 - t) * x + soft
    if loss.shape != x.shape:
        raise ShapeError(
            op, "pos_weight does not broadcast to the input", input=x, pos_weight=pos_weight
        )
    return reduced(op, _rescaled(op, loss, weight), reduction)


def _rescaled(op: str, loss: Any, weight: Any) -> Any:
    if weight is None:
        return loss
    same_dtype(op, loss, weight=tensor(op, weight, "weight"))
    out = loss * weight
    if out.shape != loss.shape:
        raise ShapeError(op, "weight does not broadcast to the loss", loss=loss, weight=weight)
    return out
