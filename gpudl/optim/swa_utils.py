"""Averages of weights over time, with PyTorch's names: stochastic weight averaging and exponential
moving averages.

    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    ...  # after each step of the optimizer
    ema.update_parameters(model)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._namespace.creation import zeros
from ..autograd import no_grad
from ..autograd.writes import overwrite
from ..checks import flag, function
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..nn._module import Module
from ..nn._norm import _BatchNorm
from ..shapes import as_int
from ..tensor import Tensor
from ._optimizer import Optimizer, number
from ._schedule import LRScheduler, cosine, per_group_numbers

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Any, Any, int], Any]
AverageAll = Callable[[Sequence[Any], Sequence[Any], int], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The function `decay * averaged + (1 - decay) * current` of one tensor.

    >>> import gpudl as gd
    >>> average = gd.optim.swa_utils.get_ema_avg_fn(0.75)
    >>> average(gd.ones(2), gd.zeros(2), 1)
    tensor([0.75, 0.75])
    """
    keep = number("get_ema_avg_fn", "decay", decay, high=1.0)

    def ema(averaged: Any, current: Any, num_averaged: int) -> Any:
        return keep * averaged + (1 - keep) * current

    return ema


def get_swa_avg_fn() -> Average:
    """The function that takes one more tensor into a mean of `num_averaged`.

    >>> import gpudl as gd
    >>> gd.optim.swa_utils.get_swa_avg_fn()(gd.ones(2), gd.zeros(2), 1)
    tensor([0.5, 0.5])
    """

    def swa(averaged: Any, current: Any, num_averaged: int) -> Any:
        return averaged + (current - averaged) / (num_averaged + 1)

    return swa


def _for_all(average: Average) -> AverageAll:
    def update(averaged: Sequence[Any], current: Sequence[Any], num_averaged: int) -> None:
        with no_grad():
            for mean, x in zip(averaged, current, strict=True):
                fresh = average(mean, x, num_averaged)
                if not isinstance(fresh, Tensor):
                    raise ArgumentTypeError(
                        "update_parameters", f"avg_fn gave {fresh!r:.60}", remedy="a tensor"
                    )
                # Counts, such as num_batches_tracked, are rounded down, as PyTorch does.
                overwrite("update_parameters", mean, fresh.astype(mean.dtype, copy=False))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """`get_ema_avg_fn` for lists of tensors, in place.

    >>> import gpudl as gd
    >>> model = gd.nn.Linear(2, 1)
    >>> average = gd.optim.swa_utils.get_ema_multi_avg_fn(0.999)
    >>> ema = gd.optim.swa_utils.AveragedModel(model, multi_avg_fn=average)
    >>> ema.update_parameters(model)
    >>> int(ema.n_averaged)
    1
    """
    return _for_all(get_ema_avg_fn(number("get_ema_multi_avg_fn", "decay", decay, high=1.0)))


