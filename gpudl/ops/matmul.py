"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import check_kind
from ..errors import ShapeError
from ._rules import same_dtype
from .elementwise import conj_of, widen
from .reduce import sum_
from .shape import permute, reshape


def _matmul_rule(a: Spec, b: Spec) -> Spec:
    dtype = same_dtype("matmul", a, b)
    check_kind("matmul", dtype, "bifc")
    if a.ndim < 2 or b.ndim < 2:
        raise ShapeError("matmul", "needs matrices", a=a, b=b)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            "matmul",
            f"{a.shape} @ {b.shape}: inner extents {a.shape[-1]} and {b.shape[-2]} differ",
            remedy="(..., M, K) @ (..., K, N)",
        )
    batch = shapes.broadcast("matmul", a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    shapes.count("matmul", shape, dtype.itemsize)
    return Spec(shape, dtype)


def _matmul_ref(xp: Any, a: Any, b: Any) -> Any:
    out = xp.matmul(widen(xp, a), widen(xp, b))
    return out.astype(a.dtype, copy=False)


def swap(x: Any) -> Any:
    """`x` with its last two axes exchanged, a view."""
    n = x.ndim
    return permute(x, axes=(*range(n - 2), n - 1, n - 2))


matmul: Row = row(
    "matmul",
    _matmul_ref,
    _matmul_rule,
    vjp=(
        lambda g, y, a, b: matmul(g, conj_of(swap(b))),
        lambda g, y, a, b: matmul(conj_of(swap(a)), g),
    ),
    saves=(0, 1),
    crossed=True,
    broadcasts=True,
    kernel="matmul",
    flops=lambda a, b: 2 * math.prod(_matmul_rule(a, b).shape) * a.shape[-1],
)


# ----- linear: the product of a layer; one row, because each costs microseconds -----
def _linear_rule(x: Spec, w: Spec, *bias: Spec) -> Spec:
    dtype = same_dtype("linear", x, w, *bias)
    check_kind("linear", dtype, "fc")
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        ranks = "x needs an axis or more, weight two"
        raise ShapeError(
            "linear",
            f"x has {x.shape[-1]} features, weight takes {w.shape[1]}"
            if w.ndim == 2 and x.ndim
            else ranks,
            remedy="x is (..., in_features), weight (out_features, in_features)",
            x=x,
            weight=w,
        )
    if bias and bias[0].shape != w.shape[:1]:
        raise ShapeError("linear", "bias is (N,) for a weight (N, K)", weight=w, bias=bias[0])
    shape = (*x.shape[:-1], w.shape[0])
    shapes.count("linear", shape, dtype.itemsize)
    return Spec(shape, dtype)


def _linear_ref(xp: Any, x: Any, w: Any, *bias: Any) -> Any:
    if w.ndim != 2 or x.ndim < 1 or x.dtype != w.dtype:
        _linear_rule(Spec(x.shape, x.dtype), Spec(w.shape, w.dtype))
    if bias and (bias[0].shape != w.shape[:1] or bias[0].dtype != w.dtype):
        _linear_rule(*[Spec(a.shape, a.dtype) for a in (x, w, *bias)])
    # One product for all leading axes: a batch of products would run row by row.
    flat = x if x.ndim <= 2 else x.reshape(shapes.count("linear", x.shape[:-1]), x.shape[-1])
    out = xp.matmul(widen(xp, flat), widen(xp, w).T)
    if bias:
        out += widen(xp, bias[0])
    out = out.astype(x.dtype, copy=False)
    return out if x.ndim <= 2 else out.reshape(*x.shape[:-1], w.shape[0])


def _rows(x: Any) -> Any:
    """(..., K) as (M, K)."""
    if x.ndim == 2:
        return x
    return reshape(x, shape=(shapes.count("linear", x.shape[:-1]), x.shape[-1]))


def _linear_vjp(i: int, g: Any, y: Any, x: Any, w: Any, *bias: Any) -> Any:
    if i == 0:
        return matmul(g, conj_of(w)) if g.ndim == 2 else linear(g, conj_of(swap(w)))
    if i == 1:
        return matmul(swap(_rows(g)), conj_of(_rows(x)))
    return sum_(g, axis=tuple(range(g.ndim - 1)), keepdims=False)


linear: Row = row(
    "linear",
    _linear_ref,
    _linear_rule,
    vjp=_linear_vjp,
    saves=(0, 1),
    crossed=True,
    kernel="linear",
    flops=lambda x, w, *bias: 2 * math.prod(x.shape) * w.shape[0],
)
