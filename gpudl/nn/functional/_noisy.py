"""Activations with noise, and dropout that keeps mean and variance."""

from __future__ import annotations

from typing import Any

from ... import shapes
from ...dtypes import float32
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops import random as ops
from ...ops._philox import blocks_used, words_per_element
from ...ops.create import arange, device_of, full, zeros_like
from ...ops.reduce import argmax
from ...ops.shape import expand, reshape
from ...random import default_generator, uniform
from ._activation import SELU_ALPHA, SELU_SCALE, leaky_relu, softmax
from ._check import axis, constant, number, real_float
from ._dropout import probability


def _drawn(x: Any) -> Any:
    """Uniform numbers in [0, 1) of the shape, dtype and device of `x`."""
    return uniform(x.shape, dtype=x.dtype, device=x.device)


def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """x where positive, else slope x, the slope of each element drawn from [lower, upper) when
    `training`, else their mean. Source: Xu et al. 2015.

    >>> import gpudl as gd
    >>> gd.nn.functional.rrelu(gd.tensor([-8.0, 2.0]), 0.25, 0.75).tolist()
    [-4.0, 2.0]
    """
    op = "rrelu"
    x = real_float(op, input)
    low, high = number(op, "lower", lower), number(op, "upper", upper)
    if not low <= high < float("inf") or low == -float("inf"):
        raise ArgumentError(op, f"lower={lower}, upper={upper}", remedy="lower <= upper")
    if not training:
        return leaky_relu(x, (low + high) / 2)
    return ew.where(x > 0, x, x * (_drawn(x) * (high - low) + low))


def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """A differentiable sample of the categories along `dim`: softmax((logits + Gumbel noise) /
    tau).

    With `hard` the sample is one-hot, and its gradient that of the soft one. `eps` has no effect,
    as in PyTorch. Source: Jang et al., Maddison et al., ICLR 2017.

    >>> import gpudl as gd
    >>> sample = gd.nn.functional.gumbel_softmax(gd.zeros(4, 3), hard=True)
    >>> sample.sum(axis=1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    op = "gumbel_softmax"
    x, width = real_float(op, logits, "logits"), number(op, "tau", tau)
    if not width > 0:
        raise ArgumentError(op, f"tau is {tau}", remedy="a positive number")
    at = axis(op, dim, x)
    # 1 - u is in (0, 1], whose logarithm is finite; exactly 0 is as rare as 2^-24.
    noise = -ew.log(1 - _drawn(x))
    tiny = constant(op, x, 2.0**-24)
    soft = softmax((x - ew.log(ew.maximum(noise, tiny))) * (1 / width), at)
    if not hard:
        return soft
    if not x.ndim:
        return soft
    best = expand(argmax(soft.detach(), axis=at), axis=(at,))
    side = tuple(x.shape[at] if i == at else 1 for i in range(x.ndim))
    classes = arange(start=0, step=1, length=x.shape[at], dtype=best.dtype, device=device_of(x))
    one_hot = (reshape(classes, shape=side) == best).astype(x.dtype)
    return one_hot - soft.detach() + soft


# ----- alpha dropout -----
def _alpha_dropout(op: str, x: Any, p: float, training: bool, shape: tuple[int, ...]) -> Any:
    """Dropped elements take the value that selu saturates at; then mean 0 and variance 1 are
    restored."""
    if not training or p == 0 or not x.data.size:
        return x
    if p == 1:
        return x * zeros_like(x, (1,) * x.ndim)
    n = shapes.count(op, shape)
    place = default_generator().reserve(blocks_used(n, words_per_element("uniform", float32)))
    ones = full(shape=shape, value=1, dtype=x.dtype, device=device_of(x))
    kept = (ops.dropout(ones, p=p, **place) > 0).astype(x.dtype)
    low = SELU_ALPHA * SELU_SCALE
    scale = ((low * low * p + 1) * (1 - p)) ** -0.5
    return x * (kept * scale) + ((kept - 1) * (low * scale) + low * scale * p)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for `selu` networks: mean 0 and variance 1 stay. Source: Klambauer et al., NeurIPS
    2017.

    >>> import gpudl as gd
    >>> gd.nn.functional.alpha_dropout(gd.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """
    x = real_float("alpha_dropout", input)
    return _alpha_dropout("alpha_dropout", x, probability("alpha_dropout", p), training, x.shape)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """`alpha_dropout` of whole channels of (N, C, *S).

    >>> import gpudl as gd
    >>> gd.nn.functional.feature_alpha_dropout(gd.ones(2, 3, 4)).shape
    (2, 3, 4)
    """
    op = "feature_alpha_dropout"
    x = real_float(op, input)
    if x.ndim < 2:
        raise ShapeError(op, "needs (N, C, *spatial)", input=x)
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    return _alpha_dropout(op, x, probability(op, p), training, shape)
