"""Reductions: sums, products, extrema, moments, truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import shapes
from ..dtypes import as_dtype, default_int, float_of, int64, kind, real_of, uint64
from ..errors import ArgumentError
from ..ops import elementwise as ew
from ..ops import reduce as ops
from ..ops.shape import broadcast_to, expand, join
from .convert import cast, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def _axes(op: str, x: Any, axis: Any) -> tuple[int, ...]:
    return shapes.normalize_axes(op, axis, x.ndim)


def _accumulated(op: str, x: Any, dtype: Any) -> Any:
    """`x` in the dtype a sum of it has: small integers widen to 64 bits."""
    if dtype is not None:
        return cast(x, as_dtype(dtype, op))
    if x.data.dtype.kind == "f":
        return x
    if kind(x.dtype) == 1 and x.dtype.itemsize < 8:
        return cast(x, uint64 if x.dtype.kind == "u" else int64)
    return cast(x, default_int) if kind(x.dtype) == 0 else x


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (all by default).

    >>> import gpudl as gd
    >>> gd.sum(gd.tensor([[1, 2], [3, 4]]), axis=0)
    tensor([4, 6])
    """
    x = _accumulated("sum", tensor_of("sum", x), dtype)
    return ops.sum_(x, axis=_axes("sum", x, axis), keepdims=bool(keepdims))


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over `axis` (all by default).

    >>> import gpudl as gd
    >>> gd.prod(gd.tensor([2, 3, 4]))
    tensor(24)
    """
    x = _accumulated("prod", tensor_of("prod", x), dtype)
    return ops.prod(x, axis=_axes("prod", x, axis), keepdims=bool(keepdims))


def max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis`; ties share the gradient.

    >>> import gpudl as gd
    >>> gd.max(gd.tensor([[1, 2], [3, 0]]), axis=1)
    tensor([2, 3])
    """
    x = tensor_of("max", x)
    return ops.max_(x, axis=_axes("max", x, axis), keepdims=bool(keepdims))


