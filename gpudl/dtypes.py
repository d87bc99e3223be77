"""Dtypes and promotion.

A dtype is a `numpy.dtype`; bfloat16 comes from ml_dtypes. The rules, in one place:

* tensors keep their dtype; two of one kind promote as in NumPy; bfloat16 with float16 gives
  float32;
* an integer or bool tensor with a float (or complex) tensor gives the float's dtype;
* Python scalars and `np.float64` scalars are weak: they take the tensor's dtype, unless their kind
  is higher (an int tensor with `2.5` gives the default float); other NumPy scalars are strong;
* lists of Python floats become float32, of ints int64; arrays from NumPy keep their dtype.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from .errors import DTypeError

DType: TypeAlias = np.dtype[Any]

bool_ = np.dtype(np.bool_)
int8, int16, int32, int64 = (np.dtype(f"int{bits}") for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64))
float16, float32, float64 = (np.dtype(f"float{bits}") for bits in (16, 32, 64))
complex64, complex128 = np.dtype("complex64"), np.dtype("complex128")
bfloat16: DType = np.dtype(ml_dtypes.bfloat16)

default_float, default_complex, default_int = float32, complex64, int64

SIGNED: tuple[DType, ...] = (int8, int16, int32, int64)
UNSIGNED: tuple[DType, ...] = (uint8, uint16, uint32, uint64)
INTEGERS = SIGNED + UNSIGNED
FLOATS: tuple[DType, ...] = (bfloat16, float16, float32, float64)
COMPLEX: tuple[DType, ...] = (complex64, complex128)
ALL: tuple[DType, ...] = (bool_, *INTEGERS, *FLOATS, *COMPLEX)

# 0 bool, 1 integer, 2 float, 3 complex. bfloat16 has numpy kind "V", so kinds are looked up,
# never read off.
_KIND: dict[DType, int] = {
    bool_: 0,
    **dict.fromkeys(INTEGERS, 1),
    **dict.fromkeys(FLOATS, 2),
    **dict.fromkeys(COMPLEX, 3),
}
_KIND_NAMES = ("bool", "integer", "float", "complex")
_BY_NAME = {dtype.name: dtype for dtype in ALL} | {"half": float16, "bool": bool_}
_BY_PYTHON: dict[Any, DType] = {
    bool: bool_,
    int: default_int,
    float: default_float,
    complex: default_complex,
}


def kind(dtype: DType) -> int:
    """0 for bool, 1 integer, 2 float, 3 complex."""
    return _KIND[dtype]


def is_float(dtype: DType) -> bool:
    """Whether `dtype` is a real floating dtype."""
    return _KIND[dtype] == 2


def is_inexact(dtype: DType) -> bool:
    """Whether `dtype` can carry a gradient: floating or complex."""
    return _KIND[dtype] >= 2


def as_dtype(value: object, op: str = "dtype") -> DType:
    """The dtype that `value` names: a dtype, a NumPy scalar type, a string, or `bool`, `int`,
    `float`, `complex`.

    Raises `DTypeError` for anything else, dtypes of NumPy that gpudl does not have included.
    """
    try:
        if isinstance(value, np.dtype):
            found = value
        elif isinstance(value, str) and value in _BY_NAME:
            return _BY_NAME[value]
        elif isinstance(value, type) and value in _BY_PYTHON:
            return _BY_PYTHON[value]
        elif isinstance(value, (type, str)):
            found = np.dtype(value)
        else:
            raise TypeError
        if found in _KIND and found.isnative:
            return found
        if found.newbyteorder("=") in _KIND:
            return found.newbyteorder("=")
    except TypeError:
        pass
    raise DTypeError(
        op, f"{value!r} is not a dtype of gpudl", remedy="one of " + ", ".join(d.name for d in ALL)
    )


def check_kind(op: str, dtype: DType, kinds: str, **operands: object) -> None:
    """Raise `DTypeError` unless the kind of `dtype` is in `kinds`, letters of `bifc`."""
    if "bifc"[_KIND[dtype]] not in kinds:
        names = [name for name, letter in zip(_KIND_NAMES, "bifc", strict=True) if letter in kinds]
        raise DTypeError(
            op,
            f"does not take {dtype.name}",
            remedy=f"use a dtype of kind {' or '.join(names)}: x.astype(...)",
            **operands,
        )


def promote(a: DType, b: DType, op: str = "result_type") -> DType:
    """The dtype of an operation on tensors of `a` and `b`; `DTypeError` where there is none."""
    if a == b:
        return a
    kind_a, kind_b = _KIND[a], _KIND[b]
    if kind_a != kind_b and min(kind_a, kind_b) <= 1:
        return a if kind_a > kind_b else b
    if bfloat16 in (a, b):
        other = b if a == bfloat16 else a
        return float32 if other == float16 else other
    result = np.promote_types(a, b)
    if kind_a == kind_b == 1 and _KIND[result] != 1:
        raise DTypeError(
            op,
            f"{a.name} and {b.name} have no common integer dtype",
            remedy="cast one of them: x.astype(gd.int64)",
        )
    return result


def promote_scalar(dtype: DType, scalar: complex) -> DType:
    """The dtype of an operation on a tensor of `dtype` and a weak Python scalar."""
    level = 0 if isinstance(scalar, bool) else 1 if isinstance(scalar, int) else 2
    if isinstance(scalar, complex) and not isinstance(scalar, (int, float)):
        level = 3
    have = _KIND[dtype]
    if level <= have:
        return dtype
    if level == 1:
        return default_int
    if level == 2:
        return default_float
    return complex128 if dtype == float64 else complex64


def real_of(dtype: DType) -> DType:
    """The dtype of the real part: float32 for complex64, the dtype itself for real ones."""
    return {complex64: float32, complex128: float64}.get(dtype, dtype)


def complex_of(dtype: DType) -> DType:
    """The complex dtype whose parts hold `dtype`."""
    if _KIND[dtype] == 3:
        return dtype
    return complex128 if dtype == float64 else complex64


def float_of(dtype: DType) -> DType:
    """What `sqrt` or `mean` of `dtype` gives: itself if inexact, else the default float."""
    return dtype if _KIND[dtype] >= 2 else default_float


def accumulator(dtype: DType) -> DType:
    """The dtype in which sums of `dtype` are kept: float32 for the half precisions."""
    return float32 if dtype in (float16, bfloat16) else dtype
