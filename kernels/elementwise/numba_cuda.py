"""Activations and bias on a card in Python. Wrappers as in `cpu.py`, kinds "cuda" and "emu"."""

from __future__ import annotations

import math
from typing import Any

from gpudl import devices
from gpudl.devices.layout import axis_order
from gpudl.runtime.numba_cuda import CudaKernel, cuda, integer

from ..layout import channels_last, takes
from ..numba_tiles import ACTIVATIONS, activate, slope

Array = Any  # a cupy.ndarray or an EmulatedArray
BLOCK, MOST_BLOCKS = 256, 4096


def forward(x: Any, y: Any, activation: int) -> None:
    """y = activation(x), flat."""
    number = y.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = activate(x[i], activation, number)


def backward(g: Any, x: Any, out: Any, activation: int) -> None:
    """out = g times the derivative of the activation at x, flat; 0 where the derivative is."""
    number = out.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        factor = slope(x[i], activation, number)
        out[i] = number(0) if factor == number(0) else g[i] * factor


def bias_forward(x: Any, bias: Any, y: Any, inner: int, activation: int) -> None:
    """y = activation(x + bias), flat; a channel has `inner` elements in a run."""
    number = y.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = activate(x[i] + bias[i // inner % bias.size], activation, number)


_forward, _backward, _bias_forward = map(CudaKernel, (forward, backward, bias_forward))


def _flat(x: Array) -> tuple[Array, tuple[int, ...] | None] | None:
    """`x` as a vector in memory order, and its axes from slowest to fastest; None if it has gaps."""
    if x.flags.c_contiguous:
        return x.reshape(-1), None
    order = axis_order(x)
    return None if order is None else (x.transpose(order).reshape(-1), order)


def _grid(size: int) -> int:
    return min(-(-size // BLOCK), MOST_BLOCKS)


def _unary(x: Array, activation: str) -> Any:
    flat = _flat(x) if takes(x) else None
    if flat is None:
        return NotImplemented
    values, order = flat
    y = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        kind = integer(ACTIVATIONS[activation])
        _forward.launch(_grid(x.size), BLOCK, values, y, kind)
    return _shaped(y, x, order)


def _shaped(flat: Array, x: Array, order: tuple[int, ...] | None) -> Array:
    """A vector in the memory order of `x`, in its shape."""
    if order is None:
        return flat.reshape(x.shape)
    back = sorted(range(x.ndim), key=lambda axis: order[axis])
    return flat.reshape(tuple(x.shape[axis] for axis in order)).transpose(back)


def _binary(g: Array, x: Array, activation: str) -> Any:
    if not takes(g, x) or g.shape != x.shape or g.strides != x.strides:
        return NotImplemented
    flat = _flat(x)
    if flat is None:
        return NotImplemented
    values, order = flat
    ups = g.reshape(-1) if order is None else g.transpose(order).reshape(-1)
    out = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        kind = integer(ACTIVATIONS[activation])
        _backward.launch(_grid(x.size), BLOCK, ups, values, out, kind)
    return _shaped(out, x, order)


def relu(x: Array) -> Any:
    """max(x, 0); NaN stays."""
    return _unary(x, "relu")


def relu_bwd(g: Array, y: Array) -> Any:
    """g where the result y is positive or NaN, else 0."""
    return _binary(g, y, "relu")


def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x)), accurate in both tails."""
    return _unary(x, "sigmoid")


def tanh(x: Array) -> Any:
    """The hyperbolic tangent."""
    return _unary(x, "tanh")


def gelu(x: Array, approximate: str = "none") -> Any:
    """x times the normal distribution function at x, or its `tanh` approximation; -0 at -inf."""
    return _unary(x, "gelu_tanh" if approximate == "tanh" else "gelu")


def gelu_bwd(g: Array, x: Array, approximate: str = "none") -> Any:
    """g times the derivative of `gelu` at x."""
    return _binary(g, x, "gelu_tanh" if approximate == "tanh" else "gelu")


def silu(x: Array) -> Any:
    """x * sigmoid(x); -0 at -inf."""
    return _unary(x, "silu")


def silu_bwd(g: Array, x: Array) -> Any:
    """g times the derivative of `silu` at x."""
    return _binary(g, x, "silu")


def bias_add(x: Array, b: Array, activation: str = "none") -> Any:
    """activation(x (N, C, *S) + b (C,) along axis 1), in the layout of x."""
    if x.ndim < 2 or b.shape != x.shape[1:2] or not takes(x, b):
        return NotImplemented
    last = channels_last(x).flags.c_contiguous
    if not (last or x.flags.c_contiguous):
        return NotImplemented
    order = (0, *range(2, x.ndim), 1) if last else None
    values = (x.transpose(order) if last else x).reshape(-1)
    y = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        numbers = (integer(1 if last else math.prod(x.shape[2:])), integer(ACTIVATIONS[activation]))
        _bias_forward.launch(_grid(x.size), BLOCK, values, b, y, *numbers)
    return _shaped(y, x, order)
