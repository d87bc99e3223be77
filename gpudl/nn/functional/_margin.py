"""Losses that compare examples: margins, hinges, triplets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._namespace.manipulation import broadcast_arrays
from ...checks import function
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops.reduce import sum_
from ._check import clamp_min, common, constant, number, reduced, same_shape, tensor
from ._linear import pairwise_distance
from ._loss import refuse

_COSINE_EPS = 1e-12  # PyTorch's, added to the squared norms


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1; x (N, D) or
    (D,), target (N,) or ()."""
    op = "cosine_embedding_loss"
    refuse(op, size_average, reduce)
    a, b, t = common(
        op, tensor(op, input1, "input1"), tensor(op, input2, "input2"), tensor(op, target, "target")
    )
    same_shape(op, input1=a, input2=b)
    if a.ndim not in (1, 2) or t.shape != a.shape[:-1]:
        raise ShapeError(
            op, "inputs are (N, D) and target (N,), or (D,) and ()", input1=a, input2=b, target=t
        )
    at = (a.ndim - 1,)
    dot = sum_(a * b, axis=at, keepdims=False)
    na, nb = (sum_(ew.square(x), axis=at, keepdims=False) + _COSINE_EPS for x in (a, b))
    cosine = dot / ew.sqrt(na * nb)
    zero = constant(op, cosine, 0)
    apart = clamp_min(op, cosine - number(op, "margin", margin), 0)
    loss = ew.where(t == 1, 1 - cosine, zero) + ew.where(t == -1, apart, zero)
    return reduced(op, loss, reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, -target (x1 - x2) + margin)."""
    op = "margin_ranking_loss"
    refuse(op, size_average, reduce)
    a, b, t = common(
        op, tensor(op, input1, "input1"), tensor(op, input2, "input2"), tensor(op, target, "target")
    )
    same_shape(op, input1=a, input2=b, target=t)
    return reduced(op, clamp_min(op, t * (b - a) + number(op, "margin", margin), 0), reduction)


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """x where target is 1, max(0, margin - x) where it is -1."""
    op = "hinge_embedding_loss"
    refuse(op, size_average, reduce)
    x, t = common(op, tensor(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    zero = constant(op, x, 0)
    apart = clamp_min(op, number(op, "margin", margin) - x, 0)
    loss = ew.where(t != -1, x, zero) + ew.where(t != 1, apart, zero)
    return reduced(op, loss, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, |a - p| - |a - n| + margin); with `swap` the negative distance is the smaller of those
    to a and to p."""
    op = "triplet_margin_loss"
    refuse(op, size_average, reduce)
    a, q, n = common(
        op,
        tensor(op, anchor, "anchor"),
        tensor(op, positive, "positive"),
        tensor(op, negative, "negative"),
    )
    if not a.ndim == q.ndim == n.ndim:
        raise ShapeError(op, "the inputs differ in rank", anchor=a, positive=q, negative=n)
    a, q, n = broadcast_arrays(a, q, n)
    near, far = pairwise_distance(a, q, p, eps), pairwise_distance(a, n, p, eps)
    if swap:
        far = ew.minimum(far, pairwise_distance(q, n, p, eps))
    return reduced(op, clamp_min(op, near - far + number(op, "margin", margin), 0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """max(0, d(a, p) - d(a, n) + margin) for any distance d, by default `pairwise_distance`; with
    `swap` d(a, n) is the smaller of that and d(p, n).

    >>> import gpudl as gd
    >>> a, far = gd.zeros(1, 2), gd.ones(1, 2)
    >>> F = gd.nn.functional
    >>> F.triplet_margin_with_distance_loss(
    ...     a, a, far, distance_function=lambda x, y: abs(x - y).sum(axis=1), margin=5.0
    ... ).item()
    3.0
    """
    op = "triplet_margin_with_distance_loss"
    a, q, n = common(
        op,
        tensor(op, anchor, "anchor"),
        tensor(op, positive, "positive"),
        tensor(op, negative, "negative"),
    )
    if not a.ndim == q.ndim == n.ndim:
        raise ShapeError(op, "the inputs differ in rank", anchor=a, positive=q, negative=n)
    width = number(op, "margin", margin)
    if width <= 0:
        raise ArgumentError(op, f"margin is {margin}", remedy="a positive number")
    distance = (
        pairwise_distance
        if distance_function is None
        else function(op, "distance_function", distance_function)
    )

    def measured(x: Any, y: Any) -> Any:
        return tensor(op, distance(x, y), "the distance")

    near, far = measured(a, q), measured(a, n)
    if swap:
        far = ew.minimum(far, measured(q, n))
    return reduced(op, clamp_min(op, near - far + width, 0), reduction)
