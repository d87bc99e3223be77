"""Rprop: steps from the signs of the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ._formula import Array
from ._optimizer import Group, Optimizer, advance, number, pair
from ._pack import Pack, State


def _rprop(
    p: Array,
    g: Array,
    prev: Array,
    size: Array,
    *,
    less: float,
    more: float,
    least: float,
    most: float,
    maximize: bool,
) -> None:
    d = -g if maximize else g
    turn = np.sign(d * prev)
    scale = np.where(turn > 0, more, np.where(turn < 0, less, 1.0)).astype(p.dtype)
    size[...] = np.minimum(np.maximum(size * scale, least), most)
    d = np.where(turn < 0, 0 * d, d)  # after a turn: wait, and forget the gradient
    p[...] = p - np.sign(d) * size
    prev[...] = d


class Rprop(Optimizer):
    """Rprop, for full batches: each element has a step of its own, which grows while the sign of
    its gradient stays and shrinks when it turns.

    `lr`: the first step; `etas`: the factors for shrinking and growing, below and above 1;
    `step_sizes`: the smallest and the largest step; `maximize`: go up. Raises `ArgumentError` for
    values out of range.

    Source: M. Riedmiller and H. Braun, A direct adaptive method for faster backpropagation
    learning (1993).

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> opt = gd.optim.Rprop([w], lr=0.5)
    >>> w.grad = gd.tensor([1e-3, -1e3])
    >>> opt.step()
    >>> w.detach()
    tensor([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        )

    def check_options(self, options: dict[str, Any]) -> None:
        number("Rprop", "lr", options["lr"])
        less, more = (
            number("Rprop", "etas", eta) for eta in pair("Rprop", "etas", options["etas"])
        )
        if not 0.0 < less < 1.0 < more:
            raise ArgumentError("Rprop", f"etas are {less} and {more}", remedy="0 < a < 1 < b")
        for size in pair("Rprop", "step_sizes", options["step_sizes"]):
            number("Rprop", "step_sizes", size)

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        advance(states)
        less, more = (float(eta) for eta in group["etas"])
        least, most = (float(size) for size in group["step_sizes"])
        pack.run(
            _rprop,
            pack.cover(active),
            pack.buffer("prev", active, states),
            pack.buffer("step_size", active, states, float(group["lr"])),
            less=less,
            more=more,
            least=least,
            most=most,
            maximize=bool(group["maximize"]),
        )