def get_swa_multi_avg_fn() -> AverageAll:
    """`get_swa_avg_fn` for lists of tensors, in place."""
    return _for_all(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of `model` whose weights are an average of those of `model` over time.

    `device`: where the copy lives; `avg_fn`: `(averaged, current, number)` to the new average, for
    one tensor; `multi_avg_fn`: the same for lists, in place; with neither, all have the same weight
    (SWA); `use_buffers`: average buffers too, else they are copied. The first update copies. Raises
    `ArgumentError` for two functions.

    Source: P. Izmailov et al., Averaging weights leads to wider optima and better generalization
    (2018), https://arxiv.org/abs/1803.05407.

    >>> import gpudl as gd
    >>> model = gd.nn.Linear(2, 1, bias=False)
    >>> swa = gd.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0):
    ...     _ = gd.nn.init.constant_(model.weight, value)
    ...     swa.update_parameters(model)
    >>> swa(gd.ones((1, 2))).item()
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        op = "AveragedModel"
        if not isinstance(model, Module):
            raise ArgumentTypeError(op, f"model is a module, not {type(model).__name__}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError(op, "two functions", remedy="avg_fn or multi_avg_fn")
        self.use_buffers = flag(op, "use_buffers", use_buffers)
        if multi_avg_fn is not None:
            self.multi_avg_fn: AverageAll = function(op, "multi_avg_fn", multi_avg_fn)
        else:
            one = get_swa_avg_fn() if avg_fn is None else function(op, "avg_fn", avg_fn)
            self.multi_avg_fn = _for_all(one)
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device=device)
        self.register_buffer("n_averaged", zeros((), dtype="int64", device=device))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of `model` into the average.

        Raises `ShapeError`, before anything changes, for a model that is not built alike.
        """
        pairs = self._pairs(self.module.parameters(), model.parameters())
        buffers = self._pairs(self.module.buffers(), model.buffers())
        if self.use_buffers:
            pairs, buffers = pairs + buffers, []
        seen = int(self.n_averaged.item())
        with no_grad():
            if seen == 0:
                pairs, buffers = [], pairs + buffers
            if pairs:
                self.multi_avg_fn([mean for mean, _ in pairs], [x for _, x in pairs], seen)
            for mean, x in buffers:
                overwrite("update_parameters", mean, x)
            overwrite("update_parameters", self.n_averaged, self.n_averaged + 1)

    def _pairs(self, means: Iterable[Any], values: Iterable[Any]) -> list[tuple[Any, Any]]:
        ours, theirs = list(means), list(values)
        if [x.shape for x in ours] != [x.shape for x in theirs]:
            raise ShapeError(
                "update_parameters",
                "the model is not built as the averaged one",
                remedy="the model that it was made from, or one of the same class and sizes",
            )
        return [
            (mean, x.detach().to_device(mean.device).astype(mean.dtype, copy=False))
            for mean, x in zip(ours, theirs, strict=True)
        ]


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Estimate the running statistics of every batch norm in `model` afresh, by one pass.

    `loader`: batches, tensors or tuples whose first entry goes into the model; `device`: where they
    are moved. The modes and momenta of the model stay. Averaged weights need it, as their running
    statistics are those of other weights.

    >>> import gpudl as gd
    >>> model = gd.nn.Sequential(gd.nn.BatchNorm1d(1))
    >>> gd.optim.swa_utils.update_bn([gd.tensor([[1.0], [3.0]]), gd.tensor([[5.0], [7.0]])], model)
    >>> model[0].running_mean
    tensor([4.])
    """
    if not isinstance(model, Module):
        raise ArgumentTypeError("update_bn", f"model is a module, not {type(model).__name__}")
    if not isinstance(loader, Iterable):
        raise ArgumentTypeError("update_bn", f"loader is {loader!r:.60}", remedy="batches")
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    modes = [(module, module.training) for module in model.modules()]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    try:
        model.train()
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


class SWALR(LRScheduler):
    """From the rate that the optimizer has now to `swa_lr` in `anneal_epochs` steps, then constant.

    `swa_lr`: a number, or one for each group; `anneal_strategy`: `"cos"` or `"linear"`.

    >>> import gpudl as gd
    >>> opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = gd.optim.swa_utils.SWALR(opt, 0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        groups = getattr(optimizer, "param_groups", [])
        self.swa_lrs = per_group_numbers("SWALR", "swa_lr", swa_lr, groups)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                "SWALR", f"anneal_strategy {anneal_strategy!r:.60}", remedy="'cos' or 'linear'"
            )
        self.anneal_epochs = as_int("SWALR", "anneal_epochs", anneal_epochs)
        if self.anneal_epochs < 0:
            raise ArgumentError("SWALR", f"anneal_epochs is {self.anneal_epochs}")
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way to `swa_lr` is done at `step`."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self.anneal_strategy == "linear" else 1 - cosine(part)

    def get_lr(self) -> list[float]:
        # Another schedule may have run before and between: go on from where the rate is now.
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, share = self._share(step - 1), self._share(step)
        rates = []
        for group, target in zip(self.optimizer.param_groups, self.swa_lrs, strict=True):
            lr = float(group["lr"])
            start = target if before == 1 else (lr - before * target) / (1 - before)
            rates.append(target * share + start * (1 - share))
        return rates
