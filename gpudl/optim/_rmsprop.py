"""RMSprop."""

from __future__ import annotations

from typing import Any

from ._optimizer import Group, Optimizer, advance, number
from ._pack import Pack, State


class RMSprop(Optimizer):
    """RMSprop: gradients over the root of the running mean of their squares.

    `lr`: the step; `alpha`: what the running mean keeps; `eps`: added to the root; `weight_decay`:
    times the parameter, added to the gradient; `momentum`: of the resulting steps; `centered`: the
    root of the variance instead; `maximize`: go up. Raises `ArgumentError` for values out of range.

    Source: T. Tieleman and G. Hinton, Neural networks for machine learning, lecture 6.5 (2012); A.
    Graves, Generating sequences with recurrent neural networks (2013), for the centred form.

    >>> import gpudl as gd
    >>> w = gd.ones(3, requires_grad=True)
    >>> opt = gd.optim.RMSprop([w], lr=0.1)
    >>> w.grad = gd.ones(3)
    >>> opt.step()
    >>> w.shape, bool((w < 1).all())
    ((3,), True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            number("RMSprop", name, options[name])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        advance(states)
        momentum, centered = float(group["momentum"]), bool(group["centered"])
        sq = pack.buffer("square_avg", active, states)
        buf = pack.buffer("momentum_buffer", active, states) if momentum else None
        ga = pack.buffer("grad_avg", active, states) if centered else None
        pack.kernel("rmsprop")(
            pack.work,
            pack.g,
            sq,
            ga,
            buf,
            lr=float(group["lr"]),
            alpha=float(group["alpha"]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            momentum=momentum,
            centered=centered,
            maximize=bool(group["maximize"]),
            segments=pack.cover(active),
        )
