"""Reductions on the GPU (`reduce.cu`), over any axes of arrays of any strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.dtypes import DType, bool_, float32, float64, int64
from gpudl.runtime import launch
from gpudl.shapes import normalize_axes, reduced

from ..gpu import Array, ctype, empty
from .plan import plan
from .specs import REDUCE, SEARCH

Axes = tuple[int, ...]
_DTYPES = (bool_, np.dtype(np.int32), int64, float32, float64)


def _reduce(name: str, x: Array, axis: Axes, keepdims: bool, dtype: DType, other: bool) -> Any:
    axis = normalize_axes(name, axis, x.ndim)
    y = empty(x, reduced(x.shape, axis, keepdims), dtype)
    if not y.size:
        return y
    route = plan(x, axis)
    if route is None:
        return NotImplemented
    once = route.splits == 1
    out = y if once else empty(x, (route.splits, y.size), dtype)
    args = (x, out, route.kept.layout, route.reduced.layout, route.team, y.size, int(other))
    launch(REDUCE, {"Op": name, "T": ctype(x.dtype)}, args, **route.shapes)
    if once:
        return y
    return _reduce(name, out, (0,), False, dtype, other).reshape(y.shape)


def _total(name: str, x: Array, axis: Axes, keepdims: bool) -> Any:
    if x.dtype not in _DTYPES:
        return NotImplemented
    dtype = int64 if x.dtype == bool_ else x.dtype
    return _reduce(name, x, axis, keepdims, dtype, False)


def sum(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The sum; of bools an int64."""
    return _total("Add", x, axis, keepdims)


def prod(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The product; of bools an int64."""
    return _total("Multiply", x, axis, keepdims)


def _extremum(x: Array, axis: Axes, keepdims: bool, other: bool) -> Any:
    if not x.size:
        return NotImplemented  # the reference knows where no elements are an error
    if x.dtype == bool_:
        return _truth(x, axis, keepdims, other)
    if x.dtype not in _DTYPES:
        return NotImplemented
    return _reduce("Extremum", x, axis, keepdims, x.dtype, other)


def max(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The largest element; NaN where there is one."""
    return _extremum(x, axis, keepdims, False)


def min(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The smallest element; NaN where there is one."""
    return _extremum(x, axis, keepdims, True)


def _truth(x: Array, axis: Axes, keepdims: bool, other: bool) -> Any:
    if x.dtype not in _DTYPES:
        return NotImplemented
    return _reduce("Truth", x, axis, keepdims, bool_, other)


def any(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """Whether an element is not zero; NaN is not."""
    return _truth(x, axis, keepdims, False)


def all(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """Whether no element is zero."""
    return _truth(x, axis, keepdims, True)


def _search(x: Array, axis: int, other: bool) -> Any:
    if x.dtype not in _DTYPES or not x.size:
        return NotImplemented
    y = empty(x, x.shape[:axis] + x.shape[axis + 1 :], int64)
    route = plan(x, (axis,))
    if route is None:
        return NotImplemented
    variant = {"T": "uint8_t" if x.dtype == bool_ else ctype(x.dtype)}
    stride = x.strides[axis] // x.itemsize
    out = y if route.splits == 1 else empty(x, (route.splits, y.size), int64)
    args = (x, None, out, route.kept.layout, stride, x.shape[axis], route.team, y.size, int(other))
    launch(SEARCH, variant, args, **route.shapes)
    if out is not y:
        last = plan(out, (0,))
        assert last is not None  # two axes of fewer than 2**31 elements
        second = (x, out, y, route.kept.layout, stride, route.splits)
        whole = last.undivided()
        launch(SEARCH, variant, (*second, whole.team, y.size, int(other)), **whole.shapes)
    return y


def argmax(x: Array, *, axis: int) -> Any:
    """The index of the first largest element along `axis`; of the first NaN where there is one."""
    return _search(x, axis, False)


def argmin(x: Array, *, axis: int) -> Any:
    """The index of the first smallest element along `axis`."""
    return _search(x, axis, True)
