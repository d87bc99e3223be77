"""Sorting, searching and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import devices, shapes
from ..autograd import make
from ..dtypes import check_kind
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..ops import elementwise as ew
from ..ops import reduce as ops
from ..ops import shape as shape_ops
from .convert import pair, tensor_of
from .indexing import take

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "argsort",
    "isin",
    "nonzero",
    "searchsorted",
    "sort",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


# ----- order -----
def _sorted(op: str, x: Any, axis: int, descending: bool, stable: bool) -> tuple[Any, Any]:
    x = tensor_of(op, x)
    if not isinstance(stable, bool) or not isinstance(descending, bool):
        raise ArgumentTypeError(op, f"descending={descending!r}, stable={stable!r}", remedy="bools")
    at = shapes.normalize_axis(op, axis, x.ndim)
    values, order = ops.sort(x, axis=at, descending=descending)
    return values, order


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """`x` sorted along `axis`; equal elements keep their order. NaNs come last, or first if
    `descending`.

    >>> import gpudl as gd
    >>> gd.sort(gd.tensor([3, 1, 2]), descending=True)
    tensor([3, 2, 1])
    """
    return _sorted("sort", x, axis, descending, stable)[0]


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The int64 indices that sort `x` along `axis`; equal elements keep their order.

    >>> import gpudl as gd
    >>> gd.argsort(gd.tensor([30, 10, 20]))
    tensor([1, 2, 0])
    """
    return _sorted("argsort", x, axis, descending, stable)[1]


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """For each element of `x2` the place in the sorted vector `x1` at which it keeps the order;
    int64, the shape of `x2`.

    Among equal elements, `side` is "left" or "right" of them. `sorter` are indices that sort `x1`.

    >>> import gpudl as gd
    >>> gd.searchsorted(gd.tensor([1.0, 2.0, 3.0]), gd.tensor([0.5, 2.0]))
    tensor([0, 1])
    """
    if side not in ("left", "right"):
        raise ArgumentError("searchsorted", f"side={side!r}", remedy='"left" or "right"')
    x1 = tensor_of("searchsorted", x1)
    if x1.ndim != 1:
        raise ShapeError("searchsorted", "needs a sorted vector", x1=x1)
    if sorter is not None:
        x1 = take(x1, sorter)
    a, b = pair("searchsorted", x1, x2)
    check_kind("searchsorted", a.dtype, "bif", x1=a, x2=b)
    return shape_ops.searchsorted(a, b, side=side)


# The size of what these two give is not known before, so they are no rows.
def _nonzero(xp: Any, x: Any) -> tuple[Any, ...]:
    return tuple(xp.ascontiguousarray(index) for index in xp.nonzero(x))


def _unique(xp: Any, x: Any) -> tuple[Any, ...]:
    _, first, inverse, counts = xp.unique(
        x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return tuple(found.astype(np.int64) for found in (first, inverse.reshape(x.shape), counts))


def _by_library(function: Any, x: Any) -> tuple[Any, ...]:
    device = devices.of(x.data)
    return tuple(make(out) for out in device.scoped(function)(device.xp, x.data))


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The indices of the elements that are not zero: an int64 vector for each axis, in row-major
    order.

    >>> import gpudl as gd
    >>> gd.nonzero(gd.tensor([0.0, 5.0, 7.0]))
    (tensor([1, 2]),)
    """
    x = tensor_of("nonzero", x)
    if not x.ndim:
        raise ShapeError("nonzero", "a 0-d tensor has no axes to index", remedy="x != 0", x=x)
    with devices.allocating("nonzero", x.shape, x.dtype):
        return _by_library(_nonzero, x)


# ----- sets -----
class UniqueAll(NamedTuple):
    """Result of `unique_all`."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """Result of `unique_counts`."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """Result of `unique_inverse`."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct elements of `x` in order, where each first occurs in the flattened `x`, which
    one each element of `x` is (in the shape of `x`), and how often each occurs. Every NaN is
    distinct.

    >>> import gpudl as gd
    >>> gd.unique_all(gd.tensor([2, 1, 2])).counts
    tensor([1, 2])
    """
    x = tensor_of("unique_all", x)
    with devices.allocating("unique", x.shape, x.dtype):
        first, inverse, counts = _by_library(_unique, x)
    # Taken from x rather than from the sorted copy, so that gradients find their way back.
    values = take(shape_ops.reshape(x, shape=(x.data.size,)), first)
    return UniqueAll(values, first, inverse, counts)


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct elements of `x` in order, and how often each occurs.

    >>> import gpudl as gd
    >>> gd.unique_counts(gd.tensor([2, 1, 2])).values
    tensor([1, 2])
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct elements of `x` in order, and which of them each element of `x` is.

    >>> import gpudl as gd
    >>> gd.unique_inverse(gd.tensor([2, 1, 2])).inverse_indices
    tensor([1, 0, 1])
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Tensor:
    """The distinct elements of `x` in order, as a vector.

    >>> import gpudl as gd
    >>> gd.unique_values(gd.tensor([2, 1, 2]))
    tensor([1, 2])
    """
    return unique_all(x).values


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Whether each element of `x1` is among those of `x2` (is not, if `invert`); bool, the shape of
    `x1`.

    >>> import gpudl as gd
    >>> gd.isin(gd.tensor([1, 2, 3]), gd.tensor([2, 5]))
    tensor([False,  True, False])
    """
    a, b = pair("isin", x1, x2)
    many = shape_ops.reshape(b, shape=(b.data.size,))
    if not b.data.size:
        hit = ew.logical_xor(ew.equal(a, a), ew.equal(a, a))
    elif a.dtype.kind == "c":
        hit = ops.any_(
            ew.equal(shape_ops.expand(a, axis=(a.ndim,)), many), axis=(a.ndim,), keepdims=False
        )
    else:
        ordered = ops.sort(many, axis=0, descending=False)[0]
        at = shape_ops.searchsorted(ordered, a, side="left")
        last = ew.minimum(at, ew.zero(at) + (b.data.size - 1))
        hit = ew.equal(
            take(ordered, shape_ops.reshape(last, shape=(a.data.size,))).reshape(a.shape), a
        )
    return ew.logical_not(hit) if invert else hit
