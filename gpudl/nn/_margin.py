"""Losses of classification by margins, as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..checks import function
from ..errors import ArgumentError
from . import functional as F
from ._loss import _Loss, _Weighted
from .functional._check import number


class MultiMarginLoss(_Weighted):
    """The mean over the wrong classes c of max(0, margin - x[label] + x[c])^p; x (N, C), labels
    (N,), p 1 or 2.

    >>> import gpudl as gd
    >>> gd.nn.MultiMarginLoss()(gd.tensor([[0.5, 0.0, 1.0, 0.5]]), gd.tensor([2])).item()
    0.25
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ArgumentError("MultiMarginLoss", f"p is {p}", remedy="1 or 2")
        self.p, self.margin = p, number("MultiMarginLoss", "margin", margin)

    def forward(self, input: Any, target: Any) -> Any:
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """The sum over labels l and classes c that are none of max(0, 1 - x[l] + x[c]) / C; the labels
    of a row are those before its first -1.

    >>> import gpudl as gd
    >>> x, t = gd.tensor([[0.0, 0.5, 1.0, 0.5]]), gd.tensor([[2, 1, -1, 0]])
    >>> gd.nn.MultiLabelMarginLoss()(x, t).item()
    0.5
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_Weighted):
    """The mean over classes of -(t log sigmoid(x) + (1 - t) log sigmoid(-x)), times `weight`.

    >>> import gpudl as gd
    >>> round(gd.nn.MultiLabelSoftMarginLoss()(gd.zeros(1, 3), gd.ones(1, 3)).item(), 4)
    0.6931
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-t x)) with t 1 or -1.

    >>> import gpudl as gd
    >>> round(gd.nn.SoftMarginLoss()(gd.zeros(2), gd.ones(2)).item(), 4)
    0.6931
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(a, p) - d(a, n) + margin) for any distance d, by default `pairwise_distance`.

    >>> import gpudl as gd
    >>> loss = gd.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).sum())
    >>> loss(gd.zeros(1, 2), gd.zeros(1, 2), gd.ones(1, 2)).item()
    3.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        op = type(self).__name__
        if distance_function is not None:
            function(op, "distance_function", distance_function)
        self.distance_function = distance_function or F.pairwise_distance
        self.margin, self.swap = number(op, "margin", margin), bool(swap)
        if self.margin <= 0:
            raise ArgumentError(op, f"margin is {margin}", remedy="a positive number")

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
