"""Normalization by groups of channels and by instance."""

from __future__ import annotations

from typing import Any

from ... import shapes
from ..._namespace.convert import cast
from ...autograd import no_grad
from ...autograd.writes import overwrite
from ...dtypes import accumulator
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops import norm as ops
from ...ops.create import device_of, full
from ...ops.reduce import sum_
from ...ops.shape import reshape
from ._check import channel_shape, number, real_float, same_dtype, tensor
from ._norm import batch_norm


def _by_rows(op: str, x: Any, rows: int, eps: float) -> tuple[Any, Any, Any]:
    """`x` normalized in `rows` equal parts of its C order, with mean and 1 / sqrt(var + eps)."""
    n = x.data.size // rows if rows else 1
    flat = reshape(x, shape=(rows, n))
    one, zero = (
        full(shape=(n,), value=value, dtype=x.dtype, device=device_of(x)) for value in (1, 0)
    )
    y, mean, rstd = ops.layer_norm(flat, one, zero, eps=eps)
    return reshape(y, shape=x.shape), mean, rstd


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    shape = channel_shape(x)
    if weight is not None:
        x = x * reshape(weight, shape=shape)
    return x if bias is None else x + reshape(bias, shape=shape)


def _per_channel(op: str, x: Any, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and tensor(op, value, name).shape != x.shape[1:2]:
            raise ShapeError(
                op,
                f"{name} is ({x.shape[1]},), one entry per channel",
                input=x,
                **{name: value},
            )


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(N, C, *S) with the channels in `num_groups` groups, each normalized by its own mean and
    (biased) variance in each sample, then scaled and shifted per channel."""
    op = "group_norm"
    x = real_float(op, input)
    same_dtype(op, x, weight=weight, bias=bias)
    if x.ndim < 2:
        raise ShapeError(op, "needs at least two axes: (N, C, *spatial)", input=x)
    groups = shapes.pair(op, "num_groups", num_groups, 1, low=1)[0]
    N, C = x.shape[:2]
    if C % groups:
        raise ShapeError(
            op, f"{C} channels in {groups} groups", remedy="a divisor of the channels", input=x
        )
    _per_channel(op, x, weight=weight, bias=bias)
    each = shapes.count(op, (C // groups, *x.shape[2:]))
    if each == 0 and N:
        raise ShapeError(op, "no values in a group to take statistics of", input=x)
    if N * each == 1:
        raise ShapeError(op, "one value per group has no spread", input=x)
    return _affine(_by_rows(op, x, N * groups, number(op, "eps", eps))[0], weight, bias)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """(N, C, *S) with each channel of each sample normalized over *S, or, without
    `use_input_stats`, by the running statistics.

    The running statistics, where given, move by `momentum` towards the mean over the batch of the
    instances' statistics (the variance without bias).
    """
    op = "instance_norm"
    x = real_float(op, input)
    same_dtype(op, x, weight=weight, bias=bias)
    if x.ndim < 2:
        raise ShapeError(op, "needs at least two axes: (N, C, *spatial)", input=x)
    step, eps = number(op, "momentum", momentum), number(op, "eps", eps)
    running = {"running_mean": running_mean, "running_var": running_var}
    _per_channel(op, x, weight=weight, bias=bias, **running)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                op, "no running statistics to normalize by", remedy="use_input_stats=True"
            )
        return batch_norm(x, running_mean, running_var, weight, bias, False, step, eps)
    n = shapes.count(op, x.shape[2:])
    if n <= 1:
        raise ShapeError(
            op, "one value per instance has no spread", remedy="more than one place", input=x
        )
    y, mean, rstd = _by_rows(op, x, shapes.count(op, x.shape[:2]), eps)
    if x.shape[0] and any(value is not None for value in running.values()):
        with no_grad():
            # var + eps is what rstd holds to full precision; below eps the variance needs no more.
            var = ew.maximum(1 / ew.square(rstd) - eps, ew.zero(rstd)) * (n / (n - 1))
            for old, seen in ((running_mean, mean), (running_var, var)):
                if old is not None:
                    overwrite(op, old, _moved(old, seen, x.shape[:2], step))
    return _affine(y, weight, bias)


def _moved(old: Any, seen: Any, shape: tuple[int, ...], step: float) -> Any:
    """`old` (C,) moved by `step` to the mean over the batch of `seen` (N * C,)."""
    wide = accumulator(seen.dtype)
    by_sample = reshape(cast(seen, wide), shape=shape)
    mean = sum_(by_sample, axis=(0,), keepdims=False) * (1.0 / shape[0])
    return cast(cast(old, wide) * (1 - step) + mean * step, old.dtype)
