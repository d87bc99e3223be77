"""What the update formulas share. A formula is written for NumPy's arrays and updates its operands
in place; `Pack.run` runs it over flat buffers of any device."""

from __future__ import annotations

from typing import Any

from ..kernels.optim.reference import lerp

Array = Any  # a flat piece of a buffer, of the library of its device


def descent(p: Array, g: Array, weight_decay: float, maximize: bool) -> Array:
    """The gradient to go down: turned round by `maximize`, with `weight_decay * p` added."""
    d = -g if maximize else g
    return d + weight_decay * p if weight_decay else d


def shrink(p: Array, lr: float, weight_decay: float) -> None:
    """Decoupled weight decay, in place."""
    if weight_decay:
        p[...] = p * (1 - lr * weight_decay)


def moments(d: Array, m: Array, v: Array, beta1: float, beta2: float) -> None:
    """Running means of the gradient and of its square, in place."""
    m[...] = lerp(m, d, 1 - beta1)
    v[...] = v * beta2 + ((1 - beta2) * d) * d
