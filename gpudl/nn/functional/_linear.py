"""Linear maps, classes as vectors, and distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import devices, shapes
from ..._namespace.manipulation import broadcast_arrays
from ...dtypes import int64, kind
from ...errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexRangeError,
    ShapeError,
)
from ...ops import elementwise as ew
from ...ops import matmul as mm
from ...ops.create import arange, device_of
from ...ops.index import HOLE, take_items
from ...ops.reduce import max_, sum_
from ...ops.shape import expand, permute, reshape
from ._check import (
    axis,
    clamp_min,
    common,
    constant,
    number,
    placed,
    real_float,
    same_dtype,
    tensor,
)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias: (..., K), (N, K) and (N,) give (..., N)."""
    try:
        same = input.data.dtype is weight.data.dtype
    except AttributeError:
        tensor("linear", input)
        tensor("linear", weight, "weight")
        same = False
    if not same:
        same_dtype("linear", input, weight=weight)
    if bias is None:
        return mm.linear(input, weight)
    same_dtype("linear", input, bias=tensor("linear", bias, "bias"))
    return mm.linear(input, weight, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """x1 @ weight[n] @ x2 + bias[n] for each n: (..., I), (..., J), (N, I, J) and (N,) give (...,
    N)."""
    a, b, w = tensor("bilinear", input1), tensor("bilinear", input2), tensor("bilinear", weight)
    same_dtype("bilinear", a, input2=b, weight=w, bias=bias)
    if (
        w.ndim != 3
        or not a.ndim
        or a.shape[:-1] != b.shape[:-1]
        or (a.shape[-1], b.shape[-1]) != w.shape[1:]
    ):
        raise ShapeError(
            "bilinear",
            "inputs are (..., I) and (..., J), weight (N, I, J)",
            input1=a,
            input2=b,
            weight=w,
        )
    N, I, J = w.shape
    flat = reshape(permute(w, axes=(0, 2, 1)), shape=(N * J, I))
    inner = reshape(mm.linear(a, flat), shape=(*a.shape[:-1], N, J))
    out = sum_(inner * expand(b, axis=(b.ndim - 1,)), axis=(inner.ndim - 1,), keepdims=False)
    return out if bias is None else out + bias


def one_hot(tensor_: Any, num_classes: int = -1) -> Any:
    """Classes (...) as int64 (..., C) with a one at each class."""
    x = tensor("one_hot", tensor_)
    if kind(x.data.dtype) != 1:
        raise ArgumentTypeError(
            "one_hot", f"classes of dtype {x.dtype.name}", remedy="integers", input=x
        )
    if num_classes == -1 and x.data.size == 0:
        raise ArgumentError("one_hot", "no classes to count", remedy="num_classes=...")
    high = int(x.max()) + 1 if x.data.size else 0
    count = high if num_classes == -1 else shapes.as_int("one_hot", "num_classes", num_classes)
    if x.data.size and (int(x.min()) < 0 or high > count):
        raise IndexRangeError("one_hot", f"classes outside 0 .. {count - 1}", input=x)
    x = x.astype("int64", copy=False)
    shapes.count("one_hot", (*x.shape, max(count, 0)), 8)
    classes = arange(start=0, step=1, length=count, dtype=x.dtype, device=device_of(x))
    return (expand(x, axis=(x.ndim,)) == classes).astype("int64")


def vector_norm(op: str, x: Any, p: float, at: int, keepdim: bool) -> Any:
    """(sum |x|^p)^(1/p) along one axis; its gradient is 0, not NaN, where the norm is 0."""
    if p < 0:
        raise ArgumentError(op, f"p is {p}", remedy="at least 0")
    size = ew.absolute(x)
    if p == float("inf"):
        return max_(size, axis=(at,), keepdims=keepdim)
    if p == 0:
        return sum_((size != 0).astype(x.dtype), axis=(at,), keepdims=keepdim)
    if p == 1:
        return sum_(size, axis=(at,), keepdims=keepdim)
    total = sum_(ew.square(x) if p == 2 else size**p, axis=(at,), keepdims=keepdim)
    zero = total == 0
    one = constant(op, total, 1)
    safe = ew.where(zero, one, total)
    root = ew.sqrt(safe) if p == 2 else safe ** (1 / p)
    return ew.where(zero, constant(op, total, 0), root)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """input / max(norm, eps), with the p-norm along `dim`."""
    x = tensor("normalize", input)
    norm = vector_norm("normalize", x, number("normalize", "p", p), axis("normalize", dim, x), True)
    return x / clamp_min("normalize", norm, number("normalize", "eps", eps))


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`, the other axes broadcast."""
    op = "cosine_similarity"
    a, b = broadcast_arrays(*common(op, tensor(op, x1, "x1"), tensor(op, x2, "x2")))
    at = axis(op, dim, a)
    low = number(op, "eps", eps)
    na, nb = (clamp_min(op, vector_norm(op, x, 2, at, True), low) for x in (a, b))
    return sum_((a / na) * (b / nb), axis=(at,), keepdims=False)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """The p-norm of x1 - x2 + eps along the last axis."""
    op = "pairwise_distance"
    a, b = common(op, tensor(op, x1, "x1"), tensor(op, x2, "x2"))
    d = a - b + number(op, "eps", eps)
    return vector_norm(op, d, number(op, "p", p), axis(op, -1, d), keepdim)


def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norms of the differences of all pairs of rows of (N, D), row 0 with 1, 2, ... first:
    (N (N - 1) / 2,).

    >>> import gpudl as gd
    >>> gd.nn.functional.pdist(gd.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]])).tolist()
    [5.0, 3.0, 4.0]
    """
    op = "pdist"
    x = real_float(op, input)
    if x.ndim != 2:
        raise ShapeError(op, "needs (N, D)", input=x)
    N, D = x.shape
    order = number(op, "p", p)
    shapes.count(op, (N, N, max(D, 1)), 8)
    with devices.allocating(op, (N, N), int64):
        first, second = np.triu_indices(N, 1)
    pairs = [take_items(x, placed(side, x), key=(HOLE,)) for side in (first, second)]
    d = pairs[0] - pairs[1]
    # Nothing has no largest element, and norm 0.
    return vector_norm(op, d, order, 1, False) if D else sum_(d, axis=(1,), keepdims=False)
