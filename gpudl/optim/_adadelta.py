"""Adadelta."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._formula import Array, descent
from ._optimizer import Group, Optimizer, advance, number
from ._pack import Pack, State


def _adadelta(
    p: Array,
    g: Array,
    sq: Array,
    acc: Array,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    d = descent(p, g, weight_decay, maximize)
    sq[...] = sq * rho + ((1 - rho) * d) * d
    delta = np.sqrt(acc + eps) / np.sqrt(sq + eps) * d
    acc[...] = acc * rho + ((1 - rho) * delta) * delta
    p[...] = p - lr * delta


class Adadelta(Optimizer):
    """Adadelta: steps in the units of the parameters, from running means of squared gradients and
    of squared steps.

    `lr`: times the step; `rho`: what the two running means keep; `eps`: added under the roots;
    `weight_decay`: times the parameter, added to the gradient; `maximize`: go up. Raises
    `ArgumentError` for values out of range.

    Source: M. Zeiler, Adadelta (2012), https://arxiv.org/abs/1212.5701.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.Adadelta([w])
    >>> w.grad = gd.ones(2)
    >>> opt.step()
    >>> bool((w < 1).all())
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number("Adadelta", name, options[name])
        number("Adadelta", "rho", options["rho"], high=1.0)

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        advance(states)
        pack.run(
            _adadelta,
            pack.cover(active),
            pack.buffer("square_avg", active, states),
            pack.buffer("acc_delta", active, states),
            lr=float(group["lr"]),
            rho=float(group["rho"]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            maximize=bool(group["maximize"]),
        )
