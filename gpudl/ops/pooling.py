"""Max and average pooling over one to three spatial axes of (N, C, *S)."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import check_kind, int64
from ..errors import IndexRangeError, ShapeError
from ..shapes import Shape
from .conv import channels_last
from .elementwise import widen

Ints = tuple[int, ...]


def _pooled_shape(
    op: str, x: Spec, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Shape:
    if x.ndim != len(kernel) + 2:
        raise ShapeError(op, f"needs x with {len(kernel) + 2} axes: (N, C, *spatial)", x=x)
    spatial = []
    for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True):
        if 2 * p > k:
            raise ShapeError(
                op, f"padding {p} for a window of {k}", remedy="at most half the window"
            )
        if n == 0:
            raise ShapeError(op, "an axis without elements", remedy="extents of at least 1", x=x)
        spatial.append(shapes.windows(op, n, k, s, (p, p), d, ceil_mode=ceil_mode))
    shape = (*x.shape[:2], *spatial)
    shapes.count(op, shape, 8)
    return shape


# ----- max -----
def _max_pool_rule(
    x: Spec, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Spec, Spec]:
    check_kind("max_pool", x.dtype, "if")
    shape = _pooled_shape("max_pool", x, kernel, stride, padding, dilation, ceil_mode)
    return Spec(shape, x.dtype), Spec(shape, int64)


def _max_pool_ref(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Any, Any]:
    shape = _max_pool_rule(
        Spec(x.shape, x.dtype), kernel=kernel, stride=stride, padding=padding, dilation=dilation,
        ceil_mode=ceil_mode,
    )[0].shape  # fmt: skip
    out, spatial = shape[2:], x.shape[2:]
    best = xp.full(shape, np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf, x.dtype)
    index = xp.full(shape, -1, "int64")
    for tap in product(*map(range, kernel)):
        at = [
            xp.arange(n) * s - p + t * d
            for t, n, s, p, d in zip(tap, out, stride, padding, dilation, strict=True)
        ]
        inside = [(a >= 0) & (a < n) for a, n in zip(at, spatial, strict=True)]
        grid = xp.ix_(*[xp.clip(a, 0, n - 1) for a, n in zip(at, spatial, strict=True)])
        valid = xp.ones((), bool)
        flat = xp.zeros((), "int64")
        for axis, (ok, n) in enumerate(zip(inside, spatial, strict=True)):
            side = tuple(-1 if i == axis else 1 for i in range(len(out)))
            valid = valid & ok.reshape(side)
            flat = flat * n + grid[axis]
        value = x[(slice(None), slice(None), *grid)]
        # The first maximum wins; NaN wins over everything and stays.
        better = valid & ((value > best) | (index < 0) | (xp.isnan(value) & ~xp.isnan(best)))
        best = xp.where(better, value, best)
        index = xp.where(better, flat, index)
    return channels_last(xp, best), channels_last(xp, index)


def _flat(x: Any) -> Any:
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _checked(xp: Any, index: Any, size: int) -> Any:
    if index.size and not bool(((index >= 0) & (index < size)).all()):
        raise IndexRangeError("max_pool_bwd", f"an index outside the plane of {size} elements")
    return index


def _max_pool_bwd_ref(xp: Any, g: Any, index: Any, *, x_shape: Shape) -> Any:
    N, C = g.shape[:2]
    plane = int(np.prod(x_shape[2:]))
    gx = xp.zeros((N, C, plane), widen(xp, g).dtype)
    n, c = xp.ogrid[:N, :C]
    xp.add.at(gx, (n[..., None], c[..., None], _flat(_checked(xp, index, plane))), _flat(g))
    return channels_last(xp, gx.reshape(x_shape).astype(g.dtype, copy=False))


def _max_pool_gather_ref(xp: Any, v: Any, index: Any) -> Any:
    plane = int(np.prod(v.shape[2:]))
    picked = xp.take_along_axis(_flat(v), _flat(_checked(xp, index, plane)), 2)
    return channels_last(xp, picked.reshape(index.shape))


def _bwd_rule(g: Spec, index: Spec, *, x_shape: Shape) -> Spec:
    check_kind("max_pool_bwd", g.dtype, "f")
    check_kind("max_pool_bwd", index.dtype, "i")
    if g.shape != index.shape or g.shape[:2] != x_shape[:2]:
        raise ShapeError("max_pool_bwd", f"does not fit an input of {x_shape}", g=g, index=index)
    return Spec(x_shape, g.dtype)


def _gather_rule(v: Spec, index: Spec) -> Spec:
    check_kind("max_pool_gather", v.dtype, "f")
    check_kind("max_pool_gather", index.dtype, "i")
    if v.ndim != index.ndim or v.shape[:2] != index.shape[:2]:
        raise ShapeError("max_pool_gather", "values and indices do not fit", v=v, index=index)
    return Spec(index.shape, v.dtype)


max_pool_bwd: Row = row(
    "max_pool_bwd",
    _max_pool_bwd_ref,
    _bwd_rule,
    vjp=(lambda g, y, h, index, *, x_shape: max_pool_gather(g, index), None),
    saves=(1,),
    kernel="max_pool_bwd",
    linear=True,
)
max_pool_gather: Row = row(
    "max_pool_gather",
    _max_pool_gather_ref,
    _gather_rule,
    vjp=(lambda g, y, v, index: max_pool_bwd(g, index, x_shape=v.shape), None),
    saves=(1,),
    kernel="max_pool_gather",
    linear=True,
)
max_pool: Row = row(
    "max_pool",
    _max_pool_ref,
    _max_pool_rule,
    vjp=lambda g, ys, needs, x, **o: (max_pool_bwd(g, ys[1], x_shape=x.shape),),
    joint=True,
    saves=("y1",),
    kernel="max_pool",
    n_out=2,
    n_diff=1,
)


# ----- average -----
def _avg_pool_rule(
    x: Spec, *, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, count_include_pad: bool
) -> Spec:
    check_kind("avg_pool", x.dtype, "f")
    ones = (1,) * len(kernel)
    return Spec(_pooled_shape("avg_pool", x, kernel, stride, padding, ones, ceil_mode), x.dtype)


def _matrix(n: int, out: int, k: int, s: int, p: int, count_include_pad: bool) -> tuple[Any, Any]:
    """(out, n) membership of input positions in windows, and the divisor of each window."""
    start = np.arange(out) * s - p
    end = np.minimum(start + k, n + p)
    at = np.arange(n)
    member = (at >= start[:, None]) & (at < end[:, None])
    divisor = end - start if count_include_pad else member.sum(1)
    return member.astype(np.float64), divisor.astype(np.float64)


def _windows(xp: Any, spatial: Ints, out: Ints, options: dict[str, Any]) -> tuple[list[Any], Any]:
    members, divisor = [], np.ones(())
    for n, o, k, s, p in zip(
        spatial, out, options["kernel"], options["stride"], options["padding"], strict=True
    ):
        member, count = _matrix(n, o, k, s, p, options["count_include_pad"])
        members.append(xp.asarray(member))
        divisor = divisor[..., None] * count
    return members, xp.asarray(divisor)


def _contract(xp: Any, x: Any, matrices: list[Any], dtype: Any) -> Any:
    """Apply a matrix (out, in) along each spatial axis: windows are products of intervals."""
    for axis, matrix in enumerate(matrices, start=2):
        x = xp.moveaxis(xp.tensordot(matrix.astype(dtype), x, axes=(1, axis)), 0, axis)
    return x


def _avg_pool_ref(xp: Any, x: Any, **options: Any) -> Any:
    spec = _avg_pool_rule(Spec(x.shape, x.dtype), **options)
    wide = widen(xp, x)
    members, divisor = _windows(xp, x.shape[2:], spec.shape[2:], options)
    y = _contract(xp, wide, members, wide.dtype) / divisor.astype(wide.dtype)
    return channels_last(xp, y.astype(x.dtype, copy=False))


def _avg_pool_bwd_ref(xp: Any, g: Any, *, x_shape: Shape, **options: Any) -> Any:
    wide = widen(xp, g)
    members, divisor = _windows(xp, x_shape[2:], g.shape[2:], options)
    gx = _contract(xp, wide / divisor.astype(wide.dtype), [m.T for m in members], wide.dtype)
    return channels_last(xp, gx.astype(g.dtype, copy=False))


def _avg_pool_bwd_rule(g: Spec, *, x_shape: Shape, **options: Any) -> Spec:
    expected = _avg_pool_rule(Spec(x_shape, g.dtype), **options)
    if expected.shape != g.shape:
        raise ShapeError("avg_pool_bwd", f"a gradient of shape {expected.shape} is needed", g=g)
    return Spec(x_shape, g.dtype)


avg_pool: Row = row(
    "avg_pool",
    _avg_pool_ref,
    _avg_pool_rule,
    vjp=(lambda g, y, x, **o: avg_pool_bwd(g, x_shape=x.shape, **o),),
    kernel="avg_pool",
    linear=True,
)
avg_pool_bwd: Row = row(
    "avg_pool_bwd",
    _avg_pool_bwd_ref,
    _avg_pool_bwd_rule,
    vjp=(lambda g, y, h, *, x_shape, **o: avg_pool(g, **o),),
    kernel="avg_pool_bwd",
    linear=True,
)
