"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checks import items
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..kernels.optim.reference import lerp
from ..shapes import as_int
from ._formula import Array, shrink
from ._optimizer import Group, Optimizer, number
from ._pack import Pack, State

Coefficients = tuple[float, float, float]


def orthogonal(x: Array, coefficients: Coefficients, steps: int, eps: float) -> Array:
    """Nearly U V^T of the matrix `x` = U S V^T, by Newton-Schulz iterations of degree five: each
    maps a singular value s to a s + b s^3 + c s^5, which drives all of them towards 1."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    y = x.T if tall else x
    y = y / np.maximum(np.sqrt((y * y).sum()), eps)
    for _ in range(steps):
        gram = y @ y.T
        y = a * y + (b * gram + c * (gram @ gram)) @ y
    return y.T if tall else y


def _muon(
    p: Array,
    g: Array,
    buf: Array,
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    coefficients: Coefficients,
    steps: int,
    eps: float,
    scale: float,
) -> None:
    buf[...] = lerp(buf, g, 1 - momentum)
    change = lerp(g, buf, momentum) if nesterov else buf
    shrink(p, lr, weight_decay)
    p[...] = p - (lr * scale) * orthogonal(change, coefficients, steps, eps)


def _scale(rule: str | None, rows: int, columns: int) -> float:
    """What the step of a matrix is multiplied with, so that it fits its shape."""
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


class Muon(Optimizer):
    """Muon, for the matrices of hidden layers: momentum, made orthogonal, so that every direction
    moves alike. Other parameters need another optimizer, usually `AdamW`.

    `lr`: the step; `weight_decay`: decoupled, as in `AdamW`; `momentum`: what the running mean
    keeps; `nesterov`: look ahead; `ns_coefficients`, `ns_steps`: the polynomial and the number of
    Newton-Schulz iterations; `eps`: the least norm to divide by; `adjust_lr_fn`: `"original"` (as
    None) scales by the root of rows over columns, `"match_rms_adamw"` to the size of AdamW's steps.
    The iterations run in the precision of the update, float32 or float64; PyTorch rounds to
    bfloat16. Raises `ShapeError` for a parameter that is no matrix, `ArgumentError` for values out
    of range.

    Source: K. Jordan et al., Muon (2024), https://kellerjordan.github.io/posts/muon; J. Liu et al.,
    Muon is scalable for LLM training (2025), https://arxiv.org/abs/2502.16982.

    >>> import gpudl as gd
    >>> w = gd.zeros((2, 2), requires_grad=True)
    >>> opt = gd.optim.Muon([w], lr=1.0, ns_coefficients=(1.5, -0.5, 0.0), ns_steps=20)
    >>> w.grad = gd.tensor([[3.0, 0.0], [0.0, -5.0]])
    >>> opt.step()
    >>> gd.round(w.detach())
    tensor([[-1.,  0.],
            [ 0.,  1.]])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: Coefficients = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "weight_decay", "momentum", "eps"):
            number("Muon", name, options[name])
        coefficients = items("Muon", "ns_coefficients", options["ns_coefficients"])
        if len(coefficients) != 3:
            raise ArgumentError("Muon", f"{len(coefficients)} ns_coefficients", remedy="three")
        for value in coefficients:
            number("Muon", "ns_coefficients", value, low=-math.inf)
        steps = as_int("Muon", "ns_steps", options["ns_steps"])
        if not 0 <= steps < 100:
            raise ArgumentError("Muon", f"ns_steps is {steps}", remedy="0 to 99")
        rule = options["adjust_lr_fn"]
        if rule is not None and not isinstance(rule, str):
            raise ArgumentTypeError("Muon", f"adjust_lr_fn is a string, not {rule!r:.60}")
        if rule not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(
                "Muon", f"adjust_lr_fn is {rule!r:.60}", remedy="'original' or 'match_rms_adamw'"
            )

    def _check_param(self, p: Any) -> None:
        super()._check_param(p)
        if p.ndim != 2:
            raise ShapeError(
                "Muon", "a parameter is no matrix", remedy="give others to AdamW", param=p
            )

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        pack.buffer("momentum_buffer", active, states)
        matrices = pack.buffers["momentum_buffer"][1]
        for i in active:
            rows, columns = pack.params[i].shape
            if rows * columns == 0:
                continue
            pack.library(
                _muon,
                pack.work_views[i],
                pack.g_views[i],
                matrices[i],
                lr=float(group["lr"]),
                weight_decay=float(group["weight_decay"]),
                momentum=float(group["momentum"]),
                nesterov=bool(group["nesterov"]),
                coefficients=tuple(float(value) for value in group["ns_coefficients"]),
                steps=int(group["ns_steps"]),
                eps=float(group["eps"]),
                scale=_scale(group["adjust_lr_fn"], rows, columns),
            )
