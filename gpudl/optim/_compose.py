"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..checks import items
from ..errors import ArgumentError, ArgumentTypeError, StateDictError
from ..shapes import as_int
from ._optimizer import Optimizer
from ._schedule import LRScheduler, fitting


def _checked(op: str, schedulers: Any, optimizer: Any) -> tuple[list[LRScheduler], Optimizer]:
    chosen = items(op, "schedulers", schedulers)
    if not chosen:
        raise ArgumentError(op, "there are no schedulers")
    for schedule in chosen:
        if not isinstance(schedule, LRScheduler):
            raise ArgumentTypeError(
                op,
                f"{type(schedule).__name__} cannot be combined",
                remedy="schedules that need no metric",
            )
    if optimizer is None:
        optimizer = chosen[0].optimizer
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(op, f"an optimizer, not {type(optimizer).__name__}")
    if any(schedule.optimizer is not optimizer for schedule in chosen):
        raise ArgumentError(op, "the schedulers belong to different optimizers")
    return chosen, optimizer


class _Combined(LRScheduler):
    """A schedule that saves those it is made of."""

    schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """Its own state, and that of each schedule in `"schedulers"`."""
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state that `state_dict` gave."""
        fresh = fitting(self.state_dict(), state_dict)
        parts = fresh.pop("schedulers")
        if len(parts) != len(self.schedulers):
            raise StateDictError(
                "load_state_dict", f"{len(parts)} schedules, there are {len(self.schedulers)}"
            )
        states = [fitting(s.state_dict(), p) for s, p in zip(self.schedulers, parts, strict=True)]
        for schedule, state in zip(self.schedulers, states, strict=True):
            schedule.load_state_dict(state)
        self.__dict__.update(fresh)


class SequentialLR(_Combined):
    """One schedule after the other: the next begins, with its step 0, at each of `milestones`.

    >>> import gpudl as gd
    >>> from gpudl.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> parts = [ConstantLR(opt, factor=0.5), ExponentialLR(opt, gamma=0.5)]
    >>> schedule = SequentialLR(opt, parts, milestones=[2])
    >>> rates = schedule.get_last_lr()
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.5, 0.5, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        op = "SequentialLR"
        self.schedulers, optimizer = _checked(op, schedulers, optimizer)
        steps = items(op, "milestones", milestones)
        self.milestones = [as_int(op, "milestones", step) for step in steps]
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ArgumentError(
                op, f"{len(self.milestones)} milestones for {len(self.schedulers)} schedulers",
                remedy="one less than schedulers",
            )  # fmt: skip
        if self.milestones != sorted(set(self.milestones)) or min([1, *self.milestones]) < 1:
            raise ArgumentError(op, f"milestones are {self.milestones}", remedy="growing, above 0")
        super().__init__(optimizer, last_epoch)

    def move(self, step: int) -> None:
        i = bisect_right(self.milestones, step)
        current = self.schedulers[i]
        current.move(step - (self.milestones[i - 1] if i else 0))
        self.last_epoch = step
        self._last_lr = current.get_last_lr()


class ChainedScheduler(_Combined):
    """All schedules at once: each changes the rates that those before it give.

    Schedules that multiply multiply; one that sets the rates (`LambdaLR`, the cycles) overrules
    those before it.

    >>> import gpudl as gd
    >>> from gpudl.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = ChainedScheduler([ConstantLR(opt, factor=0.5), ExponentialLR(opt, gamma=0.5)])
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self.schedulers, optimizer = _checked("ChainedScheduler", schedulers, optimizer)
        self.optimizer = optimizer
        self.base_lrs = self.schedulers[0].base_lrs
        self.last_epoch = self.schedulers[0].last_epoch
        self._set(self.get_lr())

    def rate(self, base: float, group: int) -> float:
        for schedule in self.schedulers:
            base = schedule.rate(base, group)
        return base

    def move(self, step: int) -> None:
        before = [dict(schedule.__dict__) for schedule in self.schedulers]
        rates = [group["lr"] for group in self.optimizer.param_groups]
        try:
            for schedule in self.schedulers:
                schedule.step()
            super().move(step)
        except Exception:  # one of them is at its end: none has moved
            for schedule, state in zip(self.schedulers, before, strict=True):
                schedule.__dict__.update(state)
            for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = lr
            raise