def min(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis`; ties share the gradient.

    >>> import gpudl as gd
    >>> gd.min(gd.tensor([[1, 2], [3, 0]]), axis=1)
    tensor([1, 0])
    """
    x = tensor_of("min", x)
    return ops.min_(x, axis=_axes("min", x, axis), keepdims=bool(keepdims))


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element over `axis` is true.

    >>> import gpudl as gd
    >>> gd.any(gd.tensor([False, True]))
    tensor(True)
    """
    x = tensor_of("any", x)
    return ops.any_(x, axis=_axes("any", x, axis), keepdims=bool(keepdims))


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over `axis` are true.

    >>> import gpudl as gd
    >>> gd.all(gd.tensor([False, True]))
    tensor(False)
    """
    x = tensor_of("all", x)
    return ops.all_(x, axis=_axes("all", x, axis), keepdims=bool(keepdims))


def _count(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[i] for i in axes)


def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`; integers give the default float. NaN where there are no elements.

    >>> import gpudl as gd
    >>> gd.mean(gd.tensor([1, 2, 3, 6]))
    tensor(3.)
    """
    x = tensor_of("mean", x)
    x = cast(x, float_of(x.dtype))
    axes = _axes("mean", x, axis)
    n = _count(x, axes)
    total = ops.sum_(x, axis=axes, keepdims=bool(keepdims))
    return total * (1.0 / n) if n and n & (n - 1) == 0 else total / n


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over `axis`, dividing by the number of elements less `correction`.

    >>> import gpudl as gd
    >>> gd.var(gd.tensor([1.0, 3.0]))
    tensor(1.)
    """
    x = tensor_of("var", x)
    x = cast(x, float_of(x.dtype))
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise ArgumentError("var", f"correction is {correction!r}", remedy="a number")
    axes = _axes("var", x, axis)
    centered = x - mean(x, axis=axes, keepdims=True)
    size = ew.absolute(centered) if real_of(x.dtype) != x.dtype else centered
    total = ops.sum_(ew.square(size), axis=axes, keepdims=bool(keepdims))
    left = _count(x, axes) - correction
    return total / (left if left > 0 else 0)


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviation over `axis`: the square root of `var`.

    >>> import gpudl as gd
    >>> gd.std(gd.tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """
    return ew.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def logsumexp(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` without overflow; -inf over no elements.

    >>> import gpudl as gd
    >>> gd.logsumexp(gd.tensor([1e4, -1e4]))
    tensor(10000.)
    """
    x = tensor_of("logsumexp", x)
    x = cast(x, float_of(x.dtype))
    return ops.logsumexp(x, axis=_axes("logsumexp", x, axis), keepdims=bool(keepdims))


def _search(op: str, row: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    x = tensor_of(op, x)
    if axis is None:
        out = row(x.reshape((-1,)) if x.ndim != 1 else x, axis=0)
        return out.reshape((1,) * x.ndim) if keepdims else out
    at = shapes.normalize_axis(op, axis, x.ndim)
    out = row(x, axis=at)
    return expand(out, axis=(at,)) if keepdims else out


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element along `axis`, or in the flattened tensor.

    >>> import gpudl as gd
    >>> gd.argmax(gd.tensor([1, 5, 5]))
    tensor(1)
    """
    return _search("argmax", ops.argmax, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element along `axis`, or in the flattened tensor.

    >>> import gpudl as gd
    >>> gd.argmin(gd.tensor([3, 1, 2]))
    tensor(1)
    """
    return _search("argmin", ops.argmin, x, axis, keepdims)


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements over `axis` are not zero.

    >>> import gpudl as gd
    >>> gd.count_nonzero(gd.tensor([0, 1, 2]))
    tensor(2)
    """
    x = tensor_of("count_nonzero", x)
    hit = ew.not_equal(x, ew.zero(x))
    return ops.sum_(hit, axis=_axes("count_nonzero", x, axis), keepdims=bool(keepdims))


def _scan(op: str, row: Any, start: float, x: Any, axis: Any, dtype: Any, initial: bool) -> Any:
    x = tensor_of(op, x)
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(op, "axis is needed unless x has one axis", x=x)
        axis = 0
    at = shapes.normalize_axis(op, axis, x.ndim)
    out = row(_accumulated(op, x, dtype), axis=at)
    if not initial:
        return out
    first = ew.zero(out) + start
    head = first + broadcast_to(ew.zero(out), shape=(*out.shape[:at], 1, *out.shape[at + 1 :]))
    return join((head, out), at)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Sums of the first 1, 2, ... elements along `axis`; with `include_initial` a zero comes first.

    >>> import gpudl as gd
    >>> gd.cumulative_sum(gd.tensor([1, 2, 3]))
    tensor([1, 3, 6])
    """
    return _scan("cumulative_sum", ops.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Products of the first 1, 2, ... elements along `axis`; with `include_initial` a one comes
    first.

    >>> import gpudl as gd
    >>> gd.cumulative_prod(gd.tensor([1, 2, 3]), include_initial=True)
    tensor([1, 1, 2, 6])
    """
    return _scan("cumulative_prod", ops.cumprod, 1, x, axis, dtype, include_initial)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Tensor:
    """The `n`-th differences of neighbours along `axis`.

    >>> import gpudl as gd
    >>> gd.diff(gd.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    x = tensor_of("diff", x)
    at = shapes.normalize_axis("diff", axis, x.ndim)
    n = shapes.as_int("diff", "n", n)
    if n < 0:
        raise ArgumentError("diff", f"n is {n}", remedy="at least 0")
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        x = join(tuple(cast(tensor_of("diff", part), x.dtype) for part in parts), at)
    lead = (slice(None),) * at
    for _ in range(min_int(n, x.shape[at])):
        ahead, behind = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = ew.logical_xor(ahead, behind) if kind(x.dtype) == 0 else ahead - behind
    return x


def min_int(a: int, b: int) -> int:
    """The smaller of two Python integers (`min` is the tensor function here)."""
    return a if a < b else b
