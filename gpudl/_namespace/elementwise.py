"""Elementwise functions of the array standard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..autograd import Row
from ..dtypes import bool_, float_of, kind
from ..ops import elementwise as ops
from ..ops.shape import copy
from .convert import cast, floating, pair, several, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__: list[str] = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "trunc",
    "where",
]  # fmt: skip


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


# ----- exponentials, logarithms, roots -----
def exp(x: Any, /) -> Tensor:
    """e to the power x.

    >>> import gpudl as gd
    >>> gd.exp(gd.tensor([0.0]))
    tensor([1.])
    """
    return ops.exp(floating("exp", x))


def expm1(x: Any, /) -> Tensor:
    """exp(x) - 1, accurate near 0.

    >>> import gpudl as gd
    >>> gd.expm1(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.expm1(floating("expm1", x))


def log(x: Any, /) -> Tensor:
    """The natural logarithm.

    >>> import gpudl as gd
    >>> gd.log(gd.tensor([1.0]))
    tensor([0.])
    """
    return ops.log(floating("log", x))


def log1p(x: Any, /) -> Tensor:
    """log(1 + x), accurate near 0.

    >>> import gpudl as gd
    >>> gd.log1p(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.log1p(floating("log1p", x))


def log2(x: Any, /) -> Tensor:
    """The logarithm to base 2.

    >>> import gpudl as gd
    >>> gd.log2(gd.tensor([8.0]))
    tensor([3.])
    """
    return ops.log2(floating("log2", x))


def log10(x: Any, /) -> Tensor:
    """The logarithm to base 10.

    >>> import gpudl as gd
    >>> gd.log10(gd.tensor([100.0]))
    tensor([2.0000002])
    """
    return ops.log10(floating("log10", x))


def sqrt(x: Any, /) -> Tensor:
    """The square root.

    >>> import gpudl as gd
    >>> gd.sqrt(gd.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return ops.sqrt(floating("sqrt", x))


# ----- trigonometric and hyperbolic -----
def sin(x: Any, /) -> Tensor:
    """The sine of x in radians.

    >>> import gpudl as gd
    >>> gd.sin(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.sin(floating("sin", x))


def cos(x: Any, /) -> Tensor:
    """The cosine of x in radians.

    >>> import gpudl as gd
    >>> gd.cos(gd.tensor([0.0]))
    tensor([1.])
    """
    return ops.cos(floating("cos", x))


def tan(x: Any, /) -> Tensor:
    """The tangent of x in radians.

    >>> import gpudl as gd
    >>> gd.tan(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.tan(floating("tan", x))


def asin(x: Any, /) -> Tensor:
    """The inverse sine, in radians.

    >>> import gpudl as gd
    >>> gd.asin(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.arcsin(floating("asin", x))


def acos(x: Any, /) -> Tensor:
    """The inverse cosine, in radians.

    >>> import gpudl as gd
    >>> gd.acos(gd.tensor([1.0]))
    tensor([0.])
    """
    return ops.arccos(floating("acos", x))


def atan(x: Any, /) -> Tensor:
    """The inverse tangent, in radians.

    >>> import gpudl as gd
    >>> gd.atan(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.arctan(floating("atan", x))


def sinh(x: Any, /) -> Tensor:
    """The hyperbolic sine.

    >>> import gpudl as gd
    >>> gd.sinh(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.sinh(floating("sinh", x))


def cosh(x: Any, /) -> Tensor:
    """The hyperbolic cosine.

    >>> import gpudl as gd
    >>> gd.cosh(gd.tensor([0.0]))
    tensor([1.])
    """
    return ops.cosh(floating("cosh", x))


def tanh(x: Any, /) -> Tensor:
    """The hyperbolic tangent.

    >>> import gpudl as gd
    >>> gd.tanh(gd.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    return ops.tanh(floating("tanh", x))


def asinh(x: Any, /) -> Tensor:
    """The inverse hyperbolic sine.

    >>> import gpudl as gd
    >>> gd.asinh(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.arcsinh(floating("asinh", x))


def acosh(x: Any, /) -> Tensor:
    """The inverse hyperbolic cosine.

    >>> import gpudl as gd
    >>> gd.acosh(gd.tensor([1.0]))
    tensor([0.])
    """
    return ops.arccosh(floating("acosh", x))


def atanh(x: Any, /) -> Tensor:
    """The inverse hyperbolic tangent.

    >>> import gpudl as gd
    >>> gd.atanh(gd.tensor([0.0]))
    tensor([0.])
    """
    return ops.arctanh(floating("atanh", x))


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


# ----- choice, tests, comparisons -----
def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """x1 where `condition` holds, x2 elsewhere.

    >>> import gpudl as gd
    >>> gd.where(gd.tensor([True, False]), 1.0, gd.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    c = cast(tensor_of("where", condition), bool_)
    return ops.where(c, *several("where", x1, x2))


def equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 == x2.

    >>> import gpudl as gd
    >>> gd.equal(gd.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return ops.equal(*pair("equal", x1, x2))


def not_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 != x2.

    >>> import gpudl as gd
    >>> gd.not_equal(gd.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return ops.not_equal(*pair("not_equal", x1, x2))


def less(x1: Any, x2: Any, /) -> Tensor:
    """x1 < x2.

    >>> import gpudl as gd
    >>> gd.less(gd.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return ops.less(*pair("less", x1, x2))


def less_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 <= x2.

    >>> import gpudl as gd
    >>> gd.less_equal(gd.tensor([1, 2]), 1)
    tensor([ True, False])
    """
    return ops.less_equal(*pair("less_equal", x1, x2))


def greater(x1: Any, x2: Any, /) -> Tensor:
    """x1 > x2.

    >>> import gpudl as gd
    >>> gd.greater(gd.tensor([1, 2]), 1)
    tensor([False,  True])
    """
    return ops.greater(*pair("greater", x1, x2))


def greater_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 >= x2.

    >>> import gpudl as gd
    >>> gd.greater_equal(gd.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return ops.greater_equal(*pair("greater_equal", x1, x2))


def isnan(x: Any, /) -> Tensor:
    """Whether each element is NaN.

    >>> import gpudl as gd
    >>> gd.isnan(gd.tensor([1.0, gd.nan]))
    tensor([False,  True])
    """
    return ops.isnan(tensor_of("isnan", x))


def isinf(x: Any, /) -> Tensor:
    """Whether each element is infinite.

    >>> import gpudl as gd
    >>> gd.isinf(gd.tensor([1.0, gd.inf]))
    tensor([False,  True])
    """
    return ops.isinf(tensor_of("isinf", x))


def isfinite(x: Any, /) -> Tensor:
    """Whether each element is neither NaN nor infinite.

    >>> import gpudl as gd
    >>> gd.isfinite(gd.tensor([1.0, gd.inf]))
    tensor([ True, False])
    """
    return ops.isfinite(tensor_of("isfinite", x))


def signbit(x: Any, /) -> Tensor:
    """Whether the sign bit is set, that of -0.0 included.

    >>> import gpudl as gd
    >>> gd.signbit(gd.tensor([0.0, -0.0]))
    tensor([False,  True])
    """
    return ops.signbit(tensor_of("signbit", x))


def logical_and(x1: Any, x2: Any, /) -> Tensor:
    """Both true.

    >>> import gpudl as gd
    >>> gd.logical_and(gd.tensor([True, False]), True)
    tensor([ True, False])
    """
    return ops.logical_and(*pair("logical_and", x1, x2))


def logical_or(x1: Any, x2: Any, /) -> Tensor:
    """At least one true.

    >>> import gpudl as gd
    >>> gd.logical_or(gd.tensor([True, False]), False)
    tensor([ True, False])
    """
    return ops.logical_or(*pair("logical_or", x1, x2))


def logical_xor(x1: Any, x2: Any, /) -> Tensor:
    """Exactly one true.

    >>> import gpudl as gd
    >>> gd.logical_xor(gd.tensor([True, False]), True)
    tensor([False,  True])
    """
    return ops.logical_xor(*pair("logical_xor", x1, x2))


def logical_not(x: Any, /) -> Tensor:
    """Not true.

    >>> import gpudl as gd
    >>> gd.logical_not(gd.tensor([True, False]))
    tensor([False,  True])
    """
    return ops.logical_not(tensor_of("logical_not", x))


# ----- bits -----
def bitwise_and(x1: Any, x2: Any, /) -> Tensor:
    """x1 & x2.

    >>> import gpudl as gd
    >>> gd.bitwise_and(gd.tensor([6]), 3)
    tensor([2])
    """
    return ops.bitwise_and(*pair("bitwise_and", x1, x2))


def bitwise_or(x1: Any, x2: Any, /) -> Tensor:
    """x1 | x2.

    >>> import gpudl as gd
    >>> gd.bitwise_or(gd.tensor([6]), 3)
    tensor([7])
    """
    return ops.bitwise_or(*pair("bitwise_or", x1, x2))


def bitwise_xor(x1: Any, x2: Any, /) -> Tensor:
    """x1 ^ x2.

    >>> import gpudl as gd
    >>> gd.bitwise_xor(gd.tensor([6]), 3)
    tensor([5])
    """
    return ops.bitwise_xor(*pair("bitwise_xor", x1, x2))


def bitwise_invert(x: Any, /) -> Tensor:
    """~x.

    >>> import gpudl as gd
    >>> gd.bitwise_invert(gd.tensor([6]))
    tensor([-7])
    """
    return ops.bitwise_invert(tensor_of("bitwise_invert", x))


def bitwise_left_shift(x1: Any, x2: Any, /) -> Tensor:
    """x1 << x2.

    >>> import gpudl as gd
    >>> gd.bitwise_left_shift(gd.tensor([6]), 1)
    tensor([12])
    """
    return ops.bitwise_left_shift(*pair("bitwise_left_shift", x1, x2))


def bitwise_right_shift(x1: Any, x2: Any, /) -> Tensor:
    """x1 >> x2, keeping the sign.

    >>> import gpudl as gd
    >>> gd.bitwise_right_shift(gd.tensor([6]), 1)
    tensor([3])
    """
    return ops.bitwise_right_shift(*pair("bitwise_right_shift", x1, x2))
