"""Activation functions, softmax and one-hot codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import devices, shapes
from ..autograd import Row
from ..dtypes import as_dtype, check_kind, default_float, int64
from ..errors import IndexRangeError
from ..ops import activation as ops
from ..ops import create
from ..ops import elementwise as ew
from ..ops.shape import expand, permute
from .convert import cast, floating, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "erf",
    "erfinv",
    "gelu",
    "log_softmax",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
]


def sigmoid(x: Any, /) -> Tensor:
    """1 / (1 + exp(-x)), element by element, without overflow.

    >>> import gpudl as gd
    >>> gd.sigmoid(gd.tensor([-1e4, 0.0, 1e4]))
    tensor([0. , 0.5, 1. ])
    """
    return ops.sigmoid(floating("sigmoid", x))


def relu(x: Any, /) -> Tensor:
    """max(x, 0), element by element; the gradient at 0 is 0.

    >>> import gpudl as gd
    >>> gd.relu(gd.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    x = tensor_of("relu", x)
    return ew.maximum(x, ew.zero(x)) if x.dtype.kind in "iu" else ops.relu(x)


def silu(x: Any, /) -> Tensor:
    """x * sigmoid(x), element by element (Elfwing, Uchibe, Doya 2018).

    >>> import gpudl as gd
    >>> gd.silu(gd.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return ops.silu(floating("silu", x))


def gelu(x: Any, /, *, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; `approximate="tanh"` uses tanh for it
    (Hendrycks, Gimpel 2016).

    >>> import gpudl as gd
    >>> gd.gelu(gd.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return ops.gelu(floating("gelu", x), approximate=approximate)


def erf(x: Any, /) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.

    >>> import gpudl as gd
    >>> gd.erf(gd.tensor([0.0, 10.0]))
    tensor([0., 1.])
    """
    return ops.erf(floating("erf", x))


def erfinv(x: Any, /) -> Tensor:
    """The inverse of `erf` on [-1, 1]; NaN outside.

    >>> import gpudl as gd
    >>> gd.erfinv(gd.tensor([-1.0, 0.0, 1.0]))
    tensor([-inf,   0.,  inf])
    """
    return ops.erfinv(floating("erfinv", x))


def _along(row: Row, x: Any, axis: int) -> Any:
    """`row`, which works along the last axis, along another."""
    x = floating(row.name, x)
    if not x.ndim:
        check_kind(row.name, x.dtype, "f")
        shapes.normalize_axis(row.name, axis, 1)
        return row(x.reshape((1,))).reshape(())
    at, last = shapes.normalize_axis(row.name, axis, x.ndim), x.ndim - 1
    if at == last:
        return row(x)
    order = list(range(x.ndim))
    order[at], order[last] = last, at
    return permute(row(permute(x, axes=tuple(order))), axes=tuple(order))


def softmax(x: Any, /, axis: int = -1) -> Tensor:
    """exp(x) divided by its sum along `axis`, without overflow; the shape of `x`.

    >>> import gpudl as gd
    >>> gd.softmax(gd.tensor([[0.0, 0.0], [0.0, 1e4]]))
    tensor([[0.5, 0.5],
            [0. , 1. ]])
    """
    return _along(ops.softmax, x, axis)


def log_softmax(x: Any, /, axis: int = -1) -> Tensor:
    """x - log(sum(exp(x))) along `axis`, without overflow; the shape of `x`.

    >>> import gpudl as gd
    >>> gd.log_softmax(gd.tensor([0.0, 1e4]))
    tensor([-10000.,      0.])
    """
    return _along(ops.log_softmax, x, axis)


def one_hot(x: Any, num_classes: int, /, *, dtype: Any = None) -> Tensor:
    """Integer labels of any shape as rows of `num_classes` zeros with one 1; float32 unless
    `dtype`.

    Raises `IndexRangeError` for a label outside [0, num_classes).

    >>> import gpudl as gd
    >>> gd.one_hot(gd.tensor([0, 2]), 3)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    x = tensor_of("one_hot", x)
    check_kind("one_hot", x.dtype, "i", x=x)
    n = shapes.as_int("one_hot", "num_classes", num_classes)
    shapes.count("one_hot", shapes.as_shape("one_hot", (*x.shape, n)), 8)
    if x.data.size:
        low, high = int(x.data.min()), int(x.data.max())
        if low < 0 or high >= n:
            raise IndexRangeError(
                "one_hot", f"labels from {low} to {high}", remedy=f"from 0 to {n - 1}", x=x
            )
    classes = create.arange(start=0, step=1, length=n, dtype=int64, device=devices.of(x.data))
    hit = ew.equal(expand(cast(x, int64), axis=(x.ndim,)), classes)
    return cast(hit, default_float if dtype is None else as_dtype(dtype, "one_hot"))
