"""Adam, and AdamW with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentTypeError
from ._optimizer import Group, Optimizer, number
from ._pack import Pack, State


class Adam(Optimizer):
    """Adam: steps of the running mean of the gradients over the root of that of their squares.

    `lr`: the step; `betas`: what the two running means keep; `eps`: added to the root;
    `weight_decay`: times the parameter, added to the gradient; `amsgrad`: divide by the largest
    root so far; `maximize`: go up. Raises `ArgumentError` for values out of range.

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

    decoupled = False

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
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number(self.name, name, options[name])
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ArgumentTypeError(self.name, f"betas are two numbers, not {betas!r}")
        for i, beta in enumerate(betas):
            number(self.name, f"betas[{i}]", beta, high=1.0, open_high=True)

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        steps = []
        for state in states:
            state["step"] = state.get("step", 0) + 1
            steps.append(state["step"])
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
                decoupled=self.decoupled,
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

    decoupled = True

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
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
