"""Sums and extrema over adjoining axes on the CPU (`csrc/reduce.cpp`).

Sums are made in float64, as a tree that follows from the shape, so the bits do not depend on the
number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpudl import _C
from gpudl.shapes import reduced

from ..layout import FLOATS, Array

Axes = tuple[int, ...]


def _reduce(native: Callable[..., None], x: Array, axis: Axes, keepdims: bool) -> Any:
    flags, shape, count = x.flags, x.shape, len(axis)
    if x.dtype not in FLOATS or not flags.c_contiguous or not flags.aligned or not count:
        return NotImplemented
    if count == len(shape):
        outer, length, inner = 1, x.size, 1
    else:
        ordered = sorted(axis)
        first, last = ordered[0], ordered[-1]
        if last - first + 1 != count:
            return NotImplemented
        outer, inner = math.prod(shape[:first]), math.prod(shape[last + 1 :])
        length = math.prod(shape[first : last + 1])
    if not length and native is not _C.reduce_sum:
        return NotImplemented  # the reference raises
    out = _C.empty(reduced(shape, axis, keepdims), x.dtype)
    native(x, outer, length, inner, out)
    return out


def sum(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The sum over `axis`."""
    return _reduce(_C.reduce_sum, x, axis, keepdims)


def max(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The largest element over `axis`; NaN where there is one."""
    return _reduce(_C.reduce_max, x, axis, keepdims)


def min(x: Array, *, axis: Axes, keepdims: bool) -> Any:
    """The smallest element over `axis`; NaN where there is one."""
    return _reduce(_C.reduce_min, x, axis, keepdims)
