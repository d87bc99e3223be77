"""Elementwise functions on the CPU (`csrc/elementwise.cpp`), in the memory order of the operand.

In float32 tanh, sigmoid and erf are within 4 ulp of the exact result; the float64
versions are the C library's.
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
