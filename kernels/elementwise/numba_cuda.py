"""Activations and bias on a card in Python. Wrappers as in `cpu.py`, kinds "cuda" and "emu"."""

from __future__ import annotations

import math
from typing import Any

from gpudl import devices
from gpudl.devices.layout import axis_order
from gpudl.runtime.numba_cuda import CudaKernel, cuda

from ..gpu import channels_last, takes
from ..numba_copy import AXES, BLOCK, blocks, contiguous
from ..numba_tiles import ACTIVATIONS, RELU, activate, slope

Array = Any  # a cupy.ndarray or an EmulatedArray
Order = tuple[int, ...] | None  # axes from the slowest to the fastest; None: in C order


def forward(x: Any, y: Any, activation: int) -> None:
    """y = activation(x), flat."""
    number = y.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = activate(x[i], activation, number)


def backward(g: Any, x: Any, out: Any, activation: int) -> None:
    """out = g times the derivative of the activation at x, flat; for relu x is its result."""
    number = out.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        if activation == RELU:
            out[i] = number(0) if x[i] <= number(0) else g[i]
        else:
            out[i] = g[i] * slope(x[i], activation, number)


def bias_forward(x: Any, bias: Any, y: Any, inner: int, activation: int) -> None:
    """y = activation(x + bias), flat; a channel has `inner` elements in a run."""
    number = y.dtype.type
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = activate(x[i] + bias[i // inner % bias.size], activation, number)


_forward = CudaKernel(forward, "R1 W1 i")
_backward = CudaKernel(backward, "R1 R1 W1 i")
_bias_forward = CudaKernel(bias_forward, "R1 R1 W1 i i")


def _order(x: Array) -> Order:
    """The memory order of `x`; C order if it has gaps."""
    return None if x.flags.c_contiguous else axis_order(x)


def _flat(x: Array, order: Order) -> Array:
    """`x` as a vector in an order of its axes."""
    return contiguous(x if order is None else x.transpose(order)).reshape(-1)


def _shaped(flat: Array, shape: tuple[int, ...], order: Order) -> Array:
    """A vector in an order of the axes as an array."""
    if order is None:
        return flat.reshape(shape)
    back = sorted(range(len(shape)), key=lambda axis: order[axis])
    return flat.reshape(tuple(shape[axis] for axis in order)).transpose(back)


def _unary(x: Array, activation: str) -> Any:
    if not takes(x) or x.ndim > AXES:
        return NotImplemented
    order = _order(x)
    y = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        _forward.launch(blocks(x.size), BLOCK, _flat(x, order), y, ACTIVATIONS[activation])
    return _shaped(y, x.shape, order)


def _binary(g: Array, x: Array, activation: str) -> Any:
    if not takes(g, x) or g.shape != x.shape or x.ndim > AXES:
        return NotImplemented
    order = _order(x)
    out = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        operands = (_flat(g, order), _flat(x, order), out)
        _backward.launch(blocks(x.size), BLOCK, *operands, ACTIVATIONS[activation])
    return _shaped(out, x.shape, order)


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
    if not 2 <= x.ndim <= AXES or b.shape != x.shape[1:2] or not takes(x, b):
        return NotImplemented
    last = channels_last(x).flags.c_contiguous
    order = (0, *range(2, x.ndim), 1) if last else None
    y = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        numbers = (1 if last else math.prod(x.shape[2:]), ACTIVATIONS[activation])
        _bias_forward.launch(blocks(x.size), BLOCK, _flat(x, order), contiguous(b), y, *numbers)
    return _shaped(y, x.shape, order)
