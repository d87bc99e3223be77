"""Connectionist temporal classification: the loss of a row of labels whose times are unknown.

Source: Graves et al., ICML 2006. The sum over all alignments is a recursion in logarithms over
time, made of rows of the table, so that its gradient is exact and can be differentiated again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import shapes
from ..._namespace.convert import cast, host_array
from ...autograd import Variable
from ...dtypes import float32
from ...errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from ...ops import elementwise as ew
from ...ops.shape import gather_axis, pad, reshape
from ._check import bad_reduction, constant, on_host, placed, real_float, tensor

# The logarithm of nothing. A finite one, since -inf - -inf in a gradient would be NaN.
_NEVER = -1e30
Array = np.ndarray[Any, Any]


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-log p(targets | log_probs), summed over all alignments.

    `log_probs` (T, N, C), or (T, C), holds logarithms of probabilities, as `log_softmax` gives
    them. `targets` (N, S), padded, or one after the other (sum of lengths,), holds labels other
    than `blank`; the lengths (N,), or (), say what counts. "mean" divides each loss by its target
    length first. Targets too long for their input cost infinity, with no gradient; `zero_infinity`
    makes that 0.

    The gradient is the derivative of the loss; PyTorch's is that behind `log_softmax`, whose
    results differ by exp(log_probs) on the way and agree for the logits.

    >>> import gpudl as gd
    >>> logp = gd.nn.functional.log_softmax(gd.zeros(2, 1, 3), -1)
    >>> loss = gd.nn.functional.ctc_loss(logp, gd.tensor([[1]]), [2], [1])
    >>> round(loss.item(), 4)  # three alignments of 9: (1, 1), (1, blank), (blank, 1)
    1.0986
    """
    op = "ctc_loss"
    x = real_float(op, log_probs, "log_probs")
    if x.ndim not in (2, 3):
        raise ShapeError(op, "log_probs is (T, N, C) or (T, C)", log_probs=x)
    if reduction not in ("none", "mean", "sum"):
        raise bad_reduction(op, reduction)
    alone = x.ndim == 2
    if alone:
        x = reshape(x, shape=(x.shape[0], 1, x.shape[1]))
    T, N, C = x.shape
    at = shapes.as_int(op, "blank", blank)
    if not 0 <= at < C:
        raise IndexRangeError(op, f"blank {at} of {C} classes", log_probs=x)
    times = _lengths(op, "input_lengths", input_lengths, N, T)
    labels, sizes = _labels(op, targets, target_lengths, N)
    _check_labels(op, labels, sizes, at, C)
    wide = cast(x, float32) if x.dtype.itemsize < 4 else x
    loss = cast(_negative_log(op, wide, labels, times, sizes, at), x.dtype)
    if zero_infinity:
        loss = ew.where(ew.isinf(loss), constant(op, loss, 0), loss)
    if reduction == "none":
        return reshape(loss, shape=()) if alone else loss
    if reduction == "sum":
        return loss.sum()
    return (loss / placed(np.maximum(sizes, 1).astype(x.dtype), loss)).mean()


# ----- what is given -----
def _host(op: str, name: str, value: Any) -> Array:
    """Integers given as a tensor, a sequence or a number, on the host."""
    array = on_host(value) if isinstance(value, Variable) else host_array(op, value)
    if not array.size:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(op, f"{name} holds {array.dtype}", remedy="integers")
    return array.astype(np.int64)


def _lengths(op: str, name: str, value: Any, n: int, most: int) -> Array:
    lengths = _host(op, name, value).reshape(-1)
    if lengths.shape != (n,):
        raise ShapeError(op, f"{name} has {lengths.size} entries for a batch of {n}")
    if n and not (lengths.min() >= 0 and lengths.max() <= most):
        raise ArgumentError(op, f"{name} from {lengths.min()} to {lengths.max()}, of {most}")
    return lengths


