"""Adamax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.optim.reference import lerp
from ._formula import Array, descent
from ._optimizer import Group, Optimizer, advance, check_betas, number
from ._pack import Pack, State


def _adamax(
    p: Array,
    g: Array,
    m: Array,
    u: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    d = descent(p, g, weight_decay, maximize)
    m[...] = lerp(m, d, 1 - beta1)
    u[...] = np.maximum(u * beta2, np.abs(d) + eps)
    p[...] = p + (-lr * m) / u


class Adamax(Optimizer):
    """Adamax: Adam with the largest decayed gradient in the place of the root.

    `lr`: the step; `betas`: what the running mean and the maximum keep; `eps`: added to the size of
    a gradient; `weight_decay`: times the parameter, added to the gradient; `maximize`: go up.
    Raises `ArgumentError` for values out of range.

    Source: D. Kingma and J. Ba, Adam (2015), section 7.1, https://arxiv.org/abs/1412.6980.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.Adamax([w], lr=0.5)
    >>> w.grad = gd.tensor([4.0, -4.0])
    >>> opt.step()
    >>> w.detach()
    tensor([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number("Adamax", name, options[name])
        check_betas("Adamax", options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        m = pack.buffer("exp_avg", active, states)
        u = pack.buffer("exp_inf", active, states)
        beta1, beta2 = (float(beta) for beta in group["betas"])
        for step, segments in pack.parts(active, advance(states)):
            pack.run(
                _adamax,
                segments,
                m,
                u,
                lr=float(group["lr"]) / (1 - beta1**step),
                beta1=beta1,
                beta2=beta2,
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                maximize=bool(group["maximize"]),
            )
