"""Normalization by the response of neighbouring channels."""

from __future__ import annotations

import math
from typing import Any

from ... import shapes
from ...errors import ShapeError
from ...ops import elementwise as ew
from ...ops.shape import reshape
from ._check import number, real_float
from ._pad import pad
from ._pool import avg_pool2d


def _window_mean(op: str, x: Any, before: int, after: int) -> Any:
    """The mean of `before` channels before each channel, itself and `after` ones; 0 outside."""
    N, C = x.shape[:2]
    planes = reshape(x, shape=(N, 1, C, math.prod(x.shape[2:])))
    padded = pad(planes, (0, 0, before, after))
    out = avg_pool2d(padded, (before + after + 1, 1), stride=1)
    return reshape(out, shape=x.shape)


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """(N, C, *S) divided by (k + alpha mean)^beta, with the mean of the squares of `size`
    neighbouring channels (zeros outside)."""
    op = "local_response_norm"
    x = real_float(op, input)
    if x.ndim < 3:
        raise ShapeError(op, "needs (N, C, *spatial) with one spatial axis or more", input=x)
    n = shapes.pair(op, "size", size, 1, low=1)[0]
    return _by_response(op, x, n // 2, (n - 1) // 2, alpha, beta, k)


def _by_response(
    op: str, x: Any, before: int, after: int, alpha: float, beta: float, k: float
) -> Any:
    alpha, beta, k = (
        number(op, name, value) for name, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    if x.data.size == 0:
        return x
    return x / (_window_mean(op, ew.square(x), before, after) * alpha + k) ** beta


def cross_map_response_norm(input: Any, size: int, alpha: float, beta: float, k: float) -> Any:
    """What the layer `CrossMapLRN2d` computes; PyTorch has no function for it either."""
    op = "CrossMapLRN2d"
    x = real_float(op, input)
    if x.ndim != 4:
        raise ShapeError(op, "needs (N, C, H, W)", input=x)
    n = shapes.pair(op, "size", size, 1, low=1)[0]
    half = (n - 1) // 2
    # The sum of the window is divided by `size`, also where that is even and the window is odd.
    share = number(op, "alpha", alpha) * (2 * half + 1) / n
    return _by_response(op, x, half, half, share, beta, k)
