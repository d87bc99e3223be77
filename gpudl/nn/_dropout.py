"""Dropout layers. They act in training mode only."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from . import functional as F
from ._module import Module
from .functional._check import number


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        p = number(type(self).__name__, "p", p)
        if not 0 <= p <= 1:
            raise ArgumentError(type(self).__name__, f"p is {p}", remedy="from 0 to 1")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Each element zero with probability `p`, the others scaled by 1 / (1 - p). Source: Srivastava
    et al., JMLR 2014.

    >>> import gpudl as gd
    >>> gd.nn.Dropout(0.5).eval()(gd.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """Whole channels of (N, C, L) zero with probability `p`, the others scaled by 1 / (1 - p).

    >>> import gpudl as gd
    >>> gd.nn.Dropout1d(0.2)(gd.ones(2, 3, 8)).shape
    (2, 3, 8)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """Whole channels of (N, C, H, W) zero with probability `p`, the others scaled by 1 / (1 - p).

    >>> import gpudl as gd
    >>> gd.nn.Dropout2d(0.2)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 8, 8)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """Whole channels of (N, C, D, H, W) zero with probability `p`, the others scaled by 1 / (1 -
    p).

    >>> import gpudl as gd
    >>> gd.nn.Dropout3d(0.2)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 4, 4, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """Dropout for SELU networks: mean 0 and variance 1 stay. Source: Klambauer et al., NeurIPS
    2017.

    >>> import gpudl as gd
    >>> gd.nn.AlphaDropout(0.2)(gd.ones(2, 3)).shape
    (2, 3)
    """

    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of (N, C, *S).

    >>> import gpudl as gd
    >>> gd.nn.FeatureAlphaDropout(0.2)(gd.ones(2, 3, 8)).shape
    (2, 3, 8)
    """

    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
