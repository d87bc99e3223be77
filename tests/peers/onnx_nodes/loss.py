"""ONNX's losses as calls of gpudl."""

from __future__ import annotations

from typing import Any

from gpudl.nn import functional as F


def nll_loss(
    x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    return F.nll_loss(x, target, weight, ignore_index=ignore_index, reduction=reduction)


def cross_entropy(
    x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    loss = F.cross_entropy(x, target, weight, ignore_index=ignore_index, reduction=reduction)
    return loss, F.log_softmax(x, 1)


OPS: dict[str, Any] = {
    "NegativeLogLikelihoodLoss": nll_loss,
    "SoftmaxCrossEntropyLoss": cross_entropy,
}
