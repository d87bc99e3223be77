"""Choice, tests, comparisons, logic and bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dtypes import bool_
from ..ops import elementwise as ops
from .convert import cast, pair, several, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor


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
