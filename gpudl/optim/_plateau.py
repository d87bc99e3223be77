"""A schedule that follows a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..checks import real
from ..errors import ArgumentError, ArgumentTypeError
from ..shapes import as_int
from ._optimizer import Optimizer, number
from ._schedule import fitting, per_group_numbers


class ReduceLROnPlateau:
    """The rate times `factor` once a metric has not improved for more than `patience` steps.

    `mode`: `"min"` or `"max"`; `threshold`: what counts as better, in `threshold_mode` `"rel"` or
    `"abs"`; `cooldown`: steps to wait after a reduction; `min_lr`: the least rate; `eps`: smaller
    reductions are left out.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1)
    >>> for loss in (3.0, 3.0, 3.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        op = "ReduceLROnPlateau"
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(op, f"an optimizer, not {type(optimizer).__name__}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                op, f"mode {mode!r}, threshold_mode {threshold_mode!r}",
                remedy="'min' or 'max', 'rel' or 'abs'",
            )  # fmt: skip
        self.factor = number(op, "factor", factor, high=1.0, open_high=True)
        self.optimizer, self.mode, self.threshold_mode = optimizer, mode, threshold_mode
        self.patience, self.cooldown = (
            as_int(op, "patience", patience),
            as_int(op, "cooldown", cooldown),
        )
        self.threshold, self.eps = number(op, "threshold", threshold), number(op, "eps", eps)
        self.min_lrs = per_group_numbers(op, "min_lr", min_lr, optimizer.param_groups)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _better(self, metric: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        if math.isinf(self.best):
            return sign * metric > sign * self.best
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1.0)
        return sign * metric > sign * (self.best + sign * margin)

    def step(self, metrics: Any) -> None:
        """Take note of the metric of one more step."""
        metric = real("step", "metrics", metrics)
        self.last_epoch += 1
        if self._better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(float(group["lr"]) * self.factor, least)
                if float(group["lr"]) - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state that `state_dict` gave."""
        self.__dict__.update(fitting(self.state_dict(), state_dict))
