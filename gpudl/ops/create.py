"""Constant arrays and ranges. Being primitives, they are seen by a trace like all else."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices
from ..autograd import Row, Spec, row
from ..dtypes import DType, check_kind
from ..shapes import Shape, as_shape, count

_CONSTANT = "it has no input"


def _full_rule(*, shape: Shape, value: complex, dtype: DType, device: Any = None) -> Spec:
    shape = as_shape("full", shape)
    count("full", shape, dtype.itemsize)
    return Spec(shape, dtype)


def _full_ref(xp: Any, *, shape: Shape, value: complex, dtype: DType) -> Any:
    out = xp.empty(shape, dtype)
    out.fill(value)
    return out


def _full_cpu(xp: Any, *, shape: Shape, value: complex, dtype: DType) -> Any:
    if xp is not devices.CPU.xp:
        return _full_ref(xp, shape=shape, value=value, dtype=dtype)
    if not shape:
        return np.array(value, dtype)
    out = devices.CPU.empty(shape, dtype)
    out.fill(value)
    return out


full: Row = row("full", _full_cpu, _full_rule, why=_CONSTANT)


def _arange_rule(
    *, start: float, step: float, length: int, dtype: DType, device: Any = None
) -> Spec:
    check_kind("arange", dtype, "ifc")
    count("arange", (length,), dtype.itemsize)
    return Spec((length,), dtype)


def _arange_ref(xp: Any, *, start: float, step: float, length: int, dtype: DType) -> Any:
    if isinstance(start, int) and isinstance(step, int) and dtype.kind in "iu":
        return xp.arange(length, dtype=dtype) * dtype.type(step) + dtype.type(start)
    return (xp.arange(length, dtype="float64") * step + start).astype(dtype)


arange: Row = row("arange", _arange_ref, _arange_rule, why=_CONSTANT)


def device_of(x: Any) -> devices.Device:
    """The device of a variable."""
    return devices.of(x.data)


def zeros_like(x: Any, shape: Shape | None = None) -> Any:
    """Zeros with the dtype, device and (unless given) shape of `x`."""
    return full(
        shape=x.shape if shape is None else shape, value=0, dtype=x.dtype, device=device_of(x)
    )


def scalar_like(x: Any, value: complex) -> Any:
    """A 0-d constant with the dtype and device of `x`."""
    return full(shape=(), value=value, dtype=x.dtype, device=device_of(x))
