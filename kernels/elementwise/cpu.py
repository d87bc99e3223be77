"""Elementwise functions on the CPU (`csrc/elementwise.cpp`), in the memory order of the operand.

In float32 exp, log, tanh, sigmoid and erf are within 4 ulp of the exact result; the float64
versions are the C library's. Functions with an `out` are for large arrays, which they fill with all
threads; rows call the array function for small ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl import _C

from ..layout import FLOATS, Array, channels_first, channels_last, contiguous, takes

SMALL = 1024  # elements below which the call costs more than the memory


def _dense(x: Array) -> Array:
    """`x` without gaps, overlaps or negative strides, axes in the same order; copied if needed."""
    if x.flags.c_contiguous or _C.is_dense(x):
        return x if x.flags.aligned else np.array(x, order="K")
    return np.array(x, order="K", copy=True)


def _like(x: Array) -> Array:
    return (
        _C.empty(x.shape, x.dtype)
        if x.flags.c_contiguous
        else _C.empty_strided(x.shape, x.strides, x.dtype)
    )


Native = Callable[..., None]


def _unary(native: Native, x: Array) -> Any:
    if x.dtype not in FLOATS:
        return NotImplemented
    flags = x.flags
    if x.size < SMALL and flags.c_contiguous and flags.aligned:
        out: Array = np.empty(x.shape, x.dtype)  # NumPy's own cache is the shorter way here
    else:
        x = _dense(x)
        out = _like(x)
    native(x, out)
    return out


def _unary_bwd(native: Native, g: Array, x: Array) -> Any:
    if not takes(g, x) or g.shape != x.shape:
        return NotImplemented
    x = _dense(x)
    if g.strides != x.strides or not g.flags.aligned:
        aligned = _like(x)
        aligned[...] = g
        g = aligned
    out = _like(x)
    native(g, x, out)
    return out


def relu(x: Array) -> Any:
    """max(x, 0); NaN stays."""
    return _unary(_C.relu, x)


def relu_bwd(g: Array, y: Array) -> Any:
    """g where the result y is positive or NaN, else 0."""
    return _unary_bwd(_C.relu_bwd, g, y)


def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x)), accurate in both tails."""
    return _unary(_C.sigmoid, x)


def tanh(x: Array) -> Any:
    """The hyperbolic tangent."""
    return _unary(_C.tanh, x)


def gelu(x: Array, approximate: str = "none") -> Any:
    """x times the normal distribution function at x, or its `tanh` approximation; -0 at -inf."""
    return _unary(_C.gelu_tanh if approximate == "tanh" else _C.gelu, x)


def gelu_bwd(g: Array, x: Array, approximate: str = "none") -> Any:
    """g times the derivative of `gelu` at x."""
    return _unary_bwd(_C.gelu_tanh_bwd if approximate == "tanh" else _C.gelu_bwd, g, x)


def silu(x: Array) -> Any:
    """x * sigmoid(x); -0 at -inf."""
    return _unary(_C.silu, x)


def silu_bwd(g: Array, x: Array) -> Any:
    """g times the derivative of `silu` at x."""
    return _unary_bwd(_C.silu_bwd, g, x)


def erf(x: Array) -> Any:
    """The error function."""
    return _unary(_C.erf, x)


def erfinv(x: Array) -> Any:
    """The inverse of the error function: inf at 1, -inf at -1, NaN outside [-1, 1]."""
    return _unary(_C.erfinv, x)


# ----- large arrays -----
def _fill(native: Native, x: Array, out: Array) -> Any:
    """out = f(x) where both lie alike in memory."""
    if x.dtype not in FLOATS or x.strides != out.strides or not x.flags.aligned:
        return NotImplemented
    if not (x.flags.c_contiguous or _C.is_dense(x)):
        return NotImplemented
    native(x, out)
    return out


def _fill_float32(native: Native, x: Array, out: Array) -> Any:
    """As `_fill`; of float64 NumPy's functions are vectorised, and the C library's are not."""
    return _fill(native, x, out) if x.dtype == FLOATS[0] else NotImplemented


def _fill_binary(native: Callable[..., bool], a: Array, b: Array, out: Array) -> Any:
    if not takes(a, b) or not (a.flags.aligned and b.flags.aligned):
        return NotImplemented
    return out if native(a, b, out) else NotImplemented


def exp(x: Array, out: Array) -> Any:
    """e to the power x."""
    return _fill_float32(_C.exp, x, out)


def log(x: Array, out: Array) -> Any:
    """The natural logarithm: -inf at 0, NaN below."""
    return _fill_float32(_C.log, x, out)


def sqrt(x: Array, out: Array) -> Any:
    """The square root, NaN below 0."""
    return _fill(_C.sqrt, x, out)


def square(x: Array, out: Array) -> Any:
    """x * x."""
    return _fill(_C.square, x, out)


def reciprocal(x: Array, out: Array) -> Any:
    """1 / x."""
    return _fill(_C.reciprocal, x, out)


def negative(x: Array, out: Array) -> Any:
    """-x."""
    return _fill(_C.negative, x, out)


def abs(x: Array, out: Array) -> Any:
    """|x|."""
    return _fill(_C.abs, x, out)


def add(a: Array, b: Array, out: Array) -> Any:
    """a + b, broadcast."""
    return _fill_binary(_C.add, a, b, out)


def subtract(a: Array, b: Array, out: Array) -> Any:
    """a - b, broadcast."""
    return _fill_binary(_C.subtract, a, b, out)


def multiply(a: Array, b: Array, out: Array) -> Any:
    """a * b, broadcast."""
    return _fill_binary(_C.multiply, a, b, out)


def divide(a: Array, b: Array, out: Array) -> Any:
    """a / b, broadcast."""
    return _fill_binary(_C.divide, a, b, out)


def maximum(a: Array, b: Array, out: Array) -> Any:
    """The larger of a and b, broadcast; NaN where either is."""
    return _fill_binary(_C.maximum, a, b, out)


def minimum(a: Array, b: Array, out: Array) -> Any:
    """The smaller of a and b, broadcast; NaN where either is."""
    return _fill_binary(_C.minimum, a, b, out)


def bias_add(x: Array, b: Array) -> Any:
    """x (N, C, *S) + b (C,) along axis 1, in the layout of x."""
    if not takes(x, b) or x.ndim < 2 or b.shape != x.shape[1:2]:
        return NotImplemented
    channels = x.shape[1]
    last = channels_last(x)
    if last.flags.c_contiguous and x.flags.aligned:
        out = _C.empty(last.shape, x.dtype)
        shape = (math.prod(last.shape[:-1]), channels, 1)
        _C.bias_add(last.reshape(shape), contiguous(b), out.reshape(shape))
        return channels_first(out)
    x = contiguous(x)
    out = _C.empty(x.shape, x.dtype)
    shape = (x.shape[0], channels, math.prod(x.shape[2:]))
    _C.bias_add(x.reshape(shape), contiguous(b), out.reshape(shape))
    return out
