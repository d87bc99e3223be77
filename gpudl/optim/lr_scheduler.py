"""Learning rates that change over time, with PyTorch's names and numbers.

A schedule sets `lr` of every group of an optimizer when it is made and at each `step()`. It is a
function of the number of steps, so a schedule that is loaded goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError, ArgumentTypeError, StateDictError, undefined
from ..shapes import as_int
from ._optimizer import Group, Optimizer, number

__all__ = [
    "CosineAnnealingLR",
    "LRScheduler",
    "LambdaLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]


def _per_group(op: str, name: str, value: Any, groups: Sequence[Group]) -> list[Any]:
    """`value` for each group: a list of its own, or the same for all."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(groups)
    if len(values) != len(groups):
        raise ArgumentError(op, f"{len(values)} values of {name} for {len(groups)} groups")
    return values


class LRScheduler:
    """Base of the schedules: a subclass gives the rates for the step `last_epoch` in `get_lr`.

    `optimizer`: whose groups it changes; `last_epoch`: the steps made so far, -1 to begin. The
    rates that the groups begin with are in `base_lrs`, and in each group as `"initial_lr"`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        op = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(op, f"an optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = as_int(op, "last_epoch", last_epoch)
        for group in optimizer.param_groups:
            if last_epoch >= 0 and "initial_lr" not in group:
                raise StateDictError(
                    op, "a group has no initial_lr", remedy="load the optimizer's state first"
                )
            if last_epoch < 0:
                group["initial_lr"] = float(group["lr"])
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self._last_lr = list(self.base_lrs)
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        raise undefined(self, "get_lr")

    def get_last_lr(self) -> list[float]:
        """The rate of each group as it was set last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go on by one step, and set the rates."""
        self.last_epoch += 1
        self._last_lr = self.get_lr()
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """What changes over time, and the options; the optimizer and functions are left out."""
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in ("optimizer", "lr_lambdas")
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state that `state_dict` gave."""
        absent = sorted(set(self.state_dict()) - set(state_dict))
        if absent:
            raise StateDictError("load_state_dict", f"the state lacks {', '.join(absent)}")
        self.__dict__.update({key: state_dict[key] for key in self.state_dict()})


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(step)`; a list gives each group its own function.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=0.5)
    >>> schedule = gd.optim.lr_scheduler.LambdaLR(opt, lambda step: 1 / (1 + step))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = getattr(optimizer, "param_groups", [])
        self.lr_lambdas = _per_group("LambdaLR", "lr_lambda", lr_lambda, groups)
        if not all(callable(f) for f in self.lr_lambdas):
            raise ArgumentTypeError("LambdaLR", f"a function of the step, not {lr_lambda!r}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            base * float(f(self.last_epoch))
            for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = as_int("StepLR", "step_size", step_size)
        if self.step_size < 1:
            raise ArgumentError("StepLR", f"step_size is {step_size}", remedy="at least 1")
        self.gamma = number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate down to `eta_min` in `T_max` steps, and back.

    Source: I. Loshchilov and F. Hutter, SGDR (2017), https://arxiv.org/abs/1608.03983, without
    restarts.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = as_int("CosineAnnealingLR", "T_max", T_max)
        if self.T_max < 1:
            raise ArgumentError("CosineAnnealingLR", f"T_max is {T_max}", remedy="at least 1")
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        # round: cos(pi / 2) is 0, and every multiple of the period gives the same rate.
        wave = round(math.cos(math.pi * (self.last_epoch % (2 * self.T_max)) / self.T_max), 15)
        return [self.eta_min + (base - self.eta_min) * (1 + wave) / 2 for base in self.base_lrs]


class OneCycleLR(LRScheduler):
    """One cycle: up from `max_lr / div_factor` to `max_lr`, then down to nearly nothing.

    `total_steps`, or `epochs * steps_per_epoch`: the length; `pct_start`: the part that goes up;
    `anneal_strategy`: `"cos"` or `"linear"`; `cycle_momentum`: the momentum (or first beta) goes
    the other way, from `max_momentum` to `base_momentum`; `final_div_factor`: the last rate is the
    first over this; `three_phase`: come down to the first rate as fast as it went up, then go on.
    Raises `ArgumentError` for a step beyond the end.

    Source: L. Smith and N. Topin, Super-convergence (2019), https://arxiv.org/abs/1708.07120.

    >>> import gpudl as gd
    >>> opt = gd.optim.AdamW([gd.ones(1, requires_grad=True)])
    >>> schedule = gd.optim.lr_scheduler.OneCycleLR(opt, max_lr=1.0, total_steps=10)
    >>> rates = []
    >>> for _ in range(9):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> max(rates), rates[-1] < 1e-5
    (1.0, True)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op = "OneCycleLR"
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(
                    op, "no length", remedy="total_steps, or epochs and steps_per_epoch"
                )
            total_steps = as_int(op, "epochs", epochs) * as_int(
                op, "steps_per_epoch", steps_per_epoch
            )
        self.total_steps = as_int(op, "total_steps", total_steps)
        if self.total_steps < 1:
            raise ArgumentError(op, f"total_steps is {self.total_steps}", remedy="at least 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                op, f"anneal_strategy {anneal_strategy!r}", remedy="'cos' or 'linear'"
            )
        pct_start = number(op, "pct_start", pct_start, high=1.0)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if number(op, name, value) == 0:
                raise ArgumentError(op, f"{name} is 0", remedy="a number above 0")
        groups = getattr(optimizer, "param_groups", [])
        self.max_lrs = [number(op, "max_lr", lr) for lr in _per_group(op, "max_lr", max_lr, groups)]
        self.initial_lrs = [lr / div_factor for lr in self.max_lrs]
        self.min_lrs = [lr / final_div_factor for lr in self.initial_lrs]
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.base_momentum = number(op, "base_momentum", base_momentum, high=1.0)
        self.max_momentum = number(op, "max_momentum", max_momentum, high=1.0)
        if cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ArgumentError(op, "the optimizer has no momentum", remedy="cycle_momentum=False")
        up = pct_start * self.total_steps - 1
        self.ends = [up, 2 * up] if three_phase else [up]
        self.ends.append(float(self.total_steps - 1))
        super().__init__(optimizer, last_epoch)

    def _at(self, step: int, levels: Sequence[float]) -> float:
        """The value at `step` between `levels`: the first, then one at the end of each phase."""
        start = 0.0
        for i, end in enumerate(self.ends):
            if step <= end or i == len(self.ends) - 1:
                part = (step - start) / (end - start) if end != start else 1.0
                a, b = levels[i], levels[i + 1]
                if self.anneal_strategy == "linear":
                    return a + (b - a) * part
                return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
            start = end
        raise AssertionError("there is always a last phase")

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:  # the step after the last one is PyTorch's habit of loops
            raise ArgumentError(
                "OneCycleLR",
                f"step {step} of {self.total_steps}",
                remedy="a larger total_steps",
            )
        three = len(self.ends) == 3
        rates = []
        for group, top, first, last in zip(
            self.optimizer.param_groups, self.max_lrs, self.initial_lrs, self.min_lrs, strict=True
        ):
            rates.append(self._at(step, [first, top, first, last] if three else [first, top, last]))
            if self.cycle_momentum:
                high, low = self.max_momentum, self.base_momentum
                momentum = self._at(step, [high, low, high, high] if three else [high, low, high])
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates


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
        self.min_lrs = _per_group(op, "min_lr", min_lr, optimizer.param_groups)
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
        metric = float(metrics)
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
        absent = sorted(set(self.state_dict()) - set(state_dict))
        if absent:
            raise StateDictError("load_state_dict", f"the state lacks {', '.join(absent)}")
        self.__dict__.update({key: state_dict[key] for key in self.state_dict()})
