"""From what users pass to tensors of one dtype: the promotion rules of `dtypes.py` at work."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices
from ..autograd import Variable, make, rare
from ..dtypes import (
    DType,
    as_dtype,
    default_complex,
    default_float,
    default_int,
    float_of,
    kind,
    promote,
    promote_scalar,
)
from ..errors import ArgumentTypeError, DeviceError, DTypeError
from ..ops import create, elementwise

Scalar = (bool, int, float, complex)


def host_array(op: str, obj: Any, dtype: DType | None = None) -> np.ndarray[Any, Any]:
    """Anything array-like as NumPy's, Python numbers with `dtype` or gpudl's default dtypes."""
    if isinstance(obj, np.ndarray):
        array = obj
    elif isinstance(obj, np.generic):
        array = np.asarray(obj)
    else:
        if not isinstance(obj, (list, tuple, *Scalar)) and not _speaks_array(obj):
            raise ArgumentTypeError(
                op,
                f"cannot make a tensor of {type(obj).__name__} {obj!r:.60}",
                remedy="numbers, nested lists of numbers, or arrays",
            )
        array = _from_sequence(op, obj, dtype)
    if array.dtype not in _known and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "O":
        raise DTypeError(
            op,
            "the values are objects of Python or integers beyond 64 bits",
            remedy="floats, or integers within int64; nan where a value is missing",
        )
    as_dtype(array.dtype, op)
    return array


_known = frozenset(np.dtype(t) for t in ("f4", "f8", "i8", "i4", "?"))


def _speaks_array(obj: Any) -> bool:
    return any(
        hasattr(obj, name) for name in ("__array__", "__array_interface__", "__buffer__")
    ) or isinstance(obj, (bytearray, memoryview))


def _first(obj: Any) -> Any:
    while isinstance(obj, (list, tuple)) and obj:
        obj = obj[0]
    return obj


def _unwrapped(obj: Any) -> Any:
    if isinstance(obj, Variable):
        return devices.of(obj.data).to_host(obj.data)
    return [_unwrapped(part) for part in obj] if isinstance(obj, (list, tuple)) else obj


def _from_sequence(op: str, obj: Any, dtype: DType | None) -> np.ndarray[Any, Any]:
    first = _first(obj)
    if isinstance(first, Variable):
        obj = _unwrapped(obj)
    numbers = is_weak(first) or (isinstance(first, (list, tuple)) and not first)
    try:
        # Straight to the dtype: a detour over the default one would lose digits.
        with np.errstate(all="ignore"):
            array = np.asarray(obj, dtype if numbers else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentTypeError(
            op,
            f"cannot make a tensor of this {type(obj).__name__}: {error}",
            remedy="nested lists must be rectangular and hold numbers",
        ) from None
    if numbers and dtype is None:
        default = {"f": default_float, "c": default_complex, "i": default_int}.get(array.dtype.kind)
        if default is not None:
            array = array.astype(default, copy=False)
    return array


def to_dtype(op: str, array: np.ndarray[Any, Any], dtype: DType | None) -> np.ndarray[Any, Any]:
    """`array` with `dtype`, values checked where Python numbers would overflow."""
    if dtype is None or array.dtype == dtype:
        return array
    check_real(op, array.dtype, dtype)
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def check_real(op: str, have: DType, wanted: DType) -> None:
    """Raise `DTypeError` for a cast that would drop imaginary parts."""
    if kind(have) == 3 and kind(wanted) < 3:
        raise DTypeError(
            op, f"{have.name} to {wanted.name} drops the imaginary part", remedy="x.real"
        )


def scalar(op: str, value: complex, dtype: DType, like: Variable) -> Any:
    """A Python number as a 0-d constant on the device of `like`."""
    try:
        array = np.array(value, dtype)
    except (OverflowError, TypeError, ValueError) as error:
        raise DTypeError(op, f"{value!r} does not fit {dtype.name}: {error}") from None
    if rare.active or type(like.data) is not np.ndarray:
        return create.full(
            shape=(),
            value=array.item() if dtype.kind != "V" else float(array),
            dtype=dtype,
            device=devices.of(like.data),
        )
    return make(array)


def is_weak(x: Any) -> bool:
    """Whether `x` is a Python number (or NumPy's float64 scalar), which takes the dtype of its
    partner.
    """
    return isinstance(x, Scalar) and (not isinstance(x, np.generic) or isinstance(x, np.float64))


def tensor_of(op: str, x: Any, device: devices.Device | None = None) -> Any:
    """`x` as a tensor; tensors as they are."""
    if isinstance(x, Variable):
        return x
    array = host_array(op, x)
    target = device or devices.resolve()
    return make(target.from_host(array, copy=False))


def cast(x: Any, dtype: DType) -> Any:
    """`x` with `dtype`; the same tensor if it has it."""
    return x if x.data.dtype == dtype else elementwise.cast(x, dtype=dtype)


def pair(op: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands as tensors of one dtype."""
    if isinstance(a, Variable):
        if isinstance(b, Variable):
            if a.data.dtype == b.data.dtype:
                return a, b
            dtype = promote(a.data.dtype, b.data.dtype, op)
            return cast(a, dtype), cast(b, dtype)
        if type(b) is float and a.data.dtype.kind == "f":
            return a, scalar(op, b, a.data.dtype, a)
        if is_weak(b):
            dtype = promote_scalar(a.data.dtype, b)
            return cast(a, dtype), scalar(op, b, dtype, a)
        return pair(op, a, partner(op, b, a))
    if isinstance(b, Variable):
        if is_weak(a):
            dtype = promote_scalar(b.data.dtype, a)
            return scalar(op, a, dtype, b), cast(b, dtype)
        return pair(op, partner(op, a, b), b)
    return pair(op, tensor_of(op, a), tensor_of(op, b))


def partner(op: str, x: Any, like: Variable) -> Any:
    """An operand beside the tensor `like`, as a tensor. Arrays of the host do not move to a GPU by
    themselves."""
    if isinstance(x, Variable):
        return x
    device = devices.of(like.data)
    if device.kind != "cpu" and not isinstance(x, (list, tuple)):
        raise DeviceError(
            op,
            f"an array on the host and a tensor on {device}",
            remedy=f'gd.asarray(x, device="{device}")',
            x=x,
        )
    return tensor_of(op, x, device)


def several(op: str, *xs: Any) -> tuple[Any, ...]:
    """Any number of operands as tensors of one dtype."""
    like = next((x for x in xs if isinstance(x, Variable)), None)
    tensors = [
        x
        if isinstance(x, Variable)
        else None
        if is_weak(x) and like is not None
        else tensor_of(op, x)
        if like is None
        else partner(op, x, like)
        for x in xs
    ]
    dtype = None
    for t in tensors:
        if t is not None:
            dtype = t.dtype if dtype is None else promote(dtype, t.dtype, op)
    for x, t in zip(xs, tensors, strict=True):
        if t is None:
            assert dtype is not None
            dtype = promote_scalar(dtype, x)
    assert dtype is not None
    anchor = next(t for t in tensors if t is not None)
    return tuple(
        scalar(op, x, dtype, anchor) if t is None else cast(t, dtype)
        for x, t in zip(xs, tensors, strict=True)
    )


def floating(op: str, x: Any) -> Any:
    """`x` as a tensor of an inexact dtype: integers and bools become the default float."""
    x = tensor_of(op, x)
    dtype = x.data.dtype
    return x if dtype.kind == "f" or kind(dtype) >= 2 else cast(x, float_of(dtype))
