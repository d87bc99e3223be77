"""Functions that NumPy has and the standard has not: shapes, splitting, stacking, and the
product `dot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .. import shapes
from ..checks import real
from ..errors import ArgumentTypeError, ShapeError
from ..ops import elementwise as ew
from ..ops import shape as ops
from . import creation, elementwise, linear, manipulation, reductions
from .convert import tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "concatenate",
    "cumprod",
    "cumsum",
    "dot",
    "hstack",
    "logspace",
    "power",
    "ravel",
    "split",
    "swapaxes",
    "transpose",
    "vstack",
]

# Older names of what the standard has.
absolute = elementwise.abs
arccos, arcsin, arctan = elementwise.acos, elementwise.asin, elementwise.atan
arccosh, arcsinh, arctanh = elementwise.acosh, elementwise.asinh, elementwise.atanh
arctan2, power = elementwise.atan2, elementwise.pow
concatenate = manipulation.concat
cumsum, cumprod = reductions.cumulative_sum, reductions.cumulative_prod


def transpose(x: Any, /, axes: Any = None) -> Tensor:
    """`x` with its axes in the order `axes`, reversed by default; a view.

    >>> import gpudl as gd
    >>> gd.transpose(gd.ones(2, 3, 4)).shape
    (4, 3, 2)
    """
    x = tensor_of("transpose", x)
    return manipulation.permute_dims(x, tuple(reversed(range(x.ndim))) if axes is None else axes)


def swapaxes(x: Any, axis1: int, axis2: int, /) -> Tensor:
    """`x` with two axes exchanged; a view.

    >>> import gpudl as gd
    >>> gd.swapaxes(gd.ones(2, 3, 4), 0, 2).shape
    (4, 3, 2)
    """
    x = tensor_of("swapaxes", x)
    i, j = (shapes.normalize_axis("swapaxes", axis, x.ndim) for axis in (axis1, axis2))
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return ops.permute(x, axes=tuple(order))


def ravel(x: Any, /) -> Tensor:
    """All elements of `x` along one axis, in row-major order.

    >>> import gpudl as gd
    >>> gd.ravel(gd.ones(2, 3)).shape
    (6,)
    """
    x = tensor_of("ravel", x)
    return ops.reshape(x, shape=(x.data.size,))


def _at_least(op: str, rank: int, xs: tuple[Any, ...]) -> Any:
    if not xs:
        raise ArgumentTypeError(op, "needs at least one array")
    tensors = [tensor_of(op, x) for x in xs]
    out = []
    for x in tensors:
        missing = max(0, rank - x.ndim)
        # As in NumPy: a vector is a row of a matrix, and a matrix a slab of depth 1.
        after = 1 if rank == 3 and x.ndim in (1, 2) else 0
        before = missing - after
        out.append(ops.reshape(x, shape=(1,) * before + x.shape + (1,) * after) if missing else x)
    return out[0] if len(out) == 1 else tuple(out)


def atleast_1d(*arrays: Any) -> Any:
    """Each array with at least one axis.

    >>> import gpudl as gd
    >>> gd.atleast_1d(2.0)
    tensor([2.])
    """
    return _at_least("atleast_1d", 1, arrays)


def atleast_2d(*arrays: Any) -> Any:
    """Each array with at least two axes; a vector becomes a row.

    >>> import gpudl as gd
    >>> gd.atleast_2d(gd.ones(3)).shape
    (1, 3)
    """
    return _at_least("atleast_2d", 2, arrays)


def atleast_3d(*arrays: Any) -> Any:
    """Each array with at least three axes: (N,) becomes (1, N, 1), (M, N) becomes (M, N, 1).

    >>> import gpudl as gd
    >>> gd.atleast_3d(gd.ones(3)).shape
    (1, 3, 1)
    """
    return _at_least("atleast_3d", 3, arrays)


def split(x: Any, indices_or_sections: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """`x` cut along `axis` into a number of equal parts, or before each of a sequence of indices;
    views.

    >>> import gpudl as gd
    >>> [part.shape for part in gd.split(gd.ones(5), [2])]
    [(2,), (3,)]
    """
    x = tensor_of("split", x)
    at = shapes.normalize_axis("split", axis, x.ndim)
    n = x.shape[at]
    if isinstance(indices_or_sections, Sequence):
        cuts = [shapes.as_int("split", "an index", i) for i in indices_or_sections]
    else:
        parts = shapes.as_int("split", "the number of parts", indices_or_sections)
        if parts < 1 or n % parts:
            raise ShapeError(
                "split", f"an axis of {n} does not divide into {parts} equal parts", x=x
            )
        cuts = list(range(n // parts, n, n // parts)) if n else [0] * (parts - 1)
    lead = (slice(None),) * at
    bounds = [None, *cuts, None]
    return tuple(x[(*lead, slice(low, high))] for low, high in pairwise(bounds))


def vstack(arrays: Any, /) -> Tensor:
    """Arrays one below the other: joined along the first axis, vectors as rows.

    >>> import gpudl as gd
    >>> gd.vstack([gd.ones(3), gd.zeros(3)]).shape
    (2, 3)
    """
    if not isinstance(arrays, (tuple, list)) or not arrays:
        raise ArgumentTypeError("vstack", "needs a tuple or list with at least one array")
    return manipulation.concat([atleast_2d(x) for x in arrays], axis=0)


def hstack(arrays: Any, /) -> Tensor:
    """Arrays side by side: joined along the second axis, vectors along their only one.

    >>> import gpudl as gd
    >>> gd.hstack([gd.ones(3), gd.zeros(2)]).shape
    (5,)
    """
    if not isinstance(arrays, (tuple, list)) or not arrays:
        raise ArgumentTypeError("hstack", "needs a tuple or list with at least one array")
    xs = [atleast_1d(x) for x in arrays]
    return manipulation.concat(xs, axis=0 if xs[0].ndim == 1 else 1)


def dot(x1: Any, x2: Any, /) -> Tensor:
    """NumPy's product: of a number with anything, else over the last axis of `x1` and the last but
    one of `x2`.

    >>> import gpudl as gd
    >>> gd.dot(gd.tensor([1.0, 2.0]), gd.tensor([3.0, 4.0]))
    tensor(11.)
    """
    a, b = tensor_of("dot", x1), tensor_of("dot", x2)
    if not a.ndim or not b.ndim:
        return a * b
    return linear.tensordot(a, b, axes=((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def logspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    base: float = 10.0,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """`num` values from base**start to base**stop, evenly spaced on a logarithmic scale.

    >>> import gpudl as gd
    >>> gd.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    base = real("logspace", "base", base)
    exponents = creation.linspace(start, stop, num, dtype="float64", device=device)
    values = ew.power(ew.zero(exponents) + base, exponents)
    return creation.astype(values, "float32" if dtype is None else dtype, copy=False)
