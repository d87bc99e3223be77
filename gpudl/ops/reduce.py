"""Reductions (`axis` is a normalized tuple), scans and searches (one axis)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import DType, accumulator, check_kind, int64
from ..errors import ShapeError
from ._rules import reduction, to_bool
from .create import arange, device_of
from .elementwise import cast, conj_of, equal, where, widen, zero
from .shape import broadcast_to, expand, flip, join, reshape, scatter_axis

Axes = tuple[int, ...]


def _keep(x: Any, like_shape: tuple[int, ...], axis: Axes) -> Any:
    """`x`, reduced over `axis` of `like_shape`, with the reduced axes put back as extents of 1."""
    return reshape(x, shape=shapes.reduced(like_shape, axis, True))


# ----- sums and products -----
def _sum_ref(xp: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    dtype = x.dtype
    if dtype.kind == "b":
        return x.sum(axis, int64, None, keepdims)
    if dtype.itemsize > 2:
        return x.sum(axis, dtype, None, keepdims)
    return x.sum(axis, accumulator(dtype), None, keepdims).astype(dtype, copy=False)


def _sum_dtype(dtype: DType) -> DType:
    return int64 if dtype.kind == "b" else dtype


def _sum_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    if not keepdims and len(axis) < len(x.shape):
        g = _keep(g, x.shape, axis)
    return broadcast_to(g, shape=x.shape)


sum_: Row = row(
    "sum",
    _sum_ref,
    reduction("sum", "bifc", _sum_dtype),
    vjp=(_sum_vjp,),
    linear=True,
    threaded=True,
)


def _prod_ref(xp: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    out = xp.prod(widen(xp, x), axis=axis, keepdims=keepdims)
    return out if x.dtype.kind == "b" else out.astype(x.dtype, copy=False)


def _all_but_one(x: Any) -> Any:
    """(..., n) -> (..., n, n): row i holds the last axis with entry i replaced by 1."""
    n = x.shape[-1]
    i = arange(start=0, step=1, length=n, dtype=int64, device=device_of(x))
    diagonal = equal(reshape(i, shape=(n, 1)), i)
    spread = broadcast_to(reshape(x, shape=(*x.shape[:-1], 1, n)), shape=(*x.shape, n))
    return where(diagonal, zero(x) + 1, spread)


def _prod_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    # The product of all before times that of all behind: exact at zeros, any order differentiates.
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    moved = x.permute(kept + axis) if axis else x
    flat = reshape(moved, shape=(*[x.shape[i] for i in kept], -1 if x.data.size else 0))
    if not x.data.size:
        return x * 0
    one, at = zero(x) + 1, (flat.ndim - 1,)
    edge = broadcast_to(one, shape=(*flat.shape[:-1], 1))
    before = cumprod(join((edge, flat[..., :-1]), at[0]), axis=at[0])
    behind = cumprod(join((edge, flip(flat[..., 1:], axis=at)), at[0]), axis=at[0])
    others = before * flip(behind, axis=at)
    back = reshape(others, shape=moved.shape)
    inverse = tuple(int(i) for i in np.argsort(kept + axis))
    g = g if keepdims else _keep(g, x.shape, axis)
    return g * conj_of(back.permute(inverse) if axis else back)


prod: Row = row(
    "prod", _prod_ref, reduction("prod", "bifc", _sum_dtype), vjp=(_prod_vjp,), saves=(0,)
)


# ----- extrema -----
def _extremum_rule(op: str) -> Any:
    base = reduction(op, "bif")

    def rule(x: Spec, *, axis: Axes, keepdims: bool) -> Spec:
        if any(x.shape[i] == 0 for i in axis):
            raise ShapeError(op, "no elements to choose from", remedy="an axis of size > 0", x=x)
        return base(x, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    return rule


def _extremum_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    # Ties share the gradient equally.
    if not keepdims:
        g, y = _keep(g, x.shape, axis), _keep(y, x.shape, axis)
    hit = cast(equal(x, y), dtype=g.dtype)
    return hit * (g / sum_(hit, axis=axis, keepdims=True))


max_: Row = row(
    "max",
    lambda xp, x, *, axis, keepdims: xp.max(x, axis=axis, keepdims=keepdims),
    _extremum_rule("max"),
    vjp=(_extremum_vjp,),
    saves=(0, "y"),
    threaded=True,
)
min_: Row = row(
    "min",
    lambda xp, x, *, axis, keepdims: xp.min(x, axis=axis, keepdims=keepdims),
    _extremum_rule("min"),
    vjp=(_extremum_vjp,),
    saves=(0, "y"),
    threaded=True,
)


def _search_rule(op: str) -> Any:
    def rule(x: Spec, *, axis: int) -> Spec:
        check_kind(op, x.dtype, "bif")
        if x.shape[axis] == 0:
            raise ShapeError(op, "no elements to choose from", remedy="an axis of size > 0", x=x)
        return Spec(x.shape[:axis] + x.shape[axis + 1 :], int64)

    return rule


_INDEX = "the result is an index, an integer"
argmax: Row = row(
    "argmax", lambda xp, x, *, axis: xp.argmax(x, axis=axis), _search_rule("argmax"), why=_INDEX
)
argmin: Row = row(
    "argmin", lambda xp, x, *, axis: xp.argmin(x, axis=axis), _search_rule("argmin"), why=_INDEX
)

# ----- truth -----
any_: Row = row(
    "any",
    lambda xp, x, *, axis, keepdims: xp.any(x, axis=axis, keepdims=keepdims),
    reduction("any", "bifc", to_bool),
    why="the result is a truth value",
)
all_: Row = row(
    "all",
    lambda xp, x, *, axis, keepdims: xp.all(x, axis=axis, keepdims=keepdims),
    reduction("all", "bifc", to_bool),
    why="the result is a truth value",
)


# ----- scans -----
def _scan_rule(op: str) -> Any:
    def rule(x: Spec, *, axis: int) -> Spec:
        check_kind(op, x.dtype, "bifc")
        return Spec(x.shape, _sum_dtype(x.dtype))

    return rule


def _scan_ref(function: str) -> Any:
    def ref(xp: Any, x: Any, *, axis: int) -> Any:
        wide = int64 if x.dtype.kind == "b" else accumulator(x.dtype)
        out = getattr(xp, function)(x, axis=axis, dtype=wide)
        return out if x.dtype.kind == "b" else out.astype(x.dtype, copy=False)

    return ref


def _reverse_cumsum(x: Any, axis: int) -> Any:
    return flip(cumsum(flip(x, axis=(axis,)), axis=axis), axis=(axis,))


cumsum: Row = row(
    "cumsum",
    _scan_ref("cumsum"),
    _scan_rule("cumsum"),
    vjp=(lambda g, y, x, *, axis: _reverse_cumsum(g, axis),),
    linear=True,
)


def _cumprod_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    # d y_j / d x_i for j >= i is the product of the other factors up to j: a triangle of scans,
    # exact at zeros.
    order = (*[i for i in range(x.ndim) if i != axis], axis)
    last = x.permute(order)
    n = last.shape[-1]
    scans = cumprod(_all_but_one(last), axis=last.ndim)
    i = arange(start=0, step=1, length=n, dtype=int64, device=device_of(x))
    before = i < reshape(i, shape=(n, 1))
    gm = expand(g.permute(order), axis=(last.ndim - 1,))
    terms = where(before, zero(g), gm * conj_of(scans))
    moved = sum_(terms, axis=(last.ndim,), keepdims=False)
    return moved.permute(tuple(int(i) for i in np.argsort(order)))


cumprod: Row = row(
    "cumprod", _scan_ref("cumprod"), _scan_rule("cumprod"), vjp=(_cumprod_vjp,), saves=(0,)
)


# ----- sorting -----
def _sort_rule(x: Spec, *, axis: int, descending: bool) -> tuple[Spec, Spec]:
    check_kind("sort", x.dtype, "bif")
    return x, Spec(x.shape, int64)


def _sort_ref(xp: Any, x: Any, *, axis: int, descending: bool) -> tuple[Any, Any]:
    if descending:
        # Equal elements keep their order: the reversed array is sorted, and reversed again.
        order = xp.flip(xp.argsort(xp.flip(x, axis), axis=axis, kind="stable"), axis)
        order = x.shape[axis] - 1 - order
    else:
        order = xp.argsort(x, axis=axis, kind="stable")
    order = order.astype("int64", copy=False)
    return xp.take_along_axis(x, order, axis), order


def _sort_vjp(g: Any, ys: Any, needs: Any, x: Any, *, axis: int, descending: bool) -> tuple[Any]:
    return (scatter_axis(g, ys[1], axis=axis, size=x.shape[axis]),)


sort: Row = row(
    "sort", _sort_ref, _sort_rule, vjp=_sort_vjp, joint=True, saves=("y1",), n_out=2, n_diff=1
)


def logsumexp(x: Any, *, axis: Axes, keepdims: bool) -> Any:
    """log(sum(exp(x))) over `axis`, shifted by the maximum so that nothing overflows."""
    if any(x.shape[i] == 0 for i in axis):
        return sum_(x.exp(), axis=axis, keepdims=keepdims).log()  # there is no maximum
    top = max_(x, axis=axis, keepdims=True).detach()
    finite = where(abs(top) == float("inf"), zero(x), top)
    out = finite + sum_((x - finite).exp(), axis=axis, keepdims=True).log()
    return out if keepdims else reshape(out, shape=shapes.reduced(x.shape, axis, False))
