"""A linear layer and the cross-entropy of its logits, in one module."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..errors import NotSupportedError
from . import functional as F
from ._layer import positive
from ._linear import Linear
from ._loss import _Weighted


class LinearCrossEntropyLoss(_Weighted):
    """The cross-entropy of the logits that `linear` gives: x (N, in_features), labels (N,) or (N,
    *out_features).

    `options`, which split PyTorch's computation into chunks, must be None.

    >>> import gpudl as gd
    >>> gd.nn.LinearCrossEntropyLoss(3, 4)(gd.ones(2, 3), gd.tensor([0, 3])).shape
    ()
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        op = "LinearCrossEntropyLoss"
        if options is not None:
            raise NotSupportedError(op, "options are not there", remedy="options=None")
        self.num_classes = positive(op, "num_classes", num_classes)
        self.out_features = shapes.as_shape(op, out_features)
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, None
        rows = shapes.count(op, (self.num_classes, *self.out_features), 8)
        self.linear = Linear(in_features, rows, bias, device, dtype)

    def forward(self, input: Any, target: Any) -> Any:
        lead = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*lead, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(lead),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
