"""Losses of numbers against numbers, and of distributions given by parameters."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ._check import clamp_min, common, constant, number, reduced, same_shape, tensor
from ._loss import refuse


def _pair(op: str, input: Any, target: Any) -> tuple[Any, Any]:
    x, t = common(op, tensor(op, input), tensor(op, target, "target"))
    same_shape(op, input=x, target=t)
    return x, t


def mse_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """(x - t)^2, times `weight` where given."""
    refuse("mse_loss", size_average, reduce)
    x, t = _pair("mse_loss", input, target)
    if weight is None:
        return reduced("mse_loss", ew.square(x - t), reduction)
    same_shape("mse_loss", input=x, weight=tensor("mse_loss", weight, "weight"))
    loss = ew.square(x - t) * weight
    return (
        loss.sum() / weight.sum() if reduction == "mean" else reduced("mse_loss", loss, reduction)
    )


def l1_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean"
) -> Any:
    """|x - t|."""
    refuse("l1_loss", size_average, reduce)
    x, t = _pair("l1_loss", input, target)
    return reduced("l1_loss", ew.absolute(x - t), reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2."""
    op = "smooth_l1_loss"
    refuse(op, size_average, reduce)
    width = number(op, "beta", beta)
    if width < 0:
        raise ArgumentError(op, f"beta is {beta}", remedy="at least 0")
    x, t = _pair(op, input, target)
    d = ew.absolute(x - t)
    if width == 0:
        return reduced(op, d, reduction)
    return reduced(
        op, ew.where(d < width, ew.square(d) * (0.5 / width), d - 0.5 * width), reduction
    )


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """(x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2), times `weight`."""
    op = "huber_loss"
    width = number(op, "delta", delta)
    if width <= 0:
        raise ArgumentError(op, f"delta is {delta}", remedy="a positive number")
    x, t = _pair(op, input, target)
    d = ew.absolute(x - t)
    loss = ew.where(d <= width, ew.square(d) * 0.5, (d - 0.5 * width) * width)
    if weight is None:
        return reduced(op, loss, reduction)
    same_shape(op, input=x, weight=tensor(op, weight, "weight"))
    return (
        (loss * weight).sum() / weight.sum()
        if reduction == "mean"
        else reduced(op, loss * weight, reduction)
    )


def kl_div(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """t (log t - x) of log-probabilities x; "batchmean" divides the sum by the first extent, as the
    definition asks."""
    op = "kl_div"
    refuse(op, size_average, reduce)
    x, t = _pair(op, input, target)
    if log_target:
        loss = ew.exp(t) * (t - x)
    else:
        none = t <= 0
        log_t = ew.log(ew.where(none, constant(op, t, 1), t))
        loss = t * log_t - t * x
    if reduction == "batchmean":
        if not x.ndim:
            raise ShapeError(op, "a batch mean needs a batch axis", input=x)
        return loss.sum() / x.shape[0]
    return reduced(op, loss, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Any:
    """exp(x) - t x for a logarithm of the rate, x - t log(x + eps) for the rate; `full` adds
    Stirling's term."""
    op = "poisson_nll_loss"
    refuse(op, size_average, reduce)
    x, t = _pair(op, input, target)
    loss = ew.exp(x) - t * x if log_input else x - t * ew.log(x + number(op, "eps", eps))
    if full:
        safe = ew.where(t > 1, t, constant(op, t, 1))
        stirling = t * ew.log(safe) - t + 0.5 * ew.log(2 * math.pi * safe)
        loss = loss + ew.where(t > 1, stirling, constant(op, t, 0))
    return reduced(op, loss, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """(log var + (x - t)^2 / var) / 2, with var at least `eps`; `full` adds log(2 pi) / 2.

    `var` is a number, or a tensor of the input's shape, of that with a last extent of 1, or of that
    without its last axis.
    """
    op = "gaussian_nll_loss"
    x, t = _pair(op, input, target)
    v = constant(op, x, var) if isinstance(var, (int, float)) else tensor(op, var, "var")
    x, v = common(op, x, v)
    if v.ndim and v.shape != x.shape:
        if v.shape == x.shape[:-1]:
            v = v.reshape((*v.shape, 1))
        elif v.shape != (*x.shape[:-1], 1):
            raise ShapeError(
                op,
                "var does not fit",
                remedy="the input's shape, or one value per row",
                input=x,
                var=v,
            )
    low = number(op, "eps", eps)
    if low <= 0:
        raise ArgumentError(op, f"eps is {eps}", remedy="a positive number")
    if v.data.size and bool((v < 0).any()):
        raise ArgumentError(op, "var has negative entries", var=v)
    # The gradient passes through the bound, as in PyTorch.
    v = v + (clamp_min(op, v.detach(), low) - v.detach())
    loss = (ew.log(v) + ew.square(x - t) / v) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(op, loss, reduction)
