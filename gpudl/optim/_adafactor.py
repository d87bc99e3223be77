"""Adafactor: second moments of matrices kept as a row and a column."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices
from ..autograd.writes import assign
from ..errors import ArgumentError, StateDictError
from ..kernels.optim.reference import lerp
from ..ops.create import full
from ..tensor import Tensor
from ._formula import Array, descent, shrink
from ._optimizer import Group, Optimizer, advance, number, pair
from ._pack import Pack, State


def _rms(x: Array) -> Array:
    return np.sqrt((x * x).mean())


def _adafactor(
    p: Array,
    g: Array,
    row: Array | None,
    col: Array | None,
    variance: Array | None,
    *,
    lr: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
    maximize: bool,
    fresh: float,
    rho: float,
) -> None:
    grad = descent(p, g, 0.0, maximize)
    alpha = np.maximum(_rms(p), eps2) * rho
    shrink(p, lr, weight_decay)
    square = grad * grad
    if row is not None and col is not None:
        row[...] = lerp(row, square.mean(axis=-1, keepdims=True), fresh)
        col[...] = lerp(col, square.mean(axis=-2, keepdims=True), fresh)
        estimate = row * col / np.maximum(row.mean(axis=-2, keepdims=True), eps1)
    elif variance is not None:
        variance[...] = lerp(variance, square, fresh)
        estimate = variance
    change = grad / np.sqrt(np.maximum(estimate, eps1 * eps1))
    p[...] = p - alpha / np.maximum(_rms(change) / d, 1.0) * change


class Adafactor(Optimizer):
    """Adafactor: gradients over the root of a running mean of their squares, of which matrices keep
    the means of rows and columns only.

    `lr`: the largest step; `beta2_decay`: the power of the number of steps that weighs a new
    square; `eps`: the least mean of squares (None: the epsilon of the dtype), and the least size
    of a parameter; `d`: the largest size of an update; `weight_decay`: decoupled, as in `AdamW`;
    `maximize`: go up. A tensor moves in proportion to its own size. Raises `ArgumentError` for
    values out of range.

    Source: N. Shazeer and M. Stern, Adafactor (2018), https://arxiv.org/abs/1804.04235.

    >>> import gpudl as gd
    >>> w = gd.ones((300, 200), requires_grad=True)
    >>> opt = gd.optim.Adafactor([w])
    >>> w.grad = gd.ones((300, 200))
    >>> opt.step()
    >>> opt.state[w]["row_var"].shape, opt.state[w]["col_var"].shape
    ((300, 1), (1, 200))
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "weight_decay"):
            number("Adafactor", name, options[name])
        if number("Adafactor", "beta2_decay", options["beta2_decay"], low=-1e9) > 0:
            raise ArgumentError("Adafactor", "beta2_decay is above 0", remedy="-0.8 or near it")
        number("Adafactor", "d", options["d"], low=1.0)
        eps1, eps2 = pair("Adafactor", "eps", options["eps"])
        number("Adafactor", "eps[0]", 0.0 if eps1 is None else eps1)
        number("Adafactor", "eps[1]", eps2)

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        flat = [(i, s) for i, s in zip(active, states, strict=True) if pack.params[i].ndim < 2]
        if flat:
            pack.buffer("variance", [i for i, _ in flat], [s for _, s in flat])
        eps1, eps2 = group["eps"]
        lr = float(group["lr"])
        for i, step, state in zip(active, advance(states), states, strict=True):
            p = pack.params[i]
            if not p.size:
                continue
            factors: list[Any] = [None, None, None]
            if p.ndim < 2:
                factors[2] = pack.buffers["variance"][1][i]
            else:
                for j, (name, axis) in enumerate((("row_var", -1), ("col_var", -2))):
                    factors[j] = _factor(pack, state, name, p.shape, axis)
            pack.library(
                _adafactor,
                pack.work_views[i],
                pack.g_views[i],
                *factors,
                lr=lr,
                eps1=float(np.finfo(pack.g.dtype).eps if eps1 is None else eps1),
                eps2=float(eps2),
                d=float(group["d"]),
                weight_decay=float(group["weight_decay"]),
                maximize=bool(group["maximize"]),
                fresh=step ** float(group["beta2_decay"]),
                rho=min(lr, step**-0.5),
            )

    def _loaded(self, key: str, value: Any, p: Tensor) -> Any:
        axis = {"row_var": -1, "col_var": -2}.get(key)
        if axis is None or p.ndim < 2:
            return super()._loaded(key, value, p)
        loaded = Tensor(value, device=devices.of(p.data))
        if loaded.shape != _without(p.shape, axis):
            raise StateDictError(
                "load_state_dict", f"{key} has another shape", param=p, state=loaded
            )
        return loaded


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    kept = list(shape)
    kept[axis] = 1
    return tuple(kept)


def _factor(pack: Pack, state: State, name: str, shape: tuple[int, ...], axis: int) -> Any:
    """The array of the state called `name`: the means along `axis`, 0 at first. It follows the
    parameter to another device."""
    held = state.get(name)
    if held is None or devices.of(held.data) != pack.device or held.dtype != pack.g.dtype:
        fresh = full(shape=_without(shape, axis), value=0, dtype=pack.g.dtype, device=pack.device)
        if held is not None:
            assign(fresh.data, pack.device.receive(held.data, devices.of(held.data)))
        state[name] = fresh
    return state[name].data
