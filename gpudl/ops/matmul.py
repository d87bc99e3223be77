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
from .shape import permute


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
    broadcasts=True,
    flops=lambda a, b: 2 * math.prod(_matmul_rule(a, b).shape) * a.shape[-1],
)
