"""`LRScheduler`, and the schedules that are a formula of the number of steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..checks import items, real
from ..errors import ArgumentError, ArgumentTypeError, StateDictError, undefined
from ..shapes import as_int
from ._optimizer import Group, Optimizer, number

UNSAVED = ("optimizer", "lr_lambdas", "schedulers", "scale_fn")


def per_group(op: str, name: str, value: Any, groups: Sequence[Group]) -> list[Any]:
    """`value` for each group: a list of its own, or the same for all."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(groups)
    if len(values) != len(groups):
        raise ArgumentError(op, f"{len(values)} values of {name} for {len(groups)} groups")
    return values


def per_group_numbers(op: str, name: str, value: Any, groups: Sequence[Group]) -> list[float]:
    """Numbers of at least 0, one for each group."""
    return [number(op, name, item) for item in per_group(op, name, value, groups)]


def at_least_one(op: str, name: str, value: Any) -> int:
    """`value` as an integer of at least 1."""
    result = as_int(op, name, value)
    if result < 1:
        raise ArgumentError(op, f"{name} is {result}", remedy="at least 1")
    return result


def cosine(part: float) -> float:
    """From 1 at 0 to 0 at 1 and back, by a cosine."""
    # round: cos(pi / 2) is 0, and every multiple of the period gives the same rate.
    return (1 + round(math.cos(math.pi * (part % 2)), 15)) / 2


class LRScheduler:
    """Base of the schedules: a subclass gives the rate for the step `last_epoch` in `rate`.

    `optimizer`: whose groups it changes; `last_epoch`: the steps made so far, -1 to begin. The
    rates that the groups begin with are in `base_lrs`, and in each group as `"initial_lr"`, which
    stays once it is there. A subclass may define `get_lr`, as in PyTorch, instead of `rate`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        op = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(op, f"an optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = as_int(op, "last_epoch", last_epoch)
        if self.last_epoch < -1:
            raise ArgumentError(op, f"last_epoch is {last_epoch}", remedy="-1 to begin")
        for group in optimizer.param_groups:
            if last_epoch >= 0 and "initial_lr" not in group:
                raise StateDictError(
                    op, "a group has no initial_lr", remedy="load the optimizer's state first"
                )
            group.setdefault("initial_lr", float(group["lr"]))
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self._last_lr = list(self.base_lrs)
        self.step()

    def rate(self, base: float, group: int) -> float:
        """The rate of the group number `group` at `last_epoch`, if it would be `base` without this
        schedule."""
        raise undefined(self, "rate")

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        return [self.rate(base, i) for i, base in enumerate(self.base_lrs)]

    def get_last_lr(self) -> list[float]:
        """The rate of each group as it was set last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go on by one step, and set the rates."""
        self.move(self.last_epoch + 1)

    def move(self, step: int) -> None:
        """Go to the step number `step`, and set the rates."""
        before, self.last_epoch = self.last_epoch, step
        try:
            rates = self.get_lr()
        except Exception:
            self.last_epoch = before
            raise
        self._set(rates)

    def _set(self, rates: list[float]) -> None:
        self._last_lr = rates
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """What changes over time, and the options; the optimizer and functions are left out."""
        return {key: value for key, value in self.__dict__.items() if key not in UNSAVED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state that `state_dict` gave."""
        self.__dict__.update(fitting(self.state_dict(), state_dict))


def fitting(own: dict[str, Any], given: Any) -> dict[str, Any]:
    """The entries of `given` that `own` has too. Raises `StateDictError` where one is missing."""
    if not isinstance(given, dict):
        raise StateDictError("load_state_dict", "not the state of a schedule")
    absent = sorted(set(own) - set(given))
    if absent:
        raise StateDictError("load_state_dict", f"the state lacks {', '.join(absent)}")
    return {key: given[key] for key in own}


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
        self.lr_lambdas = per_group("LambdaLR", "lr_lambda", lr_lambda, groups)
        if not all(callable(f) for f in self.lr_lambdas):
            raise ArgumentTypeError("LambdaLR", f"a function of the step, not {lr_lambda!r}")
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        # A function sets the rate from the first one: earlier schedules in a chain do not count.
        return self.base_lrs[group] * real(
            "LambdaLR", "the result of lr_lambda", self.lr_lambdas[group](self.last_epoch)
        )


class MultiplicativeLR(LRScheduler):
    """The rate times `lr_lambda(step)` at each step after the first; a list gives each group a
    function of its own.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.MultiplicativeLR(opt, lambda step: 0.5)
    >>> schedule.step()
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
        self.lr_lambdas = per_group("MultiplicativeLR", "lr_lambda", lr_lambda, groups)
        if not all(callable(f) for f in self.lr_lambdas):
            raise ArgumentTypeError(
                "MultiplicativeLR", f"a function of the step, not {lr_lambda!r}"
            )
        self.products = [1.0] * len(groups)
        super().__init__(optimizer, last_epoch)

    def move(self, step: int) -> None:
        before = self.products
        if step > 0:
            self.products = [
                p * real("MultiplicativeLR", "the result of lr_lambda", f(step))
                for p, f in zip(before, self.lr_lambdas, strict=True)
            ]
        super().move(step)

    def rate(self, base: float, group: int) -> float:
        return base * self.products[group]


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
        self.step_size = at_least_one("StepLR", "step_size", step_size)
        self.gamma = number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of `milestones`; one that is listed twice counts twice.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.MultiStepLR(opt, milestones=[1, 3], gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        steps = items("MultiStepLR", "milestones", milestones)
        self.milestones = sorted(as_int("MultiStepLR", "milestones", step) for step in steps)
        self.gamma = number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, self.last_epoch)


class ConstantLR(LRScheduler):
    """The rate times `factor` for the first `total_iters` steps.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.ConstantLR(opt, factor=0.5, total_iters=1)
    >>> schedule.get_last_lr()
    [0.5]
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = number("ConstantLR", "factor", factor, high=1.0)
        self.total_iters = as_int("ConstantLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.factor if self.last_epoch < self.total_iters else base


class LinearLR(LRScheduler):
    """The rate times a factor that goes in a straight line from `start_factor` to `end_factor` in
    `total_iters` steps, then stays: a warm-up.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.LinearLR(opt, start_factor=0.5, total_iters=2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number("LinearLR", "start_factor", start_factor, high=1.0)
        if self.start_factor == 0:
            raise ArgumentError("LinearLR", "start_factor is 0", remedy="a number in (0, 1]")
        self.end_factor = number("LinearLR", "end_factor", end_factor, high=1.0)
        self.total_iters = at_least_one("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * part)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at every step.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * float(self.gamma**self.last_epoch)


class PolynomialLR(LRScheduler):
    """From the initial rate to 0 in `total_iters` steps, as `(1 - part) ** power`.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.PolynomialLR(opt, total_iters=2, power=2.0)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = at_least_one("PolynomialLR", "total_iters", total_iters)
        self.power = number("PolynomialLR", "power", power)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * float((1.0 - part) ** self.power)


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
        self.T_max = at_least_one("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return self.eta_min + (base - self.eta_min) * cosine(self.last_epoch / self.T_max)
