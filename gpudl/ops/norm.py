"""Batch, layer and RMS normalization, each one row with statistics as further results."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Row, Spec, row
from ..dtypes import accumulator, check_kind
from ..errors import ShapeError
from ._rules import same_dtype
from .conv import channels_last
from .elementwise import sqrt, square, widen
from .reduce import sum_
from .shape import reshape


def _channel_axes(x: Any) -> tuple[int, ...]:
    return (0, *range(2, len(x.shape)))


def _per_channel(x: Any, rank: int) -> Any:
    return reshape(x, shape=(1, -1 if x.shape[0] else 0, *(1,) * (rank - 2)))


def _mean(x: Any, axis: tuple[int, ...]) -> Any:
    n = math.prod(x.shape[i] for i in axis)
    return sum_(x, axis=axis, keepdims=True) * (1.0 / n)


def _normalized_gradient(g: Any, x: Any, weight: Any, axis: tuple[int, ...], eps: float) -> Any:
    """The gradient for x of weight * (x - mean) / sqrt(var + eps), and the normalized x."""
    centered = x - _mean(x, axis)
    rstd = 1 / sqrt(_mean(square(centered), axis) + eps)
    normal = centered * rstd
    gw = g if weight is None else g * weight
    gx = (gw - _mean(gw, axis) - normal * _mean(gw * normal, axis)) * rstd
    return gx, normal


# ----- batch norm -----
def _batch_norm_rule(x: Spec, weight: Spec, bias: Spec, *, eps: float) -> tuple[Spec, Spec, Spec]:
    dtype = same_dtype("batch_norm", x, weight, bias)
    check_kind("batch_norm", dtype, "f")
    if x.ndim < 2 or weight.shape != (x.shape[1],) or bias.shape != weight.shape:
        raise ShapeError(
            "batch_norm", "weight and bias have one entry per channel of x (N, C, ...)",
            x=x, weight=weight, bias=bias,
        )  # fmt: skip
    if x.shape[1] and _count(x) == 0:
        raise ShapeError("batch_norm", "no values per channel to take statistics of", x=x)
    stats = Spec((x.shape[1],), accumulator(dtype))
    return x, stats, stats


def _count(x: Any) -> int:
    return math.prod((x.shape[0], *x.shape[2:]))


def _statistics(xp: Any, x: Any, axis: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    wide = widen(xp, x)
    mean = wide.mean(axis, keepdims=True)
    centered = wide - mean
    return mean, centered, 1 / xp.sqrt((centered * centered).mean(axis, keepdims=True) + eps)


def _batch_norm_ref(xp: Any, x: Any, weight: Any, bias: Any, *, eps: float) -> tuple[Any, Any, Any]:
    mean, centered, rstd = _statistics(xp, x, _channel_axes(x), eps)
    side = (1, -1, *(1,) * (x.ndim - 2)) if x.shape[1] else (1, 0, *(1,) * (x.ndim - 2))
    y = centered * rstd * widen(xp, weight).reshape(side) + widen(xp, bias).reshape(side)
    y = y.astype(x.dtype, copy=False)
    return channels_last(xp, y) if x.ndim > 2 else y, mean.reshape(-1), rstd.reshape(-1)


def _batch_norm_vjp(
    g: Any, ys: Any, needs: Any, x: Any, weight: Any, bias: Any, *, eps: float
) -> tuple[Any, Any, Any]:
    axes = _channel_axes(x)
    rank = len(x.shape)
    gx, normal = _normalized_gradient(g, x, _per_channel(weight, rank), axes, eps)
    gw = sum_(g * normal, axis=axes, keepdims=False) if needs[1] else None
    gb = sum_(g, axis=axes, keepdims=False) if needs[2] else None
    return gx if needs[0] else None, gw, gb


def _batch_norm_bwd_ref(
    xp: Any, g: Any, x: Any, weight: Any, mean: Any, rstd: Any
) -> tuple[Any, Any, Any]:
    axes = _channel_axes(x)
    side = tuple(x.shape[1] if i == 1 else 1 for i in range(x.ndim))
    wide, r = widen(xp, g), rstd.reshape(side)
    normal = (widen(xp, x) - mean.reshape(side)) * r
    gw = (wide * normal).sum(axes)
    gb = wide.sum(axes)
    n = _count(x)
    inner = wide - (gb.reshape(side) + normal * gw.reshape(side)) / n
    gx = (inner * r * widen(xp, weight).reshape(side)).astype(g.dtype, copy=False)
    gx = channels_last(xp, gx) if x.ndim > 2 else gx
    return gx, gw.astype(weight.dtype, copy=False), gb.astype(weight.dtype, copy=False)


def _bwd_rule(op: str) -> Any:
    def rule(g: Spec, x: Spec, weight: Spec, mean: Spec, rstd: Spec) -> tuple[Spec, Spec, Spec]:
        check_kind(op, same_dtype(op, g, x, weight), "f")
        return x, weight, weight

    return rule


batch_norm_bwd: Row = row(
    "batch_norm_bwd",
    _batch_norm_bwd_ref,
    _bwd_rule("batch_norm_bwd"),
    n_out=3,
    kernel="batch_norm_bwd",
    why="the fused backward of batch_norm; batch_norm's own rule differentiates to any order",
)
batch_norm: Row = row(
    "batch_norm",
    _batch_norm_ref,
    _batch_norm_rule,
    vjp=_batch_norm_vjp,
    joint=True,
    fused=lambda g, ys, needs, x, weight, bias, *, eps: batch_norm_bwd(g, x, weight, ys[1], ys[2]),
    saves=(0, 1, "y1", "y2"),
    n_out=3,
    n_diff=1,
    kernel="batch_norm",
)


# ----- running statistics -----
def _running_stats_rule(
    running_mean: Spec, running_var: Spec, mean: Spec, rstd: Spec, **options: Any
) -> tuple[Spec, Spec]:
    check_kind("running_stats", same_dtype("running_stats", running_mean, running_var), "f")
    check_kind("running_stats", same_dtype("running_stats", mean, rstd), "f")
    if any(s.ndim != 1 or s.shape != mean.shape for s in (running_mean, running_var, mean, rstd)):
        raise ShapeError(
            "running_stats", "each has one entry per channel",
            running_mean=running_mean, running_var=running_var, mean=mean, rstd=rstd,
        )  # fmt: skip
    return running_mean, running_var


def _running_stats_ref(
    xp: Any,
    running_mean: Any,
    running_var: Any,
    mean: Any,
    rstd: Any,
    *,
    momentum: float,
    count: int,
    eps: float,
) -> tuple[Any, Any]:
    # var + eps is what rstd holds to full precision; the variance below eps needs no more.
    var = xp.maximum(1 / (rstd * rstd) - eps, 0)
    keep, share = 1 - momentum, momentum * (count / (count - 1))
    moved_mean = widen(xp, running_mean) * keep + mean * momentum
    moved_var = widen(xp, running_var) * keep + var * share
    dtype = running_mean.dtype
    return moved_mean.astype(dtype, copy=False), moved_var.astype(dtype, copy=False)


running_stats: Row = row(
    "running_stats",
    _running_stats_ref,
    _running_stats_rule,
    n_out=2,
    why="running statistics follow the batches; no loss is differentiated with respect to them",
)


# ----- layer norm -----
def _layer_norm_rule(x: Spec, weight: Spec, bias: Spec, *, eps: float) -> tuple[Spec, Spec, Spec]:
    dtype = same_dtype("layer_norm", x, weight, bias)
    check_kind("layer_norm", dtype, "f")
    if x.ndim < 1 or weight.shape != x.shape[-1:] or bias.shape != weight.shape or not x.shape[-1]:
        raise ShapeError(
            "layer_norm", "weight and bias have the extent of the last axis of x, which is not 0",
            x=x, weight=weight, bias=bias,
        )  # fmt: skip
    stats = Spec(x.shape[:-1], accumulator(dtype))
    return x, stats, stats


def _layer_norm_ref(xp: Any, x: Any, weight: Any, bias: Any, *, eps: float) -> tuple[Any, Any, Any]:
    mean, centered, rstd = _statistics(xp, x, (x.ndim - 1,), eps)
    y = centered * rstd * widen(xp, weight) + widen(xp, bias)
    return y.astype(x.dtype, copy=False), mean[..., 0], rstd[..., 0]


def _layer_norm_vjp(
    g: Any, ys: Any, needs: Any, x: Any, weight: Any, bias: Any, *, eps: float
) -> tuple[Any, Any, Any]:
    rank = len(x.shape)
    gx, normal = _normalized_gradient(g, x, weight, (rank - 1,), eps)
    rows = tuple(range(rank - 1))
    gw = sum_(g * normal, axis=rows, keepdims=False) if needs[1] else None
    gb = sum_(g, axis=rows, keepdims=False) if needs[2] else None
    return gx if needs[0] else None, gw, gb


def _layer_norm_bwd_ref(
    xp: Any, g: Any, x: Any, weight: Any, mean: Any, rstd: Any
) -> tuple[Any, Any, Any]:
    wide, rows = widen(xp, g), tuple(range(x.ndim - 1))
    rstd = rstd[..., None]
    normal = (widen(xp, x) - mean[..., None]) * rstd
    gn = wide * widen(xp, weight)
    gx = gn - gn.mean(-1, keepdims=True) - normal * (gn * normal).mean(-1, keepdims=True)
    gw, gb = (wide * normal).sum(rows), wide.sum(rows)
    return (
        (gx * rstd).astype(g.dtype, copy=False),
        gw.astype(weight.dtype, copy=False),
        gb.astype(weight.dtype, copy=False),
    )


layer_norm_bwd: Row = row(
    "layer_norm_bwd",
    _layer_norm_bwd_ref,
    _bwd_rule("layer_norm_bwd"),
    n_out=3,
    kernel="layer_norm_bwd",
    why="the fused backward of layer_norm; layer_norm's own rule differentiates to any order",
)
layer_norm: Row = row(
    "layer_norm",
    _layer_norm_ref,
    _layer_norm_rule,
    vjp=_layer_norm_vjp,
    joint=True,
    fused=lambda g, ys, needs, x, weight, bias, *, eps: layer_norm_bwd(g, x, weight, ys[1], ys[2]),
    saves=(0, 1, "y1", "y2"),
    n_out=3,
    n_diff=1,
    kernel="layer_norm",
)


# ----- RMS norm -----
def _rms_norm_rule(x: Spec, weight: Spec, *, eps: float) -> tuple[Spec, Spec]:
    dtype = same_dtype("rms_norm", x, weight)
    check_kind("rms_norm", dtype, "f")
    if x.ndim < 1 or weight.shape != x.shape[-1:] or not x.shape[-1]:
        raise ShapeError(
            "rms_norm", "weight has the extent of the last axis of x, which is not 0",
            x=x, weight=weight,
        )  # fmt: skip
    return x, Spec(x.shape[:-1], accumulator(dtype))


def _rms_norm_ref(xp: Any, x: Any, weight: Any, *, eps: float) -> tuple[Any, Any]:
    wide = widen(xp, x)
    rstd = 1 / xp.sqrt((wide * wide).mean(-1, keepdims=True) + eps)
    y = wide * rstd * widen(xp, weight)
    return y.astype(x.dtype, copy=False), rstd[..., 0]


def _rms_norm_vjp(
    g: Any, ys: Any, needs: Any, x: Any, weight: Any, *, eps: float
) -> tuple[Any, Any]:
    last = (len(x.shape) - 1,)
    rstd = 1 / sqrt(_mean(square(x), last) + eps)
    normal, gn = x * rstd, g * weight
    gx = (gn - normal * _mean(gn * normal, last)) * rstd if needs[0] else None
    gw = sum_(g * normal, axis=tuple(range(last[0])), keepdims=False) if needs[1] else None
    return gx, gw


def _rms_norm_bwd_ref(xp: Any, g: Any, x: Any, weight: Any, rstd: Any) -> tuple[Any, Any]:
    wide, rstd = widen(xp, g), rstd[..., None]
    normal, gn = widen(xp, x) * rstd, wide * widen(xp, weight)
    gx = (gn - normal * (gn * normal).mean(-1, keepdims=True)) * rstd
    gw = (wide * normal).sum(tuple(range(x.ndim - 1)))
    return gx.astype(g.dtype, copy=False), gw.astype(weight.dtype, copy=False)


def _rms_norm_bwd_rule(g: Spec, x: Spec, weight: Spec, rstd: Spec) -> tuple[Spec, Spec]:
    check_kind("rms_norm_bwd", same_dtype("rms_norm_bwd", g, x, weight), "f")
    return x, weight


rms_norm_bwd: Row = row(
    "rms_norm_bwd",
    _rms_norm_bwd_ref,
    _rms_norm_bwd_rule,
    n_out=2,
    kernel="rms_norm_bwd",
    why="the fused backward of rms_norm; rms_norm's own rule differentiates to any order",
)
rms_norm: Row = row(
    "rms_norm",
    _rms_norm_ref,
    _rms_norm_rule,
    vjp=_rms_norm_vjp,
    joint=True,
    fused=lambda g, ys, needs, x, weight, *, eps: rms_norm_bwd(g, x, weight, ys[1]),
    saves=(0, 1, "y1"),
    n_out=2,
    n_diff=1,
    kernel="rms_norm",
)
