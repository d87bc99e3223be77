"""Optimizer steps in NumPy, in place, with PyTorch's formulas: the reference of the native
kernels, equal in every bit.

Buffers are 1-D, contiguous, of one dtype (float32 or float64) and one length. `segments` lists
the (start, stop) ranges to update, in order and without overlap; None means all. Scalars are
computed in double and rounded once.

Source: torch.optim's single-tensor forms; Kingma and Ba 2015, Loshchilov and Hutter 2019, Reddi
et al. 2018, Hinton 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any  # a NumPy array; NumPy types no result of these mixed operations
Segments = Sequence[tuple[int, int]] | None

_BLOCK = 1 << 14


def slices(segments: Segments, n: int) -> list[slice]:
    """The ranges of `segments` in a buffer of `n` elements. Raises for what is out of order."""
    last = 0
    out = []
    for start, stop in [(0, n)] if segments is None else segments:
        if start < 0 or stop < start or stop > n:
            raise IndexError(f"segment ({start}, {stop}) is not inside a buffer of {n} elements")
        if start < last:
            raise ValueError("segments must be in order and must not overlap")
        last = stop
        out.append(slice(start, stop))
    return out


def lerp(mean: Array, x: Array, weight: Any) -> Array:
    """mean + weight (x - mean), in the form that is exact at the nearer end."""
    one = type(weight)(1)
    if abs(weight) < 0.5:
        return mean + weight * (x - mean)
    return x - (x - mean) * (one - weight)


def sgd(
    p: Array,
    g: Array,
    buf: Array | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
    segments: Segments = None,
) -> None:
    """Stochastic gradient descent; `first` makes the momentum buffer a copy of the gradient."""
    real = p.dtype.type
    if momentum != 0 and buf is None:
        raise ValueError("sgd: momentum needs buf")
    for s in slices(segments, p.size):
        d = -g[s] if maximize else g[s]
        if weight_decay != 0:
            d = d + real(weight_decay) * p[s]
        if momentum != 0 and buf is not None:
            buf[s] = d if first else real(momentum) * buf[s] + real(1 - dampening) * d
            d = d + real(momentum) * buf[s] if nesterov else buf[s]
        p[s] = p[s] + -real(lr) * d


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    vmax: Array | None,
    *,
    step: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
    segments: Segments = None,
) -> None:
    """Adam, and AdamW with `decoupled`; `step` counts from 1, the step being made included."""
    real = p.dtype.type
    if amsgrad and vmax is None:
        raise ValueError("adam: amsgrad needs vmax")
    if not step >= 1:
        raise ValueError("adam: step counts from 1")
    step_size = real(lr / (1 - beta1**step))
    root_correction = real((1 - beta2**step) ** 0.5)
    for s in slices(segments, p.size):
        d = -g[s] if maximize else g[s]
        x = p[s]
        if weight_decay != 0 and decoupled:
            x = x * real(1 - lr * weight_decay)
        elif weight_decay != 0:
            d = d + real(weight_decay) * x
        m[s] = lerp(m[s], d, real(1 - beta1))
        v[s] = v[s] * real(beta2) + (real(1 - beta2) * d) * d
        largest = v[s]
        if amsgrad and vmax is not None:
            vmax[s] = np.maximum(vmax[s], v[s])
            largest = vmax[s]
        denominator = np.sqrt(largest) / root_correction + real(eps)
        p[s] = x + (-step_size * m[s]) / denominator


def rmsprop(
    p: Array,
    g: Array,
    sq: Array,
    ga: Array | None,
    buf: Array | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
    segments: Segments = None,
) -> None:
    """RMSprop, with `ga` the mean gradient of the centred form and `buf` the momentum."""
    real = p.dtype.type
    if centered and ga is None:
        raise ValueError("rmsprop: centered needs ga")
    if momentum != 0 and buf is None:
        raise ValueError("rmsprop: momentum needs buf")
    for s in slices(segments, p.size):
        d = -g[s] if maximize else g[s]
        if weight_decay != 0:
            d = d + real(weight_decay) * p[s]
        sq[s] = sq[s] * real(alpha) + (real(1 - alpha) * d) * d
        spread = sq[s]
        if centered and ga is not None:
            ga[s] = lerp(ga[s], d, real(1 - alpha))
            spread = spread - ga[s] * ga[s]
        denominator = np.sqrt(spread) + real(eps)
        if momentum != 0 and buf is not None:
            buf[s] = buf[s] * real(momentum) + d / denominator
            p[s] = p[s] + -real(lr) * buf[s]
        else:
            p[s] = p[s] + (-real(lr) * d) / denominator


def sumsq(g: Array, *, segments: Segments = None) -> float:
    """Sum of squares in double, in a fixed order: blocks of 16,384 elements, eight sums in each."""
    total = 0.0
    for s in slices(segments, g.size):
        x = g[s].astype(np.float64)
        for start in range(0, x.size, _BLOCK):
            block = x[start : start + _BLOCK]
            padded = np.zeros((-(-block.size // 8), 8))
            padded.reshape(-1)[: block.size] = block
            # cumsum adds row by row; sum() would add in pairs.
            with np.errstate(over="ignore", invalid="ignore"):  # as native code: inf, no warning
                sums = np.cumsum(padded * padded, axis=0)[-1]
                a = (sums[0] + sums[4]) + (sums[2] + sums[6])
                b = (sums[1] + sums[5]) + (sums[3] + sums[7])
                total += float(a + b)
    return total
