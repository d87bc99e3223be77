"""Questions about dtypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from ..autograd import Variable
from ..dtypes import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    SIGNED,
    UNSIGNED,
    DType,
    as_dtype,
    bfloat16,
    bool_,
    check_kind,
    kind,
    promote,
    promote_scalar,
    real_of,
)
from ..errors import ArgumentError, ArgumentTypeError
from .convert import is_weak

__all__ = ["can_cast", "finfo", "iinfo", "isdtype", "result_type"]

KINDS: dict[str, tuple[DType, ...]] = {
    "bool": (bool_,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTEGERS,
    "real floating": FLOATS,
    "complex floating": COMPLEX,
    "numeric": INTEGERS + FLOATS + COMPLEX,
}


@dataclass(frozen=True)
class FloatInfo:
    """Limits of a floating-point dtype, as Python floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """Limits of an integer dtype, as Python ints."""

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype_of(op: str, x: Any) -> DType:
    """The dtype that `x` has, or is."""
    if isinstance(x, (Variable, np.ndarray, np.generic)):
        return as_dtype(x.dtype, op)
    return as_dtype(x, op)


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a float dtype (of its parts, if complex), given as a dtype or a tensor.

    Raises `DTypeError` for other dtypes.

    >>> import gpudl as gd
    >>> gd.finfo(gd.float32).bits
    32
    """
    dtype = _dtype_of("finfo", type)
    check_kind("finfo", dtype, "fc")
    dtype = real_of(dtype)
    limits: Any = ml_dtypes.finfo if dtype == bfloat16 else np.finfo
    found = limits(dtype)
    return FloatInfo(
        bits=int(found.bits),
        eps=float(found.eps),
        max=float(found.max),
        min=float(found.min),
        smallest_normal=float(found.smallest_normal),
        dtype=dtype,
    )


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, given as a dtype or a tensor.

    Raises `DTypeError` for other dtypes.

    >>> import gpudl as gd
    >>> gd.iinfo(gd.int8).max
    127
    """
    dtype = _dtype_of("iinfo", type)
    check_kind("iinfo", dtype, "i")
    found = np.iinfo(dtype)
    return IntegerInfo(bits=found.bits, max=int(found.max), min=int(found.min), dtype=dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is `kind`: a dtype, the name of a kind ("integral", "real floating", ...), or
    one of a tuple of these.

    >>> import gpudl as gd
    >>> gd.isdtype(gd.bfloat16, ("real floating", "complex floating"))
    True
    """
    have = as_dtype(dtype, "isdtype")
    if isinstance(kind, tuple):
        return any(isdtype(have, one) for one in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ArgumentError("isdtype", f"{kind!r} is no kind", remedy=", ".join(KINDS))
        return have in KINDS[kind]
    return have == as_dtype(kind, "isdtype")


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether the promotion rules take `from_`, a dtype or a tensor, to the dtype `to`.

    >>> import gpudl as gd
    >>> gd.can_cast(gd.int8, gd.int16), gd.can_cast(gd.float64, gd.float32)
    (True, False)
    """
    have, wanted = _dtype_of("can_cast", from_), as_dtype(to, "can_cast")
    if kind(have) == kind(wanted) == 1:
        return bool(np.can_cast(have, wanted))
    if kind(have) > kind(wanted):
        return False
    return promote(have, wanted) == wanted


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype of an operation on the given tensors, dtypes and Python numbers. Raises
    `DTypeError` if there is none.

    >>> import gpudl as gd
    >>> gd.result_type(gd.int64, gd.float32, 2.5)
    dtype('float32')
    """
    strong = [x for x in arrays_and_dtypes if not is_weak(x)]
    weak = [x for x in arrays_and_dtypes if is_weak(x)]
    if not strong:
        if not weak:
            raise ArgumentTypeError("result_type", "needs at least one argument")
        strong, weak = [type(weak[0])], weak[1:]
        if issubclass(strong[0], np.generic):
            strong = [float]
    dtypes = [_dtype_of("result_type", x) for x in strong]
    dtype = dtypes[0]
    for other in dtypes[1:]:
        dtype = promote(dtype, other)
    for number in weak:
        dtype = promote_scalar(dtype, number)
    return dtype
