"""Losses as modules. `reduction` is "mean", "sum" or "none"; shapes must be equal, a loss never
broadcasts.

Losses of targets that PyTorch writes with `size_average` and `reduce` take these names too, and
refuse any value but None.
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._module import Module
from .functional._check import bad_reduction
from .functional._loss import refuse


class _Loss(Module):
    """A loss with a reduction; deprecated arguments of PyTorch must be None."""

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        refuse(type(self).__name__, size_average, reduce)
        if reduction not in ("mean", "sum", "none") and not (
            reduction == "batchmean" and isinstance(self, KLDivLoss)
        ):
            raise bad_reduction(type(self).__name__, reduction)
        self.reduction = reduction


class _Weighted(_Loss):
    """A loss with a tensor of weights, which is a buffer."""

    weight: Any

    def __init__(
        self,
        weight: Any = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# ----- classes -----
class CrossEntropyLoss(_Weighted):
    """Cross-entropy of logits (N, C, *d), or (C,), with labels (N, *d) or probabilities (N, C, *d).

    `weight` (C,) scales classes, rows labelled `ignore_index` do not count, `label_smoothing` mixes
    in the uniform distribution. Raises `IndexRangeError` for a label outside the classes.

    >>> import gpudl as gd
    >>> loss = gd.nn.CrossEntropyLoss()(gd.zeros(2, 4), gd.tensor([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Weighted):
    """The negative of the log-probability (N, C, *d) at each label (N, *d).

    >>> import gpudl as gd
    >>> logp = gd.nn.functional.log_softmax(gd.zeros(2, 4), 1)
    >>> round(gd.nn.NLLLoss()(logp, gd.tensor([0, 3])).item(), 4)
    1.3863
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class NLLLoss2d(NLLLoss):
    """`NLLLoss`, under the older name for images.

    >>> import gpudl as gd
    >>> gd.nn.NLLLoss2d()(gd.zeros(1, 2, 3, 3), gd.zeros(1, 3, 3, dtype=gd.int64)).item()
    0.0
    """


class BCELoss(_Weighted):
    """-(t log x + (1 - t) log(1 - x)) of probabilities x and targets t of one shape.

    >>> import gpudl as gd
    >>> round(gd.nn.BCELoss()(gd.tensor([0.5]), gd.tensor([1.0])).item(), 4)
    0.6931
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Weighted):
    """`BCELoss` of sigmoid(x), without overflow; `pos_weight` scales the positive targets.

    >>> import gpudl as gd
    >>> round(gd.nn.BCEWithLogitsLoss()(gd.tensor([0.0]), gd.tensor([1.0])).item(), 4)
    0.6931
    """

    pos_weight: Any

    def __init__(
        self,
        weight: Any = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


# ----- numbers -----
class MSELoss(_Loss):
    """(x - t)^2.

    >>> import gpudl as gd
    >>> gd.nn.MSELoss()(gd.tensor([1.0, 2.0]), gd.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x - t|.

    >>> import gpudl as gd
    >>> gd.nn.L1Loss()(gd.tensor([1.0, 2.0]), gd.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2.

    >>> import gpudl as gd
    >>> gd.nn.SmoothL1Loss()(gd.tensor([3.0]), gd.tensor([1.0])).item()
    1.5
    """

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """(x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2).

    >>> import gpudl as gd
    >>> gd.nn.HuberLoss(delta=2.0)(gd.tensor([4.0]), gd.tensor([1.0])).item()
    4.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(_Loss):
    """t (log t - x) of log-probabilities x; `reduction` may also be "batchmean", the divergence's
    definition.

    >>> import gpudl as gd
    >>> p = gd.tensor([[0.5, 0.5]])
    >>> gd.nn.KLDivLoss(reduction="batchmean")(p.log(), p).item()
    0.0
    """

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """exp(x) - t x where x is the logarithm of the rate; with `log_input=False` x - t log(x + eps).

    >>> import gpudl as gd
    >>> gd.nn.PoissonNLLLoss()(gd.tensor([0.0]), gd.tensor([2.0])).item()
    1.0
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Any, target: Any) -> Any:
        return F.poisson_nll_loss(
            input, target, self.log_input, self.full, None, self.eps, None, self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log var + (x - t)^2 / var) / 2 with var at least `eps`; `full` adds log(2 pi) / 2.

    >>> import gpudl as gd
    >>> one = gd.ones(1)
    >>> gd.nn.GaussianNLLLoss()(3 * one, one, one).item()
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


# ----- comparisons -----
class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1; x (N, D),
    target (N,).

    >>> import gpudl as gd
    >>> x = gd.tensor([[1.0, 0.0]])
    >>> gd.nn.CosineEmbeddingLoss()(x, -x, gd.tensor([1.0])).item()
    2.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """max(0, -target (x1 - x2) + margin), for targets 1 and -1.

    >>> import gpudl as gd
    >>> gd.nn.MarginRankingLoss()(gd.tensor([1.0]), gd.tensor([3.0]), gd.tensor([1.0])).item()
    2.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """x where target is 1, max(0, margin - x) where it is -1.

    >>> import gpudl as gd
    >>> gd.nn.HingeEmbeddingLoss()(gd.tensor([0.25]), gd.tensor([-1.0])).item()
    0.75
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, |a - p| - |a - n| + margin) for an anchor, a positive and a negative (N, D). Source:
    Balntas et al., 2016.

    >>> import gpudl as gd
    >>> a = gd.zeros(1, 2)
    >>> round(gd.nn.TripletMarginLoss()(a, a, a + 10).item(), 4)
    0.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            self.margin,
            self.p,
            self.eps,
            self.swap,
            reduction=self.reduction,
        )
