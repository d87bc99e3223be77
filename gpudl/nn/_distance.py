"""Distances of vectors, as layers."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._module import Module


class CosineSimilarity(Module):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`.

    >>> import gpudl as gd
    >>> y = gd.nn.CosineSimilarity()(gd.tensor([[3.0, 4.0]]), gd.tensor([[4.0, 3.0]]))
    >>> round(y.item(), 4)
    0.96
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last axis.

    >>> import gpudl as gd
    >>> gd.nn.PairwiseDistance(eps=0.0)(gd.zeros(1, 2), gd.tensor([[3.0, 4.0]])).tolist()
    [5.0]
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, bool(keepdim)

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
