"""Normalisation on the GPU (`batch_norm.cu`, `layer_norm.cu`).

Statistics down the columns take two passes, in an order that the shape alone decides.
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.runtime import launch

from .. import columns, rows
from ..gpu import Array, contiguous, ctype, empty, empty_channels_last, packed_pixels, takes
from .specs import (
    BATCH_NORM_APPLY,
    BATCH_NORM_BWD_FINISH,
    BATCH_NORM_FINISH,
    BATCH_NORM_GX,
    BATCH_NORM_MOMENTS,
    BATCH_NORM_PRODUCTS,
    LAYER_NORM_BWD,
    LAYER_NORM_BWD_LONG,
    LAYER_NORM_FINISH,
    LAYER_NORM_FWD,
    LAYER_NORM_FWD_LONG,
    LAYER_NORM_PRODUCTS,
    RUNNING_STATS,
)


def _given(*arrays: Array | None) -> list[Array]:
    return [x for x in arrays if x is not None]


def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Any:
    """(y, mean, rstd) of x (N, C, *S) over all axes but 1; the variance is the biased one."""
    if not takes(x, weight, bias) or x.ndim < 2:
        return NotImplemented
    C = x.shape[1]
    pixels = packed_pixels(x)
    M = math.prod(pixels.shape[:-1])
    y, last = empty_channels_last(x, x.shape, x.dtype)
    mean, rstd = empty(x, (C,)), empty(x, (C,))
    if not C:
        return y, mean, rstd
    plan = columns.choose(M, C, pixels, last)
    one, wide = {"T": ctype(x.dtype)}, {"T": ctype(x.dtype), "VEC": str(plan.vec)}
    partial, folded = empty(x, (plan.chunks, 2, C)), empty(x, (2, C))
    launch(BATCH_NORM_MOMENTS, wide, (pixels, partial, M, C, plan.chunk), **plan.shapes)
    args = (pixels, partial, contiguous(weight), eps, M, C, plan.chunk, plan.chunks)
    launch(BATCH_NORM_FINISH, one, (*args, mean, rstd, folded), cols=C)
    apply_args = (pixels, mean, folded, contiguous(bias), last, M, C, plan.chunk)
    launch(BATCH_NORM_APPLY, wide, apply_args, **plan.shapes)
    return y, mean, rstd


def batch_norm_bwd(g: Array, x: Array, weight: Array, mean: Array, rstd: Array) -> Any:
    """(gx, gweight, gbias) of `batch_norm`."""
    if not takes(g, x, weight, mean, rstd) or x.ndim < 2:
        return NotImplemented
    C = x.shape[1]
    up, pixels = packed_pixels(g), packed_pixels(x)
    M = math.prod(pixels.shape[:-1])
    gx, last = empty_channels_last(x, x.shape, x.dtype)
    gweight, gbias = empty(x, (C,)), empty(x, (C,))
    if not C:
        return gx, gweight, gbias
    mean = contiguous(mean)
    plan = columns.choose(M, C, up, pixels, last)
    one, wide = {"T": ctype(x.dtype)}, {"T": ctype(x.dtype), "VEC": str(plan.vec)}
    partial, folded = empty(x, (plan.chunks, 2, C)), empty(x, (3, C))
    launch(BATCH_NORM_PRODUCTS, wide, (up, pixels, mean, partial, M, C, plan.chunk), **plan.shapes)
    args = (partial, contiguous(weight), contiguous(rstd), M, C, plan.chunks)
    launch(BATCH_NORM_BWD_FINISH, one, (*args, gweight, gbias, folded), cols=C)
    gx_args = (up, pixels, mean, folded, last, M, C, plan.chunk)
    launch(BATCH_NORM_GX, wide, gx_args, **plan.shapes)
    return gx, gweight, gbias


def running_stats(
    running_mean: Array,
    running_var: Array,
    mean: Array,
    rstd: Array,
    *,
    momentum: float,
    count: int,
    eps: float,
) -> Any:
    """The running mean and variance, moved by `momentum` towards those of a batch of `count` values
    a channel."""
    given = (running_mean, running_var, mean, rstd)
    if not takes(*given) or any(x.shape != mean.shape or x.ndim != 1 for x in given):
        return NotImplemented
    C = mean.shape[0]
    moved_mean, moved_var = empty(mean, (C,)), empty(mean, (C,))
    scalars = (momentum, count / (count - 1), eps)
    args = (*map(contiguous, given), *scalars, moved_mean, moved_var, C)
    launch(RUNNING_STATS, {"T": ctype(mean.dtype)}, args, cols=C)
    return moved_mean, moved_var


def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> Any:
    """(y, mean, rstd) of x (*, N) over its last axis; mean and rstd have x's shape without it."""
    if not takes(x, *_given(weight, bias)) or x.ndim < 1:
        return NotImplemented
    M, N = math.prod(x.shape[:-1]), x.shape[-1]
    y = empty(x, x.shape)
    mean, rstd = empty(x, x.shape[:-1]), empty(x, x.shape[:-1])
    x = contiguous(x)
    w, b = _contiguous(weight), _contiguous(bias)
    tile = rows.choose(N, x, y)
    if tile is None:
        variant = rows.long_variant(x.dtype, rows.vector(N, x, y))
        launch(LAYER_NORM_FWD_LONG, variant, (x, w, b, eps, y, mean, rstd, N), rows=M)
    else:
        args = (x, w, b, eps, y, mean, rstd, M, N)
        launch(LAYER_NORM_FWD, tile.variant(x.dtype), args, rows=M, lanes=tile.lanes)
    return y, mean, rstd


def layer_norm_bwd(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array, *, bias: bool = True
) -> Any:
    """(gx, gweight, gbias) of `layer_norm`; gweight only with a weight, gbias only with `bias`."""
    if not takes(g, x, mean, rstd, *_given(weight)) or x.ndim < 1:
        return NotImplemented
    M, N = math.prod(x.shape[:-1]), x.shape[-1]
    gx = empty(x, x.shape)
    g, x, w = contiguous(g), contiguous(x), _contiguous(weight)
    mean, rstd = contiguous(mean), contiguous(rstd)
    tile = rows.choose(N, g, x, gx)
    if tile is None:
        variant = rows.long_variant(x.dtype, rows.vector(N, g, x, gx))
        launch(LAYER_NORM_BWD_LONG, variant, (g, x, w, mean, rstd, gx, N), rows=M)
    else:
        args = (g, x, w, mean, rstd, gx, M, N)
        launch(LAYER_NORM_BWD, tile.variant(x.dtype), args, rows=M, lanes=tile.lanes)
    gweight = None if weight is None else empty(x, (N,))
    gbias = empty(x, (N,)) if bias else None
    if N and (weight is not None or bias):
        _parameter_gradients(g, x, mean, rstd, gweight, gbias, M, N)
    return gx, gweight, gbias


def _parameter_gradients(
    g: Array, x: Array, mean: Array, rstd: Array, gweight: Any, gbias: Any, M: int, N: int
) -> None:
    plan = columns.choose(M, N, g, x)
    one, wide = {"T": ctype(x.dtype)}, {"T": ctype(x.dtype), "VEC": str(plan.vec)}
    partial = empty(x, (plan.chunks, 2, N))
    args = (g, x, mean, rstd, partial, M, N, plan.chunk)
    launch(LAYER_NORM_PRODUCTS, wide, args, **plan.shapes)
    launch(LAYER_NORM_FINISH, one, (partial, N, plan.chunks, gweight, gbias), cols=N)


def _contiguous(x: Array | None) -> Array | None:
    return None if x is None else contiguous(x)