def _labels(op: str, targets: Any, target_lengths: Any, n: int) -> tuple[Array, Array]:
    """Labels (N, S) with S the longest target, and the lengths."""
    given = _host(op, "targets", tensor(op, targets, "targets"))
    if given.ndim > 2 or (given.ndim == 2 and given.shape[0] != n):
        raise ShapeError(op, f"targets is ({n}, S), or all labels in one row", targets=given)
    most = given.shape[-1] if given.ndim else 1
    sizes = _lengths(op, "target_lengths", target_lengths, n, most)
    longest = int(sizes.max()) if n else 0
    if given.ndim == 2:
        return given[:, :longest], sizes
    flat = given.reshape(-1)
    if sizes.sum() > flat.size:
        raise ShapeError(op, f"{flat.size} labels for lengths that sum to {sizes.sum()}")
    labels = np.zeros((n, longest), np.int64)
    ends = np.cumsum(sizes)
    for row, end, size in zip(labels, ends, sizes, strict=True):
        row[:size] = flat[end - size : end]
    return labels, sizes


def _check_labels(op: str, labels: Array, sizes: Array, blank: int, classes: int) -> None:
    used = labels[np.arange(labels.shape[1]) < sizes[:, None]]
    if used.size and not (used.min() >= 0 and used.max() < classes):
        raise IndexRangeError(
            op, f"labels from {used.min()} to {used.max()}", remedy=f"from 0 to {classes - 1}"
        )
    if (used == blank).any():
        raise ArgumentError(op, f"the blank, {blank}, is a label", remedy="another blank=...")


# ----- the recursion -----
def _negative_log(op: str, x: Any, labels: Array, times: Array, sizes: Array, blank: int) -> Any:
    """(N,) the loss: alpha over the labels with blanks between them, (N, 2 S + 1)."""
    T, N = x.shape[:2]
    states = 2 * labels.shape[1] + 1
    path = np.full((N, states), blank, np.int64)
    path[:, 1::2] = np.where(np.arange(labels.shape[1]) < sizes[:, None], labels, blank)
    # A blank may be passed over between two labels that differ.
    skips = np.zeros((N, states), bool)
    skips[:, 2:] = (path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])
    shapes.count(op, (T, N, states), 8)
    never = constant(op, x, _NEVER)
    # Before the first step only the state in front of the path has been reached.
    started = np.full((N, states), _NEVER)
    started[:, :1] = 0.0
    alpha = placed(started.astype(x.dtype), x)
    may_skip = placed(skips, x)
    emitted = gather_axis(x, placed(path[None], x), axis=2) if T else x
    emitted = ew.maximum(emitted, never)
    for t in range(int(times.max()) if N else 0):
        if t == 0:
            first = np.arange(states) < 2
            step = ew.where(placed(first, x), emitted[0], never)
        else:
            one = pad(alpha[:, :-1], width=((0, 0), (1, 0)), value=_NEVER)
            step = ew.logaddexp(alpha, one)
            if states > 2:
                two = pad(alpha[:, :-2], width=((0, 0), (2, 0)), value=_NEVER)
                step = ew.logaddexp(step, ew.where(may_skip, two, never))
            step = step + emitted[t]
        running = t < times
        alpha = step if running.all() else ew.where(placed(running[:, None], x), step, alpha)
    return _ended(op, alpha, sizes, never)


def _ended(op: str, alpha: Any, sizes: Array, never: Any) -> Any:
    """-log of the paths that end in the last label or in the blank behind it."""
    N = len(sizes)
    ends = placed((2 * sizes)[:, None], alpha)
    blank = gather_axis(alpha, ends, axis=1)
    label = gather_axis(alpha, placed(np.maximum(2 * sizes - 1, 0)[:, None], alpha), axis=1)
    label = ew.where(placed((sizes > 0)[:, None], alpha), label, never)
    total = reshape(ew.logaddexp(blank, label), shape=(N,))
    return ew.where(total < _NEVER / 2, constant(op, total, float("inf")), -total)
