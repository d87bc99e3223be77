"""Numba twins of the activations and the bias, in the memory order of the operand."""

from __future__ import annotations

import math
from typing import Any

from gpudl import devices
from gpudl.devices.layout import axis_order
from gpudl.runtime.numba_cpu import Compiled
from gpudl.runtime.python_source import Function

from ..layout import FLOATS, Array, channels_first, channels_last, contiguous, takes
from . import formulas

CHUNK = 1 << 16  # elements of a task: more work than starting a thread


def formula(*values: Any) -> Any:
    """What the loops below map; each kernel is compiled with its own in this place."""
    raise NotImplementedError


def _map(begin: int, end: int, x: Any, out: Any) -> None:
    values, results = x[begin * CHUNK : end * CHUNK], out[begin * CHUNK : end * CHUNK]
    for i in range(values.size):
        results[i] = formula(values[i])


def _map_pairs(begin: int, end: int, g: Any, x: Any, out: Any) -> None:
    ups, values = g[begin * CHUNK : end * CHUNK], x[begin * CHUNK : end * CHUNK]
    results = out[begin * CHUNK : end * CHUNK]
    for i in range(values.size):
        results[i] = formula(ups[i], values[i])


def _add_rows(begin: int, end: int, x: Any, b: Any, out: Any) -> None:
    channels = b.size
    for row in range(begin, end):
        values, results = x[row], out[row]
        for c in range(channels):
            results[c] = values[c] + b[c]


def _add_planes(begin: int, end: int, x: Any, b: Any, out: Any) -> None:
    for plane in range(begin, end):
        values, results, offset = x[plane], out[plane], b[plane % b.size]
        for i in range(values.size):
            results[i] = values[i] + offset


class Map:
    """A formula for float32 and one for float64, mapped over one array or over pairs."""

    def __init__(self, single: Function, double: Function, *, pairs: bool = False) -> None:
        loop, signature = (_map_pairs, "i i R1 R1 W1") if pairs else (_map, "i i R1 W1")
        self.loops = {
            dtype: Compiled(loop, signature, formula=function)
            for dtype, function in zip(FLOATS, (single, double), strict=True)
        }

    def run(self, first: Array, *rest: Array) -> Any:
        """The result in the memory order of the last operand."""
        x = (first, *rest)[-1]
        if not takes(first, *rest) or first.shape != x.shape:
            return NotImplemented
        order = None if not x.flags.aligned else axis_order(x)
        out = devices.CPU.empty_elementwise(x.shape, x.dtype, () if order is None else (x,))
        flat = [_flat(array, order) for array in (first, *rest)]
        result = out if order is None else out.transpose(order)
        tasks = -(-x.size // CHUNK)
        self.loops[x.dtype].run(x.dtype, tasks, *flat, result.reshape(-1))
        return out


def _flat(x: Array, order: tuple[int, ...] | None) -> Array:
    return contiguous(x if order is None else x.transpose(order)).reshape(-1)


_relu = Map(formulas.relu, formulas.relu)
_relu_bwd = Map(formulas.relu_bwd, formulas.relu_bwd, pairs=True)
_sigmoid = Map(formulas.sigmoid32, formulas.sigmoid64)
_tanh = Map(formulas.tanh32, formulas.tanh64)
_silu = Map(formulas.silu32, formulas.silu64)
_silu_bwd = Map(formulas.silu_bwd32, formulas.silu_bwd64, pairs=True)
_gelu = Map(formulas.gelu32, formulas.gelu64)
_gelu_bwd = Map(formulas.gelu_bwd32, formulas.gelu_bwd64, pairs=True)
_gelu_tanh = Map(formulas.gelu_tanh32, formulas.gelu_tanh64)
_gelu_tanh_bwd = Map(formulas.gelu_tanh_bwd32, formulas.gelu_tanh_bwd64, pairs=True)
_bias_rows = Compiled(_add_rows, "i i R2 R1 W2")
_bias_planes = Compiled(_add_planes, "i i R2 R1 W2")


def relu(x: Array) -> Any:
    """max(x, 0); NaN stays."""
    return _relu.run(x)


def relu_bwd(g: Array, y: Array) -> Any:
    """g where the result y is positive or NaN, else 0."""
    return _relu_bwd.run(g, y)


def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x)), accurate in both tails."""
    return _sigmoid.run(x)


def tanh(x: Array) -> Any:
    """The hyperbolic tangent."""
    return _tanh.run(x)


def gelu(x: Array, approximate: str = "none") -> Any:
    """x times the normal distribution function at x, or its `tanh` approximation; -0 at -inf."""
    return (_gelu_tanh if approximate == "tanh" else _gelu).run(x)


def gelu_bwd(g: Array, x: Array, approximate: str = "none") -> Any:
    """g times the derivative of `gelu` at x."""
    return (_gelu_tanh_bwd if approximate == "tanh" else _gelu_bwd).run(g, x)


def silu(x: Array) -> Any:
    """x * sigmoid(x); -0 at -inf."""
    return _silu.run(x)


def silu_bwd(g: Array, x: Array) -> Any:
    """g times the derivative of `silu` at x."""
    return _silu_bwd.run(g, x)


def bias_add(x: Array, b: Array) -> Any:
    """x (N, C, *S) + b (C,) along axis 1, in the layout of x."""
    if not takes(x, b) or x.ndim < 2 or b.shape != x.shape[1:2]:
        return NotImplemented
    last, b = channels_last(x), contiguous(b)
    if last.flags.c_contiguous and x.flags.aligned:
        out = devices.CPU.empty(last.shape, x.dtype)
        shape = (math.prod(last.shape[:-1]), x.shape[1])
        _bias_rows.run(x.dtype, shape[0], last.reshape(shape), b, out.reshape(shape))
        return channels_first(out)
    x = contiguous(x)
    out = devices.CPU.empty(x.shape, x.dtype)
    shape = (x.shape[0] * x.shape[1], math.prod(x.shape[2:]))
    _bias_planes.run(x.dtype, shape[0], x.reshape(shape), b, out.reshape(shape))
    return out
