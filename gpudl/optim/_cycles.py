"""Schedules that go round: one cycle, cycles, cosines with restarts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..checks import function, real
from ..errors import ArgumentError
from ..shapes import as_int
from ._optimizer import Group, Optimizer, number
from ._schedule import LRScheduler, at_least_one, cosine, per_group_numbers


def _check_momentum(op: str, groups: Sequence[Group]) -> None:
    if not all("momentum" in g or "betas" in g for g in groups):
        raise ArgumentError(op, "the optimizer has no momentum", remedy="cycle_momentum=False")


def _set_momentum(group: Group, momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


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
        self.total_steps = at_least_one(op, "total_steps", total_steps)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                op, f"anneal_strategy {anneal_strategy!r}", remedy="'cos' or 'linear'"
            )
        pct_start = number(op, "pct_start", pct_start, high=1.0)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if number(op, name, value) == 0:
                raise ArgumentError(op, f"{name} is 0", remedy="a number above 0")
        groups = getattr(optimizer, "param_groups", [])
        self.max_lrs = per_group_numbers(op, "max_lr", max_lr, groups)
        self.initial_lrs = [lr / div_factor for lr in self.max_lrs]
        self.min_lrs = [lr / final_div_factor for lr in self.initial_lrs]
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.base_momentum = number(op, "base_momentum", base_momentum, high=1.0)
        self.max_momentum = number(op, "max_momentum", max_momentum, high=1.0)
        if cycle_momentum:
            _check_momentum(op, groups)
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

    def rate(self, base: float, group: int) -> float:
        step = self.last_epoch
        if step > self.total_steps:  # loops step after the last batch too
            raise ArgumentError(
                "OneCycleLR",
                f"step {step} of {self.total_steps}",
                remedy="a larger total_steps",
            )
        top, first, last = self.max_lrs[group], self.initial_lrs[group], self.min_lrs[group]
        levels = [first, top, first, last] if len(self.ends) == 3 else [first, top, last]
        return self._at(step, levels)

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if self.cycle_momentum:
            high, low = self.max_momentum, self.base_momentum
            momentum = self._at(self.last_epoch, [high, low, high, high][: len(self.ends) + 1])
            for group in self.optimizer.param_groups:
                _set_momentum(group, momentum)


class CyclicLR(LRScheduler):
    """Up from `base_lr` to `max_lr` and down again, over and over.

    `step_size_up`, `step_size_down`: the steps up and down (None: as many); `mode`: the cycles are
    alike (`"triangular"`), halved each time (`"triangular2"`), or scaled by `gamma ** step`
    (`"exp_range"`); `scale_fn`, a function of the cycle or of the step as `scale_mode` (`"cycle"`
    or `"iterations"`) says, in the place of a mode; `cycle_momentum`: the momentum (or first beta)
    goes the other way, from `max_momentum` to `base_momentum`.

    Source: L. Smith, Cyclical learning rates (2017), https://arxiv.org/abs/1506.01186.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = gd.optim.lr_scheduler.CyclicLR(opt, 0.0, 1.0, step_size_up=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        op = "CyclicLR"
        groups = getattr(optimizer, "param_groups", [])
        self.low_lrs = per_group_numbers(op, "base_lr", base_lr, groups)
        self.max_lrs = per_group_numbers(op, "max_lr", max_lr, groups)
        up = at_least_one(op, "step_size_up", step_size_up)
        down = up if step_size_down is None else at_least_one(op, "step_size_down", step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ArgumentError(
                op, f"mode {mode!r:.60}", remedy="'triangular', 'triangular2' or 'exp_range'"
            )
        if scale_mode not in ("cycle", "iterations"):
            raise ArgumentError(
                op, f"scale_mode {scale_mode!r:.60}", remedy="'cycle' or 'iterations'"
            )
        self.mode, self.gamma, self.scale_mode = mode, number(op, "gamma", gamma), scale_mode
        self.scale_fn = None if scale_fn is None else function(op, "scale_fn", scale_fn)
        self.cycle_momentum = bool(cycle_momentum)
        self.base_momentums = per_group_numbers(op, "base_momentum", base_momentum, groups)
        self.max_momentums = per_group_numbers(op, "max_momentum", max_momentum, groups)
        if cycle_momentum:
            _check_momentum(op, groups)
        super().__init__(optimizer, last_epoch)

    def _height(self) -> float:
        """How far up the rates are at `last_epoch`: 1 at the top of a cycle that is not scaled."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        ratio = self.step_ratio
        height = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        if self.scale_fn is not None:
            at = cycle if self.scale_mode == "cycle" else self.last_epoch
            return height * real("CyclicLR", "the result of scale_fn", self.scale_fn(at))
        if self.mode == "triangular2":
            return height / 2.0 ** (cycle - 1)
        return height * float(self.gamma**self.last_epoch) if self.mode == "exp_range" else height

    def rate(self, base: float, group: int) -> float:
        low = self.low_lrs[group]
        return low + (self.max_lrs[group] - low) * self._height()

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if self.cycle_momentum:
            height = self._height()
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, high - (high - low) * height)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial rate down to `eta_min` in `T_0` steps, then from the start
    again in `T_mult` times as many, and so on.

    Source: I. Loshchilov and F. Hutter, SGDR (2017), https://arxiv.org/abs/1608.03983.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.5, 1.0, 0.5, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        op = "CosineAnnealingWarmRestarts"
        self.T_0, self.T_mult = at_least_one(op, "T_0", T_0), at_least_one(op, "T_mult", T_mult)
        self.eta_min = number(op, "eta_min", eta_min)
        self.part = 0.0  # how far past `last_epoch` it is
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to `epoch`, which may lie between two steps; set the rates."""
        at = self.last_epoch + 1.0 if epoch is None else number("step", "epoch", epoch)
        self.part = at - math.floor(at)
        self.move(math.floor(at))

    def rate(self, base: float, group: int) -> float:
        at, length = self.last_epoch + self.part, float(self.T_0)
        if self.T_mult == 1:
            at %= length
        while at >= length:
            at, length = at - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * cosine(at / length)
