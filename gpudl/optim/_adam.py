"""Adam, and AdamW with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from ._optimizer import Group, Optimizer, advance, check_betas, number
from ._pack import Pack, State


class Adam(Optimizer):
    """Adam: steps of the running mean of the gradients over the root of that of their squares.

    `lr`: the step; `betas`: what the two running means keep; `eps`: added to the root;
    `weight_decay`: times the parameter, added to the gradient, or with `decoupled_weight_decay`
    taken off the parameter as in `AdamW`; `amsgrad`: divide by the largest root so far; `maximize`:
    go up. Raises `ArgumentError` for values out of range.

    Source: D. Kingma and J. Ba, Adam (2015), https://arxiv.org/abs/1412.6980; S. Reddi et al., On
    the convergence of Adam and beyond (2018).

    >>> import gpudl as gd
    >>> w = gd.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = gd.optim.Adam([w], lr=0.1)
    >>> for _ in range(100):
    ...     opt.zero_grad()
    ...     (w * w).sum().backward()
    ...     opt.step()
    >>> bool((w * w).sum() < 0.01)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number(self.name, name, options[name])
        check_betas(self.name, options["betas"])

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        steps = advance(states)
        m = pack.buffer("exp_avg", active, states)
        v = pack.buffer("exp_avg_sq", active, states)
        amsgrad = bool(group["amsgrad"])
        vmax = pack.buffer("max_exp_avg_sq", active, states) if amsgrad else None
        beta1, beta2 = group["betas"]
        for step, segments in pack.parts(active, steps):
            pack.kernel("adam")(
                pack.work,
                pack.g,
                m,
                v,
                vmax,
                step=step,
                lr=float(group["lr"]),
                beta1=float(beta1),
                beta2=float(beta2),
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                decoupled=bool(group["decoupled_weight_decay"]),
                amsgrad=amsgrad,
                maximize=bool(group["maximize"]),
                segments=segments,
            )


class AdamW(Adam):
    """Adam with weight decay that shrinks the parameters by `lr * weight_decay`, apart from the
    gradient.

    The arguments are Adam's, with a `weight_decay` of 0.01.

    Source: I. Loshchilov and F. Hutter, Decoupled weight decay regularization (2019),
    https://arxiv.org/abs/1711.05101.

    >>> import gpudl as gd
    >>> w = gd.ones(3, requires_grad=True)
    >>> gd.optim.AdamW([w], lr=0.1).param_groups[0]["weight_decay"]
    0.01
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options, those of an Adam too; the decay stays decoupled."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
