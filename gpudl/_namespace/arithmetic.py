"""Arithmetic, rounding, and the parts of complex numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..autograd import Row
from ..dtypes import float_of, kind
from ..errors import ArgumentError
from ..ops import elementwise as ops
from ..ops.shape import copy
from .convert import cast, floating, pair, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor


def _float_pair(row: Row, a: Any, b: Any) -> Any:
    a, b = pair(row.name, a, b)
    dtype = float_of(a.dtype)
    return row(cast(a, dtype), cast(b, dtype))


# ----- arithmetic -----
def add(x1: Any, x2: Any, /) -> Tensor:
    """x1 + x2.

    >>> import gpudl as gd
    >>> gd.add(gd.tensor([1, 2]), gd.tensor([10, 20]))
    tensor([11, 22])
    """
    return ops.add(*pair("add", x1, x2))


def subtract(x1: Any, x2: Any, /) -> Tensor:
    """x1 - x2.

    >>> import gpudl as gd
    >>> gd.subtract(gd.tensor([1, 2]), 1)
    tensor([0, 1])
    """
    return ops.subtract(*pair("subtract", x1, x2))


def multiply(x1: Any, x2: Any, /) -> Tensor:
    """x1 * x2.

    >>> import gpudl as gd
    >>> gd.multiply(gd.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return ops.multiply(*pair("multiply", x1, x2))


def divide(x1: Any, x2: Any, /) -> Tensor:
    """x1 / x2; integers give the default float.

    >>> import gpudl as gd
    >>> gd.divide(gd.tensor([1, 2]), 2)
    tensor([0.5, 1. ])
    """
    return _float_pair(ops.divide, x1, x2)


def floor_divide(x1: Any, x2: Any, /) -> Tensor:
    """The largest integer at most x1 / x2.

    >>> import gpudl as gd
    >>> gd.floor_divide(gd.tensor([-3, 3]), 2)
    tensor([-2,  1])
    """
    return ops.floor_divide(*pair("floor_divide", x1, x2))


def remainder(x1: Any, x2: Any, /) -> Tensor:
    """x1 - x2 * floor(x1 / x2), with the sign of x2.

    >>> import gpudl as gd
    >>> gd.remainder(gd.tensor([-3, 3]), 2)
    tensor([1, 1])
    """
    return ops.remainder(*pair("remainder", x1, x2))


def pow(x1: Any, x2: Any, /) -> Tensor:
    """x1 to the power x2.

    >>> import gpudl as gd
    >>> gd.pow(gd.tensor([1.0, 2.0]), 3)
    tensor([1., 8.])
    """
    if isinstance(x2, (int, float)) and not isinstance(x2, bool):
        x1 = tensor_of("pow", x1)
        if x2 == 2:
            return ops.square(x1) if kind(x1.dtype) else ops.multiply(x1, x1)
        if x2 == 0.5 and kind(x1.dtype) >= 2:
            return ops.sqrt(x1)
    a, b = pair("pow", x1, x2)
    if kind(a.dtype) < 2:
        if (b.data < 0).any():
            raise ArgumentError(
                "pow",
                "integers have no negative powers",
                remedy="x.astype(gd.float32) ** n",
                x1=a,
                x2=b,
            )
        return ops.int_power(a, b)
    return ops.power(a, b)


def negative(x: Any, /) -> Tensor:
    """-x.

    >>> import gpudl as gd
    >>> gd.negative(gd.tensor([1, -2]))
    tensor([-1,  2])
    """
    return ops.negative(tensor_of("negative", x))


def positive(x: Any, /) -> Tensor:
    """x itself, as a new tensor.

    >>> import gpudl as gd
    >>> gd.positive(gd.tensor([1, -2]))
    tensor([ 1, -2])
    """
    return copy(tensor_of("positive", x))


def square(x: Any, /) -> Tensor:
    """x * x.

    >>> import gpudl as gd
    >>> gd.square(gd.tensor([1, -2]))
    tensor([1, 4])
    """
    return ops.square(tensor_of("square", x))


def reciprocal(x: Any, /) -> Tensor:
    """1 / x.

    >>> import gpudl as gd
    >>> gd.reciprocal(gd.tensor([2.0, 4.0]))
    tensor([0.5 , 0.25])
    """
    return ops.reciprocal(floating("reciprocal", x))


def abs(x: Any, /) -> Tensor:
    """The absolute value; of complex numbers the modulus, a real.

    >>> import gpudl as gd
    >>> gd.abs(gd.tensor([1, -2]))
    tensor([1, 2])
    """
    return ops.absolute(tensor_of("abs", x))


def sign(x: Any, /) -> Tensor:
    """-1, 0 or 1; for complex numbers x / |x|.

    >>> import gpudl as gd
    >>> gd.sign(gd.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return ops.sign(tensor_of("sign", x))


def maximum(x1: Any, x2: Any, /) -> Tensor:
    """The larger of x1 and x2; NaN if either is. Ties share the gradient.

    >>> import gpudl as gd
    >>> gd.maximum(gd.tensor([1, 5]), 3)
    tensor([3, 5])
    """
    return ops.maximum(*pair("maximum", x1, x2))


def minimum(x1: Any, x2: Any, /) -> Tensor:
    """The smaller of x1 and x2; NaN if either is. Ties share the gradient.

    >>> import gpudl as gd
    >>> gd.minimum(gd.tensor([1, 5]), 3)
    tensor([1, 3])
    """
    return ops.minimum(*pair("minimum", x1, x2))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], with the dtype of x; the gradient passes inside, limits included.

    >>> import gpudl as gd
    >>> gd.clip(gd.tensor([-1, 0, 1, 2]), 0, 1)
    tensor([0, 0, 1, 1])
    """
    x = tensor_of("clip", x)
    for bound, beyond in ((min, ops.less), (max, ops.greater)):
        if bound is not None:
            _, b = pair("clip", x, bound)
            b = cast(b, x.dtype)
            x = ops.where(beyond(x, b), b, x)
    return x


def hypot(x1: Any, x2: Any, /) -> Tensor:
    """sqrt(x1**2 + x2**2) without overflow.

    >>> import gpudl as gd
    >>> gd.hypot(gd.tensor([3.0]), gd.tensor([4.0]))
    tensor([5.])
    """
    return _float_pair(ops.hypot, x1, x2)


def atan2(x1: Any, x2: Any, /) -> Tensor:
    """The angle of the point (x2, x1), in radians.

    >>> import gpudl as gd
    >>> gd.atan2(gd.tensor([0.0]), gd.tensor([1.0]))
    tensor([0.])
    """
    return _float_pair(ops.arctan2, x1, x2)


def logaddexp(x1: Any, x2: Any, /) -> Tensor:
    """log(exp(x1) + exp(x2)) without overflow.

    >>> import gpudl as gd
    >>> gd.logaddexp(gd.tensor([-1e4]), gd.tensor([0.0]))
    tensor([0.])
    """
    return _float_pair(ops.logaddexp, x1, x2)


def copysign(x1: Any, x2: Any, /) -> Tensor:
    """x1 with the sign of x2.

    >>> import gpudl as gd
    >>> gd.copysign(gd.tensor([1.0, 2.0]), -1.0)
    tensor([-1., -2.])
    """
    return _float_pair(ops.copysign, x1, x2)


def nextafter(x1: Any, x2: Any, /) -> Tensor:
    """The neighbouring float of x1 towards x2.

    >>> import gpudl as gd
    >>> gd.nextafter(gd.tensor([1.0]), gd.tensor([2.0])) > 1
    tensor([ True])
    """
    return _float_pair(ops.nextafter, x1, x2)


# ----- rounding -----
def floor(x: Any, /) -> Tensor:
    """The largest integer at most x.

    >>> import gpudl as gd
    >>> gd.floor(gd.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return ops.floor(tensor_of("floor", x))


def ceil(x: Any, /) -> Tensor:
    """The smallest integer at least x.

    >>> import gpudl as gd
    >>> gd.ceil(gd.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return ops.ceil(tensor_of("ceil", x))


def trunc(x: Any, /) -> Tensor:
    """x without its fraction.

    >>> import gpudl as gd
    >>> gd.trunc(gd.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return ops.trunc(tensor_of("trunc", x))


def round(x: Any, /) -> Tensor:
    """The nearest integer, ties to even.

    >>> import gpudl as gd
    >>> gd.round(gd.tensor([0.5, 1.5]))
    tensor([0., 2.])
    """
    return ops.round_(tensor_of("round", x))


# ----- complex -----
def conj(x: Any, /) -> Tensor:
    """The complex conjugate; real tensors as they are.

    >>> import gpudl as gd
    >>> gd.conj(gd.tensor([1 + 2j]))
    tensor([1.-2.j], dtype=complex64)
    """
    return ops.conj_of(tensor_of("conj", x))


def real(x: Any, /) -> Tensor:
    """The real part; of real tensors themselves.

    >>> import gpudl as gd
    >>> gd.real(gd.tensor([1 + 2j]))
    tensor([1.])
    """
    x = tensor_of("real", x)
    return ops.real(x) if kind(x.dtype) == 3 else x


def imag(x: Any, /) -> Tensor:
    """The imaginary part of a complex tensor.

    >>> import gpudl as gd
    >>> gd.imag(gd.tensor([1 + 2j]))
    tensor([2.])
    """
    return ops.imag(tensor_of("imag", x))
