"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ops import elementwise as ops
from .convert import floating

if TYPE_CHECKING:
    from ..tensor import Tensor


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
