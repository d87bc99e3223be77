"""Adagrad."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._formula import Array, descent
from ._optimizer import Group, Optimizer, advance, number
from ._pack import Pack, State


def _adagrad(
    p: Array, g: Array, total: Array, *, lr: float, eps: float, weight_decay: float, maximize: bool
) -> None:
    d = descent(p, g, weight_decay, maximize)
    total[...] = total + d * d
    p[...] = p + (-lr * d) / (np.sqrt(total) + eps)


class Adagrad(Optimizer):
    """Adagrad: gradients over the root of the sum of all their squares so far.

    `lr`: the step; `lr_decay`: the step of number t is `lr / (1 + (t - 1) lr_decay)`;
    `weight_decay`: times the parameter, added to the gradient; `initial_accumulator_value`: what
    the sums begin with; `eps`: added to the root; `maximize`: go up. Raises `ArgumentError` for
    values out of range.

    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods (2011).

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.Adagrad([w], lr=0.5)
    >>> w.grad = gd.tensor([4.0, -4.0])
    >>> opt.step()
    >>> w.detach()
    tensor([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            number("Adagrad", name, options[name])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        total = pack.buffer("sum", active, states, float(group["initial_accumulator_value"]))
        for step, segments in pack.parts(active, advance(states)):
            pack.run(
                _adagrad,
                segments,
                total,
                lr=float(group["lr"]) / (1 + (step - 1) * float(group["lr_decay"])),
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                maximize=bool(group["maximize"]),
            )
