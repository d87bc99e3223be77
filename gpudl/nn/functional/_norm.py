"""Batch, layer and RMS normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import shapes
from ..._namespace.convert import cast
from ...autograd import no_grad
from ...autograd.writes import overwrite
from ...dtypes import accumulator
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops import norm as ops
from ...ops.create import device_of, full
from ...ops.shape import reshape
from ._check import as_ints, channel_shape, number, real_float, same_dtype, tensor


def _filled(like: Any, n: int, value: float) -> Any:
    return full(shape=(n,), value=value, dtype=like.dtype, device=device_of(like))


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """(N, C, *S) normalized per channel: by the batch when `training`, else by the running
    statistics.

    In training the running statistics, where given, move by `momentum` towards the batch's (the
    variance without bias).
    """
    op = "batch_norm"
    x = real_float(op, input)
    same_dtype(op, x, weight=weight, bias=bias)
    if x.ndim < 2:
        raise ShapeError(op, "needs at least two axes: (N, C, *spatial)", input=x)
    C = x.shape[1]
    given = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, value in given.items():
        if value is not None and tensor(op, value, name).shape != (C,):
            raise ShapeError(
                op, f"{name} is ({C},), one entry per channel", input=x, **{name: value}
            )
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(op, "evaluation needs running statistics", remedy="training=True")
        return _evaluated(x, running_mean, running_var, weight, bias, number(op, "eps", eps))
    count = shapes.count(op, (x.shape[0], *x.shape[2:]))
    if count <= 1:
        raise ShapeError(
            op,
            "one value per channel has no spread to train on",
            remedy="a larger batch, or model.eval()",
            input=x,
        )
    w = _filled(x, C, 1) if weight is None else weight
    b = _filled(x, C, 0) if bias is None else bias
    y, mean, rstd = ops.batch_norm(x, w, b, eps=number(op, "eps", eps))
    if running_mean is not None or running_var is not None:
        # Of one that is not given nothing is kept.
        old_mean = running_var if running_mean is None else running_mean
        old_var = running_mean if running_var is None else running_var
        share = number(op, "momentum", momentum)
        with no_grad():
            moved = ops.running_stats(
                old_mean, old_var, mean, rstd, momentum=share, count=count, eps=float(eps)
            )
            for running, value in zip((running_mean, running_var), moved, strict=True):
                if running is not None:
                    overwrite(op, running, value)
    return y


def _evaluated(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Any:
    """A multiplication and an addition per element; what comes from the channel is folded first."""
    wide = accumulator(x.dtype)
    mean, var = cast(mean, wide), cast(var, wide)
    scale = 1 / ew.sqrt(var + eps)
    if weight is not None:
        scale = scale * cast(weight, wide)
    shift = -mean * scale
    if bias is not None:
        shift = shift + cast(bias, wide)
    shape = channel_shape(x)
    return cast(cast(x, wide) * reshape(scale, shape=shape) + reshape(shift, shape=shape), x.dtype)


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """`input` normalized over its last axes, whose extents are `normalized_shape`."""
    op = "layer_norm"
    x, rows, n = _last_axes(op, input, normalized_shape, weight=weight, bias=bias)
    w = _filled(x, n, 1) if weight is None else _flat(weight, n)
    b = _filled(x, n, 0) if bias is None else _flat(bias, n)
    y, _, _ = ops.layer_norm(rows, w, b, eps=number(op, "eps", eps))
    return y if rows is x else reshape(y, shape=x.shape)


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """`input` divided by its root mean square over the last axes, whose extents are
    `normalized_shape`, then scaled; `eps` (None: the machine epsilon of float32, of float64 for
    float64) is added under the root."""
    op = "rms_norm"
    x, rows, n = _last_axes(op, input, normalized_shape, weight=weight)
    low = float(np.finfo(accumulator(x.dtype)).eps) if eps is None else number(op, "eps", eps)
    w = _filled(x, n, 1) if weight is None else _flat(weight, n)
    y, _ = ops.rms_norm(rows, w, eps=low)
    return y if rows is x else reshape(y, shape=x.shape)


def _last_axes(op: str, input: Any, normalized_shape: Any, **given: Any) -> tuple[Any, Any, int]:
    """The tensor, the same with its last axes of that shape as one, and the extent of that one."""
    x = real_float(op, input)
    same_dtype(op, x, **given)
    entries = (normalized_shape,) if hasattr(normalized_shape, "__index__") else normalized_shape
    shape = as_ints(op, entries)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(op, f"the last axes are not normalized_shape={shape}", input=x)
    for name, value in given.items():
        if value is not None and value.shape != shape:
            raise ShapeError(op, f"{name} has the shape {shape}", input=x, **{name: value})
    n = shapes.count(op, shape)
    if n == 0:
        raise ShapeError(op, "nothing to normalize over", input=x)
    rows = x if len(shape) == 1 else reshape(x, shape=(*x.shape[: -len(shape)], n))
    return x, rows, n


def _flat(x: Any, n: int) -> Any:
    return x if x.ndim == 1 else reshape(x, shape=(n,))
