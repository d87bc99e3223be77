"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ._optimizer import Group, Optimizer, number
from ._pack import Pack, State


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    `lr`: the step; `momentum`: the share of the running sum that is kept, which takes up
    `1 - dampening` of each gradient; `weight_decay`: times the parameter, added to the gradient;
    `nesterov`: look ahead by the momentum; `maximize`: go up. Raises `ArgumentError` for values out
    of range.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning
    (2013), in PyTorch's form.

    >>> import gpudl as gd
    >>> w = gd.tensor([1.0, 2.0], requires_grad=True)
    >>> opt = gd.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            number("SGD", name, options[name])
        number("SGD", "dampening", options["dampening"], low=-1e300)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ArgumentError("SGD", "nesterov needs a momentum and no dampening")

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        momentum = float(group["momentum"])
        first = [False]
        buf = None
        if momentum:
            first = [state.get("momentum_buffer") is None for state in states]
            buf = pack.buffer("momentum_buffer", active, states)
        for is_first, segments in pack.parts(active, first if momentum else [False] * len(active)):
            pack.kernel("sgd")(
                pack.work,
                pack.g,
                buf,
                lr=float(group["lr"]),
                momentum=momentum,
                dampening=float(group["dampening"]),
                weight_decay=float(group["weight_decay"]),
                nesterov=bool(group["nesterov"]),
                maximize=bool(group["maximize"]),
                first=is_first,
                segments=segments,
            )
