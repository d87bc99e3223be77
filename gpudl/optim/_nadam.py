"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ._formula import Array, descent, moments, shrink
from ._optimizer import Group, Optimizer, advance, check_betas, number
from ._pack import Pack, State


def _nadam(
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
    g_part: float,
    m_part: float,
    correction: float,
) -> None:
    if decoupled:
        shrink(p, lr, weight_decay)
    d = descent(p, g, 0.0 if decoupled else weight_decay, maximize)
    moments(d, m, v, beta1, beta2)
    denominator = np.sqrt(v / correction) + eps
    p[...] = p + (-lr * g_part * d) / denominator
    p[...] = p + (-lr * m_part * m) / denominator


class NAdam(Optimizer):
    """NAdam: Adam whose step looks ahead by Nesterov's momentum, which grows over time.

    `lr`, `betas`, `eps`, `weight_decay`, `maximize`: as in `Adam`; `momentum_decay`: how fast the
    momentum grows to the first beta; `decoupled_weight_decay`: the decay shrinks the parameters, as
    in `AdamW`. Raises `ArgumentError` for values out of range.

    Source: T. Dozat, Incorporating Nesterov momentum into Adam (2016).

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.NAdam([w])
    >>> w.grad = gd.ones(2)
    >>> opt.step()
    >>> bool((w < 1).all())
    True
    """

    scalars: ClassVar[dict[str, Any]] = {"step": int, "mu_product": float}

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
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
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum_decay"):
            number("NAdam", name, options[name])
        check_betas("NAdam", options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        m = pack.buffer("exp_avg", active, states)
        v = pack.buffer("exp_avg_sq", active, states)
        beta1, beta2 = (float(beta) for beta in group["betas"])
        decay = float(group["momentum_decay"])

        def momentum(step: int) -> float:
            return float(beta1 * (1.0 - 0.5 * (0.96 ** (step * decay))))

        keys = []
        for step, state in zip(advance(states), states, strict=True):
            state["mu_product"] = float(state.get("mu_product", 1.0)) * momentum(step)
            keys.append((step, state["mu_product"]))
        for (step, product), segments in pack.parts(active, keys):
            mu, ahead = momentum(step), momentum(step + 1)
            pack.run(
                _nadam,
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
                g_part=(1.0 - mu) / (1.0 - product),
                m_part=ahead / (1.0 - product * ahead),
                correction=1 - beta2**step,
            )
