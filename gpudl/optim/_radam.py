"""RAdam: Adam that warms up by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._formula import Array, descent, moments, shrink
from ._optimizer import Group, Optimizer, advance, check_betas, number
from ._pack import Pack, State


def _radam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    step: int,
) -> None:
    if decoupled:
        shrink(p, lr, weight_decay)
    d = descent(p, g, 0.0 if decoupled else weight_decay, maximize)
    moments(d, m, v, beta1, beta2)
    correction = 1 - beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction
    change = m / (1 - beta1**step) * lr
    if length > 5.0:  # the variance of the root is finite, and small enough to divide by it
        rectify = (length - 4) * (length - 2) * longest
        rectify /= (longest - 4) * (longest - 2) * length
        change = change * (correction**0.5 / (np.sqrt(v) + eps)) * rectify**0.5
    p[...] = p - change


class RAdam(Optimizer):
    """RAdam: Adam with a factor for how well the running mean of squares is known; in the first
    steps it is plain momentum.

    `lr`, `betas`, `eps`, `weight_decay`, `maximize`: as in `Adam`; `decoupled_weight_decay`: the
    decay shrinks the parameters, as in `AdamW`. Raises `ArgumentError` for values out of range.

    Source: L. Liu et al., On the variance of the adaptive learning rate and beyond (2020),
    https://arxiv.org/abs/1908.03265.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.RAdam([w], lr=0.5)
    >>> w.grad = gd.tensor([1.0, -1.0])
    >>> opt.step()
    >>> w.detach()
    tensor([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
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
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number("RAdam", name, options[name])
        check_betas("RAdam", options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        m = pack.buffer("exp_avg", active, states)
        v = pack.buffer("exp_avg_sq", active, states)
        beta1, beta2 = (float(beta) for beta in group["betas"])
        for step, segments in pack.parts(active, advance(states)):
            pack.run(
                _radam,
                segments,
                m,
                v,
                lr=float(group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                decoupled=bool(group["decoupled_weight_decay"]),
                maximize=bool(group["maximize"]),
                step=step,
            )
