"""ASGD: stochastic gradient descent that averages its steps."""

from __future__ import annotations

from typing import Any, ClassVar

from ._formula import Array, descent
from ._optimizer import Group, Optimizer, advance, number
from ._pack import Pack, State


def _asgd(
    p: Array,
    g: Array,
    ax: Array,
    *,
    lambd: float,
    eta: float,
    mu: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    d = descent(p, g, weight_decay, maximize)
    p[...] = p * (1 - lambd * eta) - eta * d
    ax[...] = p if mu == 1 else ax + (p - ax) * mu


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: the state `"ax"` of a parameter is the mean of its
    values from step `t0` on.

    `lr`: the step; `lambd`: the decay of a step; `alpha`: the power by which steps become smaller;
    `t0`: where averaging starts; `weight_decay`: times the parameter, added to the gradient;
    `maximize`: go up. Raises `ArgumentError` for values out of range.

    Source: B. Polyak and A. Juditsky, Acceleration of stochastic approximation by averaging (1992).

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.ASGD([w], lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(2):
    ...     w.grad = gd.ones(2)
    ...     opt.step()
    >>> w.detach(), opt.state[w]["ax"]
    (tensor([0., 0.]), tensor([0., 0.]))
    """

    scalars: ClassVar[dict[str, Any]] = {"step": int, "eta": float, "mu": float}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "lambd", "alpha", "t0", "weight_decay"):
            number("ASGD", name, options[name])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        ax = pack.buffer("ax", active, states)
        lr, lambd, alpha = (float(group[name]) for name in ("lr", "lambd", "alpha"))
        keys = [(float(s.get("eta", lr)), float(s.get("mu", 1.0))) for s in states]
        for (eta, mu), segments in pack.parts(active, keys):
            pack.run(
                _asgd,
                segments,
                ax,
                lambd=lambd,
                eta=eta,
                mu=mu,
                weight_decay=float(group["weight_decay"]),
                maximize=bool(group["maximize"]),
            )
        for step, state in zip(advance(states), states, strict=True):
            state["eta"] = lr * (1 + lambd * lr * step) ** -alpha
            state["mu"] = 1 / max(1.0, step - float(group["t0"]))
