"""LAMB: Adam with a step for each tensor that fits the size of its weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._formula import Array, descent, moments
from ._optimizer import Group, Optimizer, advance, check_betas, number
from ._pack import Pack, State


def _lamb(
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
    correction1: float,
    correction2: float,
    maximize: bool,
) -> None:
    d = descent(p, g, 0.0, maximize)
    moments(d, m, v, beta1, beta2)
    r = m / correction1 / (np.sqrt(v / correction2) + eps) + weight_decay * p
    weights, change = np.sqrt((p * p).sum()), np.sqrt((r * r).sum())
    # np.where, not `if`: a GPU need not be waited for.
    trust = np.where((weights > 0) & (change > 0), weights / change, 1.0).astype(p.dtype)
    p[...] = p - lr * (trust * r)


class LAMB(Optimizer):
    """LAMB, for large batches: the step of Adam with decoupled weight decay, scaled for each tensor
    to the norm of its weights.

    `lr`: the step; `betas`, `eps`, `maximize`: as in `Adam`; `weight_decay`: times the parameter,
    added to the step before it is scaled; `bias_correction`: divide the running means by what they
    lack at the start. A tensor of zeros, or a step of zeros, is not scaled. Raises `ArgumentError`
    for values out of range.

    Source: Y. You et al., Large batch optimization for deep learning (2020),
    https://arxiv.org/abs/1904.00962, algorithm 2.

    >>> import gpudl as gd
    >>> w = gd.tensor([2.0, 2.0, 2.0, 2.0], requires_grad=True)
    >>> opt = gd.optim.LAMB([w], lr=0.5, weight_decay=0.0)
    >>> w.grad = gd.ones(4)
    >>> opt.step()
    >>> w.detach()
    tensor([1., 1., 1., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        *,
        bias_correction: bool = True,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "bias_correction": bias_correction,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number("LAMB", name, options[name])
        check_betas("LAMB", options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        m = pack.buffer("exp_avg", active, states)
        v = pack.buffer("exp_avg_sq", active, states)
        beta1, beta2 = (float(beta) for beta in group["betas"])
        correct = bool(group["bias_correction"])
        for i, step in zip(active, advance(states), strict=True):
            pack.run(
                _lamb,
                [pack.segments[i]],
                m,
                v,
                lr=float(group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                correction1=1 - beta1**step if correct else 1.0,
                correction2=1 - beta2**step if correct else 1.0,
                maximize=bool(group["maximize"]),
            )
