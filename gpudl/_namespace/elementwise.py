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
    """x1 + x2."""
    return ops.add(*pair("add", x1, x2))


def subtract(x1: Any, x2: Any, /) -> Tensor:
    """x1 - x2."""
    return ops.subtract(*pair("subtract", x1, x2))


def multiply(x1: Any, x2: Any, /) -> Tensor:
    """x1 * x2."""
    return ops.multiply(*pair("multiply", x1, x2))


def divide(x1: Any, x2: Any, /) -> Tensor:
    """x1 / x2; integers give the default float."""
    return _float_pair(ops.divide, x1, x2)


def floor_divide(x1: Any, x2: Any, /) -> Tensor:
    """The largest integer at most x1 / x2."""
    return ops.floor_divide(*pair("floor_divide", x1, x2))


def remainder(x1: Any, x2: Any, /) -> Tensor:
    """x1 - x2 * floor(x1 / x2), with the sign of x2."""
    return ops.remainder(*pair("remainder", x1, x2))


def pow(x1: Any, x2: Any, /) -> Tensor:
    """x1 to the power x2."""
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
    """-x."""
    return ops.negative(tensor_of("negative", x))


def positive(x: Any, /) -> Tensor:
    """x itself, as a new tensor."""
    return copy(tensor_of("positive", x))


def square(x: Any, /) -> Tensor:
    """x * x."""
    return ops.square(tensor_of("square", x))


def reciprocal(x: Any, /) -> Tensor:
    """1 / x."""
    return ops.reciprocal(floating("reciprocal", x))


def abs(x: Any, /) -> Tensor:
    """The absolute value; of complex numbers the modulus, a real."""
    return ops.absolute(tensor_of("abs", x))


def sign(x: Any, /) -> Tensor:
    """-1, 0 or 1; for complex numbers x / |x|."""
    return ops.sign(tensor_of("sign", x))


def maximum(x1: Any, x2: Any, /) -> Tensor:
    """The larger of x1 and x2; NaN if either is. Ties share the gradient."""
    return ops.maximum(*pair("maximum", x1, x2))


def minimum(x1: Any, x2: Any, /) -> Tensor:
    """The smaller of x1 and x2; NaN if either is. Ties share the gradient."""
    return ops.minimum(*pair("minimum", x1, x2))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], with the dtype of x; the gradient passes inside, limits included."""
    x = tensor_of("clip", x)
    for bound, beyond in ((min, ops.less), (max, ops.greater)):
        if bound is not None:
            _, b = pair("clip", x, bound)
            b = cast(b, x.dtype)
            x = ops.where(beyond(x, b), b, x)
    return x


def hypot(x1: Any, x2: Any, /) -> Tensor:
    """sqrt(x1**2 + x2**2) without overflow."""
    return _float_pair(ops.hypot, x1, x2)


def atan2(x1: Any, x2: Any, /) -> Tensor:
    """The angle of the point (x2, x1), in radians."""
    return _float_pair(ops.arctan2, x1, x2)


def logaddexp(x1: Any, x2: Any, /) -> Tensor:
    """log(exp(x1) + exp(x2)) without overflow."""
    return _float_pair(ops.logaddexp, x1, x2)


def copysign(x1: Any, x2: Any, /) -> Tensor:
    """x1 with the sign of x2."""
    return _float_pair(ops.copysign, x1, x2)


def nextafter(x1: Any, x2: Any, /) -> Tensor:
    """The neighbouring float of x1 towards x2."""
    return _float_pair(ops.nextafter, x1, x2)


# ----- exponentials, logarithms, roots -----
def exp(x: Any, /) -> Tensor:
    """e to the power x."""
    return ops.exp(floating("exp", x))


def expm1(x: Any, /) -> Tensor:
    """exp(x) - 1, accurate near 0."""
    return ops.expm1(floating("expm1", x))


def log(x: Any, /) -> Tensor:
    """The natural logarithm."""
    return ops.log(floating("log", x))


def log1p(x: Any, /) -> Tensor:
    """log(1 + x), accurate near 0."""
    return ops.log1p(floating("log1p", x))


def log2(x: Any, /) -> Tensor:
    """The logarithm to base 2."""
    return ops.log2(floating("log2", x))


def log10(x: Any, /) -> Tensor:
    """The logarithm to base 10."""
    return ops.log10(floating("log10", x))


def sqrt(x: Any, /) -> Tensor:
    """The square root."""
    return ops.sqrt(floating("sqrt", x))


# ----- trigonometric and hyperbolic -----
def sin(x: Any, /) -> Tensor:
    """The sine of x in radians."""
    return ops.sin(floating("sin", x))


def cos(x: Any, /) -> Tensor:
    """The cosine of x in radians."""
    return ops.cos(floating("cos", x))


def tan(x: Any, /) -> Tensor:
    """The tangent of x in radians."""
    return ops.tan(floating("tan", x))


def asin(x: Any, /) -> Tensor:
    """The inverse sine, in radians."""
    return ops.arcsin(floating("asin", x))


def acos(x: Any, /) -> Tensor:
    """The inverse cosine, in radians."""
    return ops.arccos(floating("acos", x))


def atan(x: Any, /) -> Tensor:
    """The inverse tangent, in radians."""
    return ops.arctan(floating("atan", x))


def sinh(x: Any, /) -> Tensor:
    """The hyperbolic sine."""
    return ops.sinh(floating("sinh", x))


def cosh(x: Any, /) -> Tensor:
    """The hyperbolic cosine."""
    return ops.cosh(floating("cosh", x))


def tanh(x: Any, /) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(floating("tanh", x))


def asinh(x: Any, /) -> Tensor:
    """The inverse hyperbolic sine."""
    return ops.arcsinh(floating("asinh", x))


def acosh(x: Any, /) -> Tensor:
    """The inverse hyperbolic cosine."""
    return ops.arccosh(floating("acosh", x))


def atanh(x: Any, /) -> Tensor:
    """The inverse hyperbolic tangent."""
    return ops.arctanh(floating("atanh", x))


# ----- rounding -----
def floor(x: Any, /) -> Tensor:
    """The largest integer at most x."""
    return ops.floor(tensor_of("floor", x))


def ceil(x: Any, /) -> Tensor:
    """The smallest integer at least x."""
    return ops.ceil(tensor_of("ceil", x))


def trunc(x: Any, /) -> Tensor:
    """x without its fraction."""
    return ops.trunc(tensor_of("trunc", x))


def round(x: Any, /) -> Tensor:
    """The nearest integer, ties to even."""
    return ops.round_(tensor_of("round", x))


# ----- complex -----
def conj(x: Any, /) -> Tensor:
    """The complex conjugate; real tensors as they are."""
    return ops.conj_of(tensor_of("conj", x))


def real(x: Any, /) -> Tensor:
    """The real part; of real tensors themselves."""
    x = tensor_of("real", x)
    return ops.real(x) if kind(x.dtype) == 3 else x


def imag(x: Any, /) -> Tensor:
    """The imaginary part of a complex tensor."""
    return ops.imag(tensor_of("imag", x))


# ----- choice, tests, comparisons -----
def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """x1 where `condition` holds, x2 elsewhere."""
    c = cast(tensor_of("where", condition), bool_)
    return ops.where(c, *several("where", x1, x2))


def equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 == x2."""
    return ops.equal(*pair("equal", x1, x2))


