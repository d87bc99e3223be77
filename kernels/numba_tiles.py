"""Device functions that the CUDA kernels in Python share: tiles of products, activations.

A block of 16 x 16 threads makes a tile of 64 x 64; each thread 4 x 4 elements of it, 16 apart, so
that neighbouring threads touch neighbouring memory.
"""

from __future__ import annotations

import math
from typing import Any

SIDE = 16  # threads of a block on each axis, and steps of depth of a tile in shared memory
EACH = 4  # elements of a thread on each axis
TILE = SIDE * EACH
THREADS = SIDE * SIDE

# What an epilogue does after the bias; the numbers are arguments of kernels.
ACTIVATIONS = {"none": 0, "relu": 1, "sigmoid": 2, "tanh": 3, "silu": 4, "gelu": 5, "gelu_tanh": 6}
NONE, RELU, SIGMOID, TANH, SILU, GELU, GELU_TANH = range(7)
FAR = 1e4  # beyond it every activation is 0 or its asymptote
TANH_SCALE, CUBE = math.sqrt(2 / math.pi), 0.044715
ROOT_HALF, DENSITY = math.sqrt(0.5), math.sqrt(0.5 / math.pi)


def add_tile(left: Any, right: Any, sums: Any, tx: int, ty: int) -> None:
    """sums += left (SIDE, TILE), by depth, times right (SIDE, TILE), for this thread."""
    for k in range(SIDE):
        for i in range(EACH):
            a = left[k, ty + i * SIDE]
            for j in range(EACH):
                sums[i, j] += a * right[k, tx + j * SIDE]


def sigmoid(x: Any, number: Any) -> Any:
    """1 / (1 + exp(-x)); `number` makes constants of the dtype."""
    e = math.exp(-abs(x))
    return (number(1) if x >= number(0) else e) / (number(1) + e)


def cut(x: Any, number: Any) -> Any:
    """x, at most `FAR` from zero; NaN stays."""
    x = number(-FAR) if x < number(-FAR) else x
    return number(FAR) if x > number(FAR) else x


def normal_cdf(x: Any, number: Any) -> Any:
    """The normal distribution function."""
    return number(0.5) * math.erfc(x * number(-ROOT_HALF))


def tanh_argument(x: Any, number: Any) -> Any:
    """What gelu's tanh form takes the sigmoid of: (1 + tanh u) / 2 is sigmoid(2 u)."""
    return number(2 * TANH_SCALE) * (x + number(CUBE) * x * x * x)


def activate(x: Any, kind: int, number: Any) -> Any:
    """The activation `kind` of x."""
    if kind == RELU:
        return number(0) if x < number(0) else x
    if kind == SIGMOID:
        return sigmoid(x, number)
    if kind == TANH:
        return math.tanh(x)
    low = number(-FAR) if x < number(-FAR) else x
    if kind == SILU:
        return low * sigmoid(x, number)
    if kind == GELU:
        return low * normal_cdf(x, number)
    if kind == GELU_TANH:
        return low * sigmoid(tanh_argument(cut(x, number), number), number)
    return x


def slope(x: Any, kind: int, number: Any) -> Any:
    """The derivative of silu or gelu at x."""
    x = cut(x, number)
    one = number(1)
    if kind == SILU:
        s = sigmoid(x, number)
        return s * (one + x * (one - s))
    if kind == GELU:
        return normal_cdf(x, number) + x * (number(DENSITY) * math.exp(number(-0.5) * x * x))
    s = sigmoid(tanh_argument(x, number), number)
    inner = number(2 * TANH_SCALE) * (one + number(3 * CUBE) * x * x)
    return s + x * (s * (one - s)) * inner
