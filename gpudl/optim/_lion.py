"""Lion: the sign of a momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.optim.reference import lerp
from ._formula import Array, descent, shrink
from ._optimizer import Group, Optimizer, check_betas, number
from ._pack import Pack, State


def _lion(
    p: Array,
    g: Array,
    m: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    d = descent(p, g, 0.0, maximize)
    shrink(p, lr, weight_decay)
    p[...] = p - lr * np.sign(lerp(m, d, 1 - beta1))
    m[...] = lerp(m, d, 1 - beta2)


class Lion(Optimizer):
    """Lion: every element moves by `lr`, in the direction of the sign of an interpolated momentum.

    `lr`: the step, three to ten times smaller than Adam's; `betas`: the share of the momentum in
    the step, and what the momentum keeps; `weight_decay`: decoupled, as in `AdamW`, and larger
    there in the measure in which `lr` is smaller; `maximize`: go up. Raises `ArgumentError` for
    values out of range.

    Source: X. Chen et al., Symbolic discovery of optimization algorithms (2023),
    https://arxiv.org/abs/2302.06675, program 1.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.Lion([w], lr=0.5)
    >>> w.grad = gd.tensor([1e-3, -1e3])
    >>> opt.step()
    >>> w.detach()
    tensor([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize},
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "weight_decay"):
            number("Lion", name, options[name])
        check_betas("Lion", options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        beta1, beta2 = (float(beta) for beta in group["betas"])
        pack.run(
            _lion,
            pack.cover(active),
            pack.buffer("exp_avg", active, states),
            lr=float(group["lr"]),
            beta1=beta1,
            beta2=beta2,
            weight_decay=float(group["weight_decay"]),
            maximize=bool(group["maximize"]),
        )