def not_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 != x2."""
    return ops.not_equal(*pair("not_equal", x1, x2))


def less(x1: Any, x2: Any, /) -> Tensor:
    """x1 < x2."""
    return ops.less(*pair("less", x1, x2))


def less_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 <= x2."""
    return ops.less_equal(*pair("less_equal", x1, x2))


def greater(x1: Any, x2: Any, /) -> Tensor:
    """x1 > x2."""
    return ops.greater(*pair("greater", x1, x2))


def greater_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 >= x2."""
    return ops.greater_equal(*pair("greater_equal", x1, x2))


def isnan(x: Any, /) -> Tensor:
    """Whether each element is NaN."""
    return ops.isnan(tensor_of("isnan", x))


def isinf(x: Any, /) -> Tensor:
    """Whether each element is infinite."""
    return ops.isinf(tensor_of("isinf", x))


def isfinite(x: Any, /) -> Tensor:
    """Whether each element is neither NaN nor infinite."""
    return ops.isfinite(tensor_of("isfinite", x))


def signbit(x: Any, /) -> Tensor:
    """Whether the sign bit is set, that of -0.0 included."""
    return ops.signbit(tensor_of("signbit", x))


def logical_and(x1: Any, x2: Any, /) -> Tensor:
    """Both true."""
    return ops.logical_and(*pair("logical_and", x1, x2))


def logical_or(x1: Any, x2: Any, /) -> Tensor:
    """At least one true."""
    return ops.logical_or(*pair("logical_or", x1, x2))


def logical_xor(x1: Any, x2: Any, /) -> Tensor:
    """Exactly one true."""
    return ops.logical_xor(*pair("logical_xor", x1, x2))


def logical_not(x: Any, /) -> Tensor:
    """Not true."""
    return ops.logical_not(tensor_of("logical_not", x))


# ----- bits -----
def bitwise_and(x1: Any, x2: Any, /) -> Tensor:
    """x1 & x2."""
    return ops.bitwise_and(*pair("bitwise_and", x1, x2))


def bitwise_or(x1: Any, x2: Any, /) -> Tensor:
    """x1 | x2."""
    return ops.bitwise_or(*pair("bitwise_or", x1, x2))


def bitwise_xor(x1: Any, x2: Any, /) -> Tensor:
    """x1 ^ x2."""
    return ops.bitwise_xor(*pair("bitwise_xor", x1, x2))


def bitwise_invert(x: Any, /) -> Tensor:
    """~x."""
    return ops.bitwise_invert(tensor_of("bitwise_invert", x))


def bitwise_left_shift(x1: Any, x2: Any, /) -> Tensor:
    """x1 << x2."""
    return ops.bitwise_left_shift(*pair("bitwise_left_shift", x1, x2))


def bitwise_right_shift(x1: Any, x2: Any, /) -> Tensor:
    """x1 >> x2, keeping the sign."""
    return ops.bitwise_right_shift(*pair("bitwise_right_shift", x1, x2))
